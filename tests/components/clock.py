"""A process whose clock can be put forward and back while it runs: what `time.time` and `time.time_ns` say.

    python -m tests.components.clock FILE cli.main monitor --config affiant.toml

`Clock(FILE).ahead = 7200` jumps; the monotonic clock, like a machine's, does not.
"""

from __future__ import annotations

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path
from typing import Final

_FORM: Final = struct.Struct("<q")


class Clock:
    """By how much a clock is ahead, in a file that both sides have mapped."""

    def __init__(self, path: Path) -> None:
        """Right, at first."""
        if not path.exists():
            path.write_bytes(bytes(_FORM.size))
        with path.open("r+b") as file:
            self._shared: Final = mmap.mmap(file.fileno(), _FORM.size)

    @property
    def ahead(self) -> float:
        """Seconds; negative: behind."""
        return self.ahead_ns / 1e9

    @ahead.setter
    def ahead(self, seconds: float) -> None:
        self._shared[:] = _FORM.pack(round(seconds * 1e9))

    @property
    def ahead_ns(self) -> int:
        """The same in ns."""
        found: int = _FORM.unpack(self._shared)[0]
        return found


def main() -> None:
    """See the module."""
    path, module, *arguments = sys.argv[1:]
    clock, right, right_ns = Clock(Path(path)), time.time, time.time_ns
    time.time = lambda: right() + clock.ahead
    time.time_ns = lambda: right_ns() + clock.ahead_ns
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
