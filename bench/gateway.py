"""The gateway beside the servers that people use: req/s, p50, p99 and processor time a request.

One run, one core for the server and one for the client, every server but the measured one stopped with
SIGSTOP, rounds interleaved. Every server serves the same model, and before anything is measured their answers
are compared with the model's own.

    python bench/gateway.py --quick
    python bench/gateway.py --json bench/results/gateway.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import cli, data, environments, machine
from harness.bars import OURS, is_ours, judge
from harness.compare import Comparison, Plan
from harness.ours import OurGateway, publish
from harness.report import Report
from harness.servers import PEERS, Row, Server
from rich.console import Console
from rich.table import Table


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "one short round, fewer rows (under 180 s)")
    parser.add_argument("--rounds", type=int, help="rounds (default 3, quick 1)")
    parser.add_argument("--seconds", type=int, help="seconds a measurement (default 8, quick 2)")
    parser.add_argument("--connections", default="1,16,64", help="numbers of connections (default 1,16,64)")
    parser.add_argument(
        "--only",
        help=f"these servers alone, of {', '.join([OURS, *PEERS])}; bars that need others are left out",
    )
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.seconds = chosen.seconds or (2 if chosen.quick else 8)
    chosen.connections = [int(number) for number in chosen.connections.split(",")]
    chosen.only = chosen.only.split(",") if chosen.only else [OURS, *PEERS]
    if unknown := set(chosen.only) - {OURS, *PEERS}:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    return chosen


def measure(run: cli.Run) -> Report:
    """Start everything and measure it."""
    chosen, directory = run.options, run.directory
    report = Report(
        "gateway",
        chosen.quick,
        machine.facts(directory),
        machine.versions(
            ("affiant", "bentoml", "xgboost-cpu", "onnxruntime", "numpy", "uvloop", "httptools")
        ),
    )
    with run.progress() as bars:
        starting = bars.add_task("environments and model", total=len(chosen.only) + 1)
        workload = data.prepare(environments.cache())
        bars.advance(starting)
        rows: list[Row] = []
        for name in chosen.only:
            bars.update(starting, description=f"starting {name}")
            for server in build(name, workload, directory, chosen.server_core):
                process = run.own(server.start())
                process.wait_until(server.ready)
                found = server.rows()
                worst = max(row.check(workload.expected) for row in found)
                report.extra.setdefault("largest_difference", {})[server.name] = worst
                report.versions[f"peer:{server.name}"] = server.version()
                rows += found
                process.pause()
            bars.advance(starting)
        # The same runtime and protocol, audited and not, next to each other: their ratio is taken in pairs.
        rows.sort(key=lambda row: (row.runtime, row.protocol) if is_ours(row) else ("", ""))
        plan = Plan(
            chosen.rounds,
            chosen.seconds,
            1,
            chosen.connections,
            quick_cells if chosen.quick else (lambda _row, _connections: True),
            chosen.client_core,
        )
        comparison = Comparison(plan, rows, directory)
        cells = plan.cells(rows)
        measuring = bars.add_task("measuring", total=len(cells))
        syncs: list[machine.DiskSync] = []
        for number, connections, row in cells:
            # The disk is shared too: it is timed right before each measurement that is held against it.
            if not syncs or (row.audited and connections == 1):
                syncs.append(machine.measure_sync(directory))
            bars.update(
                measuring, description=f"round {number + 1}, {connections:>2} connections, {row.name}"
            )
            comparison.measure(number, connections, row)
            bars.advance(measuring)
    sync_ms = statistics.median(sync.median_ms for sync in syncs)
    report.extra["fdatasync_ms"] = {"median": sync_ms, "each": [round(sync.median_ms, 3) for sync in syncs]}
    report.rows = comparison.as_rows()
    report.bars, report.extra["ratios"] = judge(comparison, rows, sync_ms)
    return report


def build(name: str, workload: data.Workload, directory: Path, core: int) -> list[Server | OurGateway]:
    """The servers behind one name of the command line: our gateway twice, the second un-audited."""
    if name == OURS:
        digests = publish(workload, directory / "store")
        return [
            OurGateway(workload, directory, core, audited=audited, digests=digests)
            for audited in (True, False)
        ]
    return [PEERS[name](workload, directory, core)]


def quick_cells(row: Row, connections: int) -> bool:
    """What a quick run leaves out: what no bar needs."""
    if not row.counted or row.protocol == "v2-binary":
        return False
    if connections == 1:
        return is_ours(row) and row.protocol == "v1"
    if is_ours(row) and not row.audited:
        return connections == 64 and row.protocol == "v1"
    return True


def show(report: Report, console: Console) -> None:
    """A table for each number of connections, the fastest first; then the bars."""
    for connections in sorted({int(row["connections"]) for row in report.rows}):
        measured = [row for row in report.rows if row["connections"] == connections]
        peers = [row["rate"] for row in measured if row["counted"] and not row["server"].startswith(OURS)]
        table = Table(
            title=f"{connections} connection{'s' if connections > 1 else ''}, medians", title_justify="left"
        )
        for name in ("server", "runtime", "protocol"):
            table.add_column(name, no_wrap=True)
        for name in ("req/s", "× best peer", "p50 ms", "p99 ms", "CPU µs/req"):
            table.add_column(name, justify="right")
        for row in sorted(measured, key=lambda row: -row["rate"]):
            failed = f" [red]{row['failed']} failed[/]" if row["failed"] else ""
            table.add_row(
                row["server"],
                row["runtime"],
                row["protocol"],
                f"{row['rate']:,.0f}{failed}",
                f"{row['rate'] / max(peers):.2f}" if peers else "",
                f"{row['p50_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                f"{row['cpu_us']:.0f}",
            )
        console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("gateway", options(), measure, show))
