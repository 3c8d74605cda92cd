"""Whether what a step is made of is what the commit has that MLflow notes of its run."""

from __future__ import annotations

import subprocess
from pathlib import Path

KINDS = ("*.py", "*.yaml", "*.txt", "*.dvc")
"""Code, parameters and stages, locked packages, versions of data. What the pipeline itself writes while it runs
(dvc.lock, .gitignore, results), and a key that lies there, go into no model."""


def changed(directory: Path) -> bool | None:
    """Whether such a file differs from the commit, or is in none; None where git does not say: then nobody knows."""
    command = ["git", "-C", str(directory), "status", "--porcelain", "--untracked-files=all", "--", *KINDS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(done.stdout.strip())
