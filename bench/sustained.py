"""Gateway and sidecar together, for ten minutes: the rate that lasts, and that nothing grows without bound.

The gateway has the server's core to itself; load, sidecar and broker share the other one, so that the gateway
is faster than shipping and its admission has to hold it back. The rate is counted from the journal's durable
mark, the lag from the sidecar's; afterwards everything that was answered must reach the log.

    python bench/sustained.py --quick
    python bench/sustained.py --json bench/results/sustained.json
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

from harness import cli, data, environments, machine, marks, wrk
from harness.broker import TOPIC, broker
from harness.ours import OurGateway, OurSidecar
from harness.processes import BenchError, Process
from harness.report import Bar, Report
from harness.wrk import Load
from rich.console import Console
from rich.table import Table

MEMORY_MIB = 32.0  # growth of either process from the second quarter to the last
DRAIN_SECONDS = 600.0
SEGMENTS_OVER = 1.1  # the bound counts bytes not freed; the disk also holds the segment being freed


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "25 seconds of load (under 60 s)")
    parser.add_argument("--seconds", type=int, help="seconds of load (default 600, quick 25)")
    parser.add_argument("--connections", type=int, default=64, help="kept-alive connections (default 64)")
    parser.add_argument("--runtime", default="onnxruntime", choices=("xgboost", "onnxruntime"))
    parser.add_argument("--log", default="kafka", choices=("kafka", "local"), help="the log's backend")
    parser.add_argument(
        "--journal-bytes", type=int, help="the journal's bound (default 2 GiB, quick 256 MiB)"
    )
    chosen = parser.parse_args()
    chosen.seconds = chosen.seconds or (25 if chosen.quick else 600)
    chosen.journal_bytes = chosen.journal_bytes or (256 << 20 if chosen.quick else 2 << 30)
    return chosen


def measure(run: cli.Run) -> Report:
    """Load for the whole time, a sample every second or five; then wait until the log has it all."""
    chosen, directory = run.options, run.directory
    report = Report(
        "sustained",
        chosen.quick,
        machine.facts(directory),
        machine.versions(("affiant", "bentoml", "kafka-python", "crc32c")),
    )
    workload = data.prepare(environments.cache())
    gateway = OurGateway(
        workload, directory, chosen.server_core, tables={"journal": {"max_bytes": chosen.journal_bytes}}
    )
    with contextlib.ExitStack() as stack, run.progress() as bars:
        task = bars.add_task("starting", total=chosen.seconds)
        if chosen.log == "kafka":
            kafka = stack.enter_context(broker(directory / "kafka", chosen.client_core))
            topic = kafka.create_topic("records", config=TOPIC)
            gateway.configure({"log": {"backend": "kafka", "topic": topic, "bootstrap": kafka.bootstrap}})
        served = run.own(gateway.start())
        served.wait_until(gateway.ready)
        shipping = run.own(OurSidecar(gateway.settings, gateway.directory, chosen.client_core).start())
        name = marks.worker(gateway.data)
        row = next(row for row in gateway.rows() if row.runtime == chosen.runtime and row.protocol == "v1")
        requests = directory / "requests"
        row.target.write(requests)
        before = marks.progress(gateway.data, name).durable
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(
                wrk.run,
                row.target,
                requests,
                connections=chosen.connections,
                seconds=chosen.seconds,
                core=chosen.client_core,
            )
            bars.update(task, description="load")
            report.rows = sample(
                loading,
                gateway,
                name,
                (served, shipping),
                1.0 if chosen.quick else 5.0,
                lambda seconds: bars.update(task, completed=min(seconds, chosen.seconds)),
            )
            load = loading.result()
        bars.update(task, description="draining")
        stopped = time.monotonic()
        end = marks.wait_for(
            gateway.data,
            name,
            lambda state: state.behind == 0 or not shipping.alive(),
            timeout=DRAIN_SECONDS,
            what="draining",
        )
        if not shipping.alive():
            raise BenchError(f"the sidecar ended:\n{shipping.tail()}")
        drained = time.monotonic() - stopped
    answered = load.requests - load.failed
    report.extra = {
        "runtime": chosen.runtime,
        "log": chosen.log,
        "connections": chosen.connections,
        "journal_bound_bytes": chosen.journal_bytes,
        "answered": answered,
        "pushed_back_or_failed": load.failed,
        "entries": end.durable - before,
        "drain_seconds": round(drained, 2),
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        **summary(report.rows),
    }
    report.bars = judge(report.rows, end, before, answered, chosen.journal_bytes)
    return report


def sample(
    loading: Future[Load],
    gateway: OurGateway,
    name: str,
    processes: tuple[Process, Process],
    every: float,
    shown: object,
) -> list[dict[str, float]]:
    """One row every `every` seconds until the load ends."""
    assert callable(shown)
    rows: list[dict[str, float]] = []
    served, shipping = processes
    start = time.monotonic()
    while not loading.done():
        with contextlib.suppress(TimeoutError):
            loading.exception(every)
        for process in processes:
            if not process.alive():
                raise BenchError(f"{process.name} ended under load:\n{process.tail()}")
        state = marks.progress(gateway.data, name)
        seconds = time.monotonic() - start
        rows.append(
            {
                "seconds": round(seconds, 2),
                "durable": state.durable,
                "acknowledged": state.acknowledged,
                "behind": state.behind,
                "journal_bytes": marks.journal_bytes(gateway.data),
                "gateway_bytes": served.memory("Anonymous"),
                "sidecar_bytes": shipping.memory("Anonymous"),
            }
        )
        shown(seconds)
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Entries a second made durable and acknowledged, over the second half of the run."""
    half = rows[len(rows) // 2 :]
    if len(half) < 2:
        raise BenchError("too few samples: run longer")
    seconds = half[-1]["seconds"] - half[0]["seconds"]
    return {
        "durable_a_second": round((half[-1]["durable"] - half[0]["durable"]) / seconds, 1),
        "acknowledged_a_second": round((half[-1]["acknowledged"] - half[0]["acknowledged"]) / seconds, 1),
    }


def judge(
    rows: list[dict[str, float]], end: marks.Progress, before: int, answered: int, bound: int
) -> list[Bar]:
    """What must stay bounded did; what was answered is in the log."""
    bars = [
        Bar("entries that never reached the log", end.behind, "≤", 0),
        Bar("answers without an entry", max(0, answered - (end.durable - before)), "≤", 0),
        Bar(
            "most journal bytes on disk ÷ its bound",
            max(row["journal_bytes"] for row in rows) / bound,
            "≤",
            SEGMENTS_OVER,
        ),
    ]
    quarter = max(1, len(rows) // 4)
    for name in ("gateway", "sidecar"):
        early = statistics.median(row[f"{name}_bytes"] for row in rows[quarter : 2 * quarter] or rows[:1])
        late = statistics.median(row[f"{name}_bytes"] for row in rows[-quarter:])
        growth = (late - early) / (1 << 20)
        bars.append(Bar(f"growth of the {name}'s memory in MiB", growth, "≤", MEMORY_MIB))
    return bars


def show(report: Report, console: Console) -> None:
    """Ten samples of the run, the rates, then the bars."""
    table = Table(title="gateway and sidecar together", title_justify="left")
    for name in ("seconds", "durable", "behind", "journal MiB", "gateway MiB", "sidecar MiB"):
        table.add_column(name, justify="right")
    step = max(1, len(report.rows) // 10)
    for row in [*report.rows[::step], report.rows[-1]]:
        table.add_row(
            f"{row['seconds']:.0f}",
            f"{row['durable']:,.0f}",
            f"{row['behind']:,.0f}",
            *[f"{row[key] / (1 << 20):.0f}" for key in ("journal_bytes", "gateway_bytes", "sidecar_bytes")],
        )
    console.print(table)
    extra = report.extra
    console.print(
        f"sustained: {extra['durable_a_second']:,.0f} answers a second made durable, "
        f"{extra['acknowledged_a_second']:,.0f} acknowledged by the log (second half); "
        f"{extra['pushed_back_or_failed']:,} pushed back; drained in {extra['drain_seconds']:.1f} s",
        highlight=False,
    )
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("sustained", options(), measure, show))
