"""Sealing, verifying, finding, proving, replaying and bundling, each beside the barest loop that does as much.

python bench/audit.py --quick
python bench/audit.py --only notary,verify --json bench/results/audit.json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from harness import auditor, cli, machine, notary, replay
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

Measured = tuple[list[dict[str, Any]], list[Bar]]
PARTS = ("notary", "delay", "auditor", "replay", "memory")


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "small logs, one round (under 60 s)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"these alone, of {', '.join(PARTS)}")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return chosen


def measure(run: cli.Run) -> Report:
    """Each part in turn; nothing else runs meanwhile."""
    quick = run.options.quick
    sealed, size = run.directory / "sealed", 50_000 if quick else 1_000_000
    report = Report(
        "audit",
        quick,
        machine.facts(run.directory),
        machine.versions(
            (
                "affiant",
                "cbor2",
                "cryptography",
                "kafka-python",
                "obstore",
                "pyarrow",
                "duckdb",
                "xgboost-cpu",
                "onnxruntime",
            )
        ),
    )
    with run.progress() as bars:
        task = bars.add_task("starting", total=len(run.options.only))

        def told(text: str) -> None:
            bars.update(task, description=text)

        parts: dict[str, Callable[[], Measured]] = {
            "notary": lambda: notary.rates(run, 160_000 if quick else 400_000, 1 if quick else 3),
            "delay": lambda: notary.delay(run, 5 if quick else 60),
            "auditor": lambda: _pinned(run, lambda: auditor.measure(sealed, size, 1 if quick else 3, told)),
            "replay": lambda: _pinned(run, lambda: replay.measure(quick)),
            "memory": lambda: notary.memory(run, 100_000 if quick else 5_000_000),
        }
        for name in PARTS:
            if name in run.options.only:
                told(name)
                rows, found = parts[name]()
                report.rows += [{"part": name, **row} for row in rows]
                report.bars += found
                bars.advance(task)
    return report


def _pinned(run: cli.Run, body: Callable[[], Measured]) -> Measured:
    """In this process, on the core of what is measured."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {run.options.server_core})
    try:
        return body()
    finally:
        os.sched_setaffinity(0, before)


def show(report: Report, console: Console) -> None:
    """A line each, then the bars."""
    table = Table(title="sealing and auditing", title_justify="left")
    table.add_column("what")
    table.add_column("measured", overflow="fold")
    for row in report.rows:
        figures = ", ".join(
            f"{key} {value:,}" if isinstance(value, int | float) else f"{key} {value}"
            for key, value in row.items()
            if key not in ("part", "what")
        )
        table.add_row(str(row.get("what", row["part"])), figures)
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("audit", options(), measure, show))
