"""One cached environment for each peer, from hash-pinned requirements: their needs exclude one another."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from harness.processes import BenchError

PEERS = Path(__file__).resolve().parent.parent / "peers"


def cache() -> Path:
    """Where the benches keep what they fetch and train, outside the checkout."""
    return Path(os.environ.get("AFFIANT_CACHE", "~/.cache/affiant")).expanduser() / "bench"


def ensure(peer: str) -> Path:
    """The environment of `peer`, made or brought up to date when its requirements have changed.

    The mark is written last, so an environment whose making was cut short is made again.
    """
    requirements = PEERS / peer / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    directory = cache() / peer
    mark = directory / "affiant-bench.sha256"
    if mark.exists() and mark.read_text() == wanted:
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    uv = _uv()
    _run([*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(directory)], peer)
    # `sync` installs the list as it stands. MLServer's plugin asks for the xgboost with CUDA, which is
    # replaced by the same version without it (overrides.txt): resolving again would not know that.
    python = directory / "bin" / "python"
    _run(
        [*uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements)], peer
    )
    mark.write_text(wanted)
    return directory


def installed(directory: Path, package: str) -> str:
    """The version of `package` in that environment."""
    name = package.replace("-", "_").lower()
    for found in (directory / "lib").glob("python*/site-packages/*.dist-info"):
        distribution, _, version = found.name.removesuffix(".dist-info").rpartition("-")
        if distribution.lower() == name:
            return version
    return "absent"


def _uv() -> list[str]:
    """The uv that made the project's own environment, fetched by the same script where the machine has none."""
    bootstrap = PEERS.parent.parent / "scripts" / "bootstrap"
    done = subprocess.run([bootstrap, "--uv"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(
            "uv, which makes the peers' environments, could not be had (the reason stands above)"
        )
    return [done.stdout.strip()]


def _run(command: list[str], peer: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the environment of {peer} could not be made:\n{done.stderr[-2000:]}")
