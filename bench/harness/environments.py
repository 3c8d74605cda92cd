"""One cached environment for each peer, from hash-pinned requirements: their needs exclude one another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.processes import BenchError

PEERS = Path(__file__).resolve().parent.parent / "peers"
MAKER = PEERS.parent.parent / "scripts" / "environment"


def cache() -> Path:
    """Where the benches keep what they fetch and train, outside the checkout."""
    return Path(os.environ.get("AFFIANT_CACHE", "~/.cache/affiant")).expanduser() / "bench"


def ensure(peer: str) -> Path:
    """The environment of `peer`, made or brought up to date when its requirements have changed.

    `scripts/environment` installs the list as it stands: MLServer's plugin asks for the xgboost with CUDA, which is
    replaced by the same version without it (overrides.txt), and resolving again would not know that.
    """
    requirements = PEERS / peer / "requirements.txt"
    command = [sys.executable, str(MAKER), f"bench-{peer}", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the environment of {peer} could not be made:\n{done.stderr[-2000:]}")
    return Path(done.stdout.strip())


def installed(directory: Path, package: str) -> str:
    """The version of `package` in that environment."""
    name = package.replace("-", "_").lower()
    for found in (directory / "lib").glob("python*/site-packages/*.dist-info"):
        distribution, _, version = found.name.removesuffix(".dist-info").rpartition("-")
        if distribution.lower() == name:
            return version
    return "absent"
