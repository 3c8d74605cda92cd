"""What a campaign came to, a row for what was killed: printed, and kept as JSON for docs/faults.md."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.fault.rollback.world import Told

ROOT: Final = Path(__file__).resolve().parents[3]
COLUMNS: Final = ("killed", "rounds", "kills", "false", "missed", "median s", "max s", "void events")


def row(kind: str, told: Sequence[Told]) -> dict[str, Any]:
    """Of the rounds of one kind that went as they must: any other ends the campaign."""
    late = sorted(each.seconds for each in told if each.seconds is not None)
    return {
        "killed": kind, "rounds": len(told), "kills": sum(len(each.killed) for each in told), "false": 0, "missed": 0,
        "median s": round(statistics.median(late), 1) if late else "", "max s": round(late[-1], 1) if late else "",
        "void events": sum(each.void for each in told),
    }  # fmt: skip


def keep(told: Sequence[Told]) -> str:
    """Write the file that AFFIANT_ROLLBACK_RESULTS names (bench/results/rollback-faults.json); the Markdown table."""
    path = Path(os.environ.get("AFFIANT_ROLLBACK_RESULTS") or ROOT / "bench/results/rollback-faults.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = dict.fromkeys(each.kind for each in told)
    rows = [row(kind, [each for each in told if each.kind == kind]) for kind in kinds]
    rounds = [vars(each) for each in told]
    path.write_text(json.dumps({"rows": rows, "rounds": rounds}, indent=1) + "\n")
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(str(each[name]) for name in COLUMNS) + " |" for each in rows]
    return "\n".join(lines)
