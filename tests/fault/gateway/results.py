"""The table of a campaign: printed, and kept as JSON for docs/faults.md."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from tests.fault.gateway.world import ROOT, Tally

COLUMNS = ("kind", "kills", "answered", "found", "lost", "duplicates", "torn", "aborted", "records")


def keep(tally: Tally) -> None:
    """Add a row to the file that AFFIANT_FAULT_RESULTS names (bench/results/faults.json), in place of its own."""
    path = Path(os.environ.get("AFFIANT_FAULT_RESULTS") or ROOT / "bench" / "results" / "faults.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(path.read_text()) if path.exists() else []
    rows = [row for row in rows if row["kind"] != tally.kind] + [asdict(tally)]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def table(rows: list[dict[str, object]]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(str(row[name]) for name in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)
