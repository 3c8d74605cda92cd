"""Take the raw table in: refuse what is not what was agreed, and write it as it is used from here on.

    python ingest.py RAW OUT RUN

Writes the table to OUT and the id of its MLflow run to RUN.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import pandas as pd
from steps import note_run, sha256

COLUMNS, TARGET = 21, "creditability"


def main(raw: Path, out: Path, run_file: Path) -> None:
    """One step of dvc.yaml."""
    table = pd.read_csv(raw)
    if len(table.columns) != COLUMNS or set(table[TARGET]) != {"good", "bad"}:
        raise SystemExit(f"{raw}: {len(table.columns)} columns; wanted {COLUMNS}, with {TARGET} good or bad")
    table = table.drop_duplicates().reset_index(drop=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(out, index=False)
    with note_run("ingestion", run_file):
        mlflow.log_params({"raw": raw.name, "raw_sha256": sha256(raw), "rows": len(table)})
        mlflow.log_input(mlflow.data.from_pandas(table, source=str(raw), name="applications"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
