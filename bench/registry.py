"""The registry: publishing and judging, admission at a load and beside requests, swaps, questions to the lineage.

python bench/registry.py --quick
python bench/registry.py --json bench/results/registry.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from harness import beside, cli, governed, lineage, machine, swaps
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

Measured = tuple[list[dict[str, Any]], list[Bar]]
PARTS = ("judging", "admission", "beside", "swaps", "kafka", "lineage")


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "short histories, few swaps (under 90 s)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"these alone, of {', '.join(PARTS)}")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return chosen


def measure(run: cli.Run) -> Report:
    """Each part in turn; nothing else runs meanwhile."""
    quick = run.options.quick
    versions = machine.versions(("affiant", "cbor2", "cryptography", "pydantic", "xgboost-cpu", "bentoml"))
    report = Report("registry", quick, machine.facts(run.directory), versions)
    entries, packages, records = (20_000, 1_000, 50_000) if quick else (1_000_000, 10_000, 1_000_000)
    with run.progress() as bars:
        task = bars.add_task("starting", total=len(run.options.only))

        def told(text: str) -> None:
            bars.update(task, description=text)

        parts: dict[str, Callable[[], Measured]] = {
            "judging": lambda: governed.judging(told),
            "admission": lambda: governed.admission(run.directory / "admission", entries, told),
            "beside": lambda: beside.beside(
                run.directory / "beside",
                entries,
                1 if quick else 5,
                5 if quick else 30,
                (run.options.server_core, run.options.client_core),
                told,
            ),
            "swaps": lambda: swaps.swaps(run.directory / "swaps", 10 if quick else 100, told),
            "kafka": lambda: swaps.swaps_over_kafka(
                run.directory / "kafka", 10 if quick else 100, run.options.client_core, told
            ),
            "lineage": lambda: lineage.measure(run.directory / "lineage", entries, packages, records, told),
        }
        for name in PARTS:
            if name in run.options.only:
                told(name)
                rows, found = parts[name]()
                report.rows += [{"part": name, **row} for row in rows]
                report.bars += found
                bars.advance(task)
    return report


def show(report: Report, console: Console) -> None:
    """A line a row, then the bars."""
    table = Table(title="Registry", title_justify="left")
    table.add_column("part")
    table.add_column("what", overflow="fold")
    table.add_column("figures", overflow="fold")
    for row in report.rows:
        figures = ", ".join(
            f"{key} {value}" for key, value in row.items() if key not in ("part", "what", "rounds")
        )
        table.add_row(row["part"], row["what"], figures)
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    chosen = options()
    sys.exit(cli.run("registry", chosen, measure, show))
