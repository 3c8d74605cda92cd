"""A sidecar that kills itself (SIGKILL) at a chosen step, to be run in place of `python -m cli.main`.

The step is AFFIANT_KILL_AT: `module:function:n:before` or `…:after`, the n-th call of that function from 1 on.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from typing import Any

from cli.main import run


def arm(step: str) -> None:
    """Make the function kill this process at its n-th call."""
    module, name, number, moment = step.split(":")
    holder: Any = importlib.import_module(module)
    *owner, function = name.split(".")
    for part in owner:
        holder = getattr(holder, part)
    plain: Callable[..., Any] = getattr(holder, function)
    calls = 0

    def armed(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        here = calls == int(number)
        if here and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(*args, **options)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, function, armed)


if __name__ == "__main__":
    arm(os.environ["AFFIANT_KILL_AT"])
    run()
