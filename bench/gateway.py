"""The gateway beside the servers that people use: req/s, p50, p99 and processor time a request.

One run, one core for the server and one for the client, every server but the measured one stopped with
SIGSTOP, rounds interleaved. Every server serves the same model, and before anything is measured their answers
are compared with the model's own.

    python bench/gateway.py --quick
    python bench/gateway.py --json bench/results/gateway.json
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import data, environments, machine
from harness.bars import OURS, is_ours, judge
from harness.compare import Comparison, Plan
from harness.ours import OurGateway, publish
from harness.processes import BenchError
from harness.report import Report
from harness.servers import PEERS, Row, Server
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round, fewer rows (under 180 s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, help="rounds (default 3, quick 1)")
    parser.add_argument("--seconds", type=int, help="seconds a measurement (default 8, quick 2)")
    parser.add_argument("--connections", default="1,16,64", help="numbers of connections (default 1,16,64)")
    parser.add_argument(
        "--only",
        help=f"these servers alone, of {', '.join([OURS, *PEERS])}; bars that need others are left out",
    )
    parser.add_argument("--server-core", type=int, default=0, help="core of the measured server (default 0)")
    parser.add_argument("--client-core", type=int, default=1, help="core of wrk (default 1)")
    parser.add_argument(
        "--directory", type=Path, help="on the disk to put journals on (default: the cache's)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the run's directory: logs, settings, journals"
    )
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.seconds = chosen.seconds or (2 if chosen.quick else 8)
    chosen.connections = [int(number) for number in chosen.connections.split(",")]
    chosen.only = chosen.only.split(",") if chosen.only else [OURS, *PEERS]
    if unknown := set(chosen.only) - {OURS, *PEERS}:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    return chosen


def main() -> int:
    """Run the bench; 0 whether or not a bar holds, 3 when it could not be run."""
    chosen = options()
    console = Console()
    parent = chosen.directory or environments.cache()
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="gateway-", dir=parent))
    servers: list[Server | OurGateway] = []
    try:
        report = run(chosen, directory, servers, console)
    except BenchError as error:
        console.print(f"[red]{error}[/]", markup=True, highlight=False)
        return 3
    finally:
        for server in servers:
            if server.process is not None:
                server.process.stop()
        if chosen.keep:
            console.print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    show(report, console)
    if chosen.json:
        report.write(chosen.json)
        console.print(f"report: {chosen.json}")
    return 0


def run(
    chosen: argparse.Namespace, directory: Path, servers: list[Server | OurGateway], console: Console
) -> Report:
    """Start everything (each started server is put into `servers`, for the caller to stop) and measure."""
    report = Report(
        "gateway",
        chosen.quick,
        machine.facts(directory),
        machine.versions(
            ("affiant", "bentoml", "xgboost-cpu", "onnxruntime", "numpy", "uvloop", "httptools")
        ),
    )
    with progress(console) as bars:
        starting = bars.add_task("environments and model", total=len(chosen.only) + 1)
        workload = data.prepare(environments.cache())
        bars.advance(starting)
        rows: list[Row] = []
        for name in chosen.only:
            bars.update(starting, description=f"starting {name}")
            for server in build(name, workload, directory, chosen.server_core):
                servers.append(server)
                process = server.start()
                process.wait_until(server.ready)
                found = server.rows()
                worst = max(row.check(workload.expected) for row in found)
                report.extra.setdefault("largest_difference", {})[server.name] = worst
                report.versions[f"peer:{server.name}"] = server.version()
                rows += found
                process.pause()
            bars.advance(starting)
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
        syncs: dict[int, machine.DiskSync] = {}
        for number, connections, row in cells:
            if number not in syncs:
                syncs[number] = machine.measure_sync(directory)
            bars.update(
                measuring, description=f"round {number + 1}, {connections:>2} connections, {row.name}"
            )
            comparison.measure(number, connections, row)
            bars.advance(measuring)
    sync_ms = statistics.median(sync.median_ms for sync in syncs.values())
    report.extra["fdatasync_ms"] = {"median": sync_ms, "rounds": [sync.median_ms for sync in syncs.values()]}
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
            table.add_column(name)
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


def progress(console: Console) -> Progress:
    """One line that says what is being done and how long it will take."""
    return Progress(
        TextColumn("{task.description:<48}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


if __name__ == "__main__":
    sys.exit(main())
