"""What the steps of the pipeline share: parameters, hashes, and MLflow runs whose ids are kept in files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before it is imported

import mlflow
import yaml
from worktree import changed

EXPERIMENT = "credit"
HERE = Path(__file__).resolve().parent
CHANGED = changed(HERE)
"""Asked as the code is read, and not when the run ends: what is edited meanwhile is not what runs."""


def params() -> dict[str, Any]:
    """params.yaml."""
    found: dict[str, Any] = yaml.safe_load((HERE / "params.yaml").read_text())
    return found


def sha256(path: Path) -> str:
    """Of a file's bytes, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def note_run(step: str, run_file: Path) -> Iterator[str]:
    """An MLflow run of a step. Its id is in `run_file` when it has ended well."""
    mlflow.set_experiment(EXPERIMENT)
    tags = {"step": step}
    if CHANGED is not None:  # MLflow notes the commit, and not whether files differ from it
        tags["mlflow.source.git.dirty"] = str(CHANGED).lower()
    with mlflow.start_run(run_name=step, tags=tags) as run:
        yield run.info.run_id
    run_file.parent.mkdir(parents=True, exist_ok=True)
    run_file.write_text(run.info.run_id)
