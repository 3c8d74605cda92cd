"""Drift: counting rows, exactness of KS, false alarms and delays of our policy beside the classic rules.

python bench/drift.py --quick
python bench/drift.py --json bench/results/drift.json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from harness import cli, drift, machine
from harness.report import Report
from rich.console import Console
from rich.table import Table

PARTS = ("speed", "exactness", "policies")


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "few checks and trials (about two minutes)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"these alone, of {', '.join(PARTS)}")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return chosen


def measure(run: cli.Run) -> Report:
    """Each part in turn, on one core."""
    quick = run.options.quick
    report = Report(
        "drift",
        quick,
        machine.facts(run.directory),
        machine.versions(("affiant", "numpy", "scipy", "evidently")),
    )
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {run.options.server_core})
    try:
        with run.progress() as bars:
            task = bars.add_task("starting", total=len(run.options.only))

            def told(text: str) -> None:
                bars.update(task, description=text)

            parts: dict[str, Callable[[], drift.Measured]] = {
                "speed": lambda: drift.speed(3 if quick else 9, told),
                "exactness": lambda: drift.exactness(told),
                "policies": lambda: drift.policies(
                    checks=2_000 if quick else 12_000, trials=2 if quick else 20,
                    evidently_checks=5 if quick else 100, told=told,
                ),
            }  # fmt: skip
            for name in PARTS:
                if name in run.options.only:
                    rows, found = parts[name]()
                    report.rows += [{"part": name, **row} for row in rows]
                    report.bars += found
                    bars.advance(task)
    finally:
        os.sched_setaffinity(0, before)
    return report


def show(report: Report, console: Console) -> None:
    """Rates and errors a line a row; the policies as the table of docs/benchmarks.md; then the bars."""
    table = Table(title="Drift", title_justify="left")
    table.add_column("what", overflow="fold")
    table.add_column("figures", overflow="fold")
    for row in report.rows:
        if row["part"] != "policies":
            figures = [f"{key} {value:,}" for key, value in row.items() if key not in ("part", "what")]
            table.add_row(row["what"], ", ".join(figures))
    if table.row_count:
        console.print(table)
    compared = [row for row in report.rows if row["part"] == "policies"]
    if compared:
        table = Table(title="Policies; false episodes a day at a million records a day", title_justify="left")
        table.add_column("policy", overflow="fold")
        keys = [key for key in compared[0] if key not in ("part", "what")]
        for key in keys:
            table.add_column(f"records until {key}" if "σ" in key else key.replace("_", " "), justify="right")
        for row in compared:
            table.add_row(row["what"], *(str(row[key]) for key in keys))
        console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    chosen = options()
    sys.exit(cli.run("drift", chosen, measure, show))
