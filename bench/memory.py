"""The gateway's memory over a million requests: what it grows by once it is warm.

The requests are a mixture, in turns: both runtimes, V1, V2 and V2 with binary tensors, and one in twenty
turns of refused ones (unknown model, wrong shape, bad JSON): it is on the rare paths that memory gets lost.

    python bench/memory.py --quick
"""

from __future__ import annotations

import argparse
import itertools
import sys

from harness import cli, data, environments, machine, wrk
from harness.growth import slope
from harness.ours import OurGateway
from harness.processes import BenchError
from harness.report import Bar, Report
from harness.servers import JSON
from harness.wrk import Target
from rich.console import Console
from rich.table import Table

GOAL_MIB = 8.0  # growth a million requests after the first fifth; an allocator's noise is below that
WARM_PART = 0.2
BAD_EVERY = 20


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "100,000 requests (under 60 s)")
    parser.add_argument("--requests", type=int, help="how many (default 1,000,000; quick 100,000)")
    parser.add_argument("--connections", type=int, default=64, help="kept-alive connections (default 64)")
    chosen = parser.parse_args()
    chosen.requests = chosen.requests or (100_000 if chosen.quick else 1_000_000)
    return chosen


def measure(run: cli.Run) -> Report:
    """Send turns of one second until enough requests were answered, and sample after each."""
    chosen, directory = run.options, run.directory
    report = Report(
        "memory", chosen.quick, machine.facts(directory), machine.versions(("affiant", "bentoml"))
    )
    workload = data.prepare(environments.cache())
    gateway = OurGateway(workload, directory, chosen.server_core)
    process = run.own(gateway.start())
    process.wait_until(gateway.ready)
    good = [row.target for row in gateway.rows()]
    bad = refused(gateway.port)
    files = {}
    for number, target in enumerate([*good, *bad]):
        files[id(target)] = directory / f"requests-{number}"
        target.write(files[id(target)])
    turns = itertools.cycle(good)
    worse = itertools.cycle(bad)
    answered = failed = 0
    with run.progress() as bars:
        task = bars.add_task("requests", total=chosen.requests)
        for turn in itertools.count():
            is_bad = turn % BAD_EVERY == BAD_EVERY - 1
            target = next(worse) if is_bad else next(turns)
            load = wrk.run(
                target,
                files[id(target)],
                connections=chosen.connections,
                seconds=1,
                core=chosen.client_core,
            )
            answered += load.requests
            if not is_bad:
                failed += load.failed
            if not process.alive():
                raise BenchError(f"the gateway ended:\n{process.tail()}")
            report.rows.append(
                {
                    "requests": answered,
                    "resident_bytes": process.memory("Pss"),
                    "anonymous_bytes": process.memory("Anonymous"),
                }
            )
            bars.update(task, completed=min(answered, chosen.requests))
            if answered >= chosen.requests:
                break
    report.extra = {"answered": answered, "failed": failed}
    growth, baseline = grown(report.rows)
    report.extra["warm_bytes"] = baseline
    report.bars = [
        Bar("growth of anonymous memory in MiB a million requests, once warm", growth, "≤", GOAL_MIB),
        Bar("good requests that failed", failed, "≤", 0),
    ]
    return report


def grown(rows: list[dict[str, int]]) -> tuple[float, float]:
    """Growth in MiB a million requests, and the memory at the start of it, in bytes.

    Needs two samples after the first fifth of the requests.
    """
    total = rows[-1]["requests"]
    warm = [row for row in rows if row["requests"] >= total * WARM_PART]
    if len(warm) < 2:
        raise BenchError("too few samples: send more requests")
    growth = slope([(row["requests"], row["anonymous_bytes"]) for row in warm])
    return growth * 1e6 / (1 << 20), float(warm[0]["anonymous_bytes"])


def refused(port: int) -> list[Target]:
    """Requests that the gateway must refuse, each in its own way."""
    return [
        Target(port, "/v1/models/no-such-model:predict", JSON, [b'{"instances":[[1]]}']),
        Target(port, "/v1/models/bench-onnx:predict", JSON, [b'{"instances":[[1.0,2.0]]}']),
        Target(port, "/v1/models/bench-xgboost:predict", JSON, [b'{"instances":[[1.0,']),
        Target(port, "/v2/models/bench-onnx/infer", JSON, [b'{"inputs":[]}']),
    ]


def show(report: Report, console: Console) -> None:
    """Ten samples of the run, then the bars."""
    table = Table(title="memory of the gateway's processes", title_justify="left")
    for name in ("requests", "anonymous MiB", "resident MiB"):
        table.add_column(name, justify="right")
    step = max(1, len(report.rows) // 10)
    for row in [*report.rows[::step], report.rows[-1]]:
        table.add_row(
            f"{row['requests']:,}",
            f"{row['anonymous_bytes'] / (1 << 20):.1f}",
            f"{row['resident_bytes'] / (1 << 20):.1f}",
        )
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("memory", options(), measure, show))
