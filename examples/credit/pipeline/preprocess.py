"""Split the applications: what the model learns from, and what only the gates see.

python preprocess.py IN TRAIN HOLDOUT RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import pandas as pd
from ingest import TARGET
from sklearn.model_selection import train_test_split
from steps import note_run, params, sha256


def main(source: Path, train: Path, holdout: Path, run_file: Path) -> None:
    """One step of dvc.yaml."""
    chosen = params()["split"]
    table = pd.read_csv(source)
    parts = train_test_split(
        table, test_size=chosen["holdout"], random_state=chosen["seed"], stratify=table[TARGET]
    )
    for part, path in zip(parts, (train, holdout), strict=True):
        part.to_csv(path, index=False)
    with note_run("preprocessing", run_file):
        mlflow.log_params(
            {**chosen, "in_sha256": sha256(source), "rows": len(parts[0]), "holdout_rows": len(parts[1])}
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
