"""Environments of their own, in the cache, for what needs other versions of libraries than this project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.components.process import ComponentError

_SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "environment"


def environment(name: str, requirements: Path, build: Path | None = None) -> Path:
    """The environment `name`, made or brought up to date when what is named has changed.

    Args:
        name: of its folder in the cache.
        requirements: pinned and hashed; nothing else is installed.
        build: what builds those of them that come as sources, pinned and hashed.

    Raises:
        ComponentError: it could not be made.
    """
    built = [] if build is None else ["--build", str(build)]
    return Path(run([sys.executable, str(_SCRIPT), name, str(requirements), *built]).strip())


def run(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; what it printed.

    Raises:
        ComponentError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environ or {})}
    )
    if done.returncode != 0:
        raise ComponentError(f"{Path(command[0]).name} failed ({done.returncode})\n{done.stderr[-3000:]}")
    return done.stdout
