"""Environments of their own, in the cache, for what needs other versions of libraries than this project."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.components.cache import cache_dir
from tests.components.process import ComponentError

_BOOTSTRAP: Final = Path(__file__).parents[2] / "scripts" / "bootstrap"


def environment(name: str, requirements: Path, build: Path | None = None) -> Path:
    """The environment `name`, made or brought up to date when what is named has changed.

    The mark is written last, so an environment whose making was cut short is made again; one process makes it.

    Args:
        name: of its folder in the cache.
        requirements: pinned and hashed; nothing else is installed.
        build: what builds those of them that come as sources, pinned and hashed.

    Raises:
        ComponentError: it could not be made.
    """
    texts = [path.read_bytes() for path in (requirements, build) if path is not None]
    wanted = hashlib.sha256(b"".join((*texts, sys.version.encode()))).hexdigest()
    directory = cache_dir() / name
    mark = directory / f"affiant-{name}.sha256"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return directory
        uv = run([str(_BOOTSTRAP), "--uv"]).strip()
        python = str(directory / "bin" / "python")
        run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(directory)])
        built = [] if build is None else ["--build-constraints", str(build)]
        run([uv, "pip", "sync", "--quiet", "--require-hashes", *built, "--python", python, str(requirements)])
        mark.write_text(wanted)
    return directory


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
