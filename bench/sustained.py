"""Gateway and sidecar together, for ten minutes: the rate that lasts, and that nothing grows without bound.

The gateway has the server's core to itself; load, sidecar and broker share the other one. The rate is counted
from the journal's durable mark, the lag from the sidecar's. After the steady part the sidecar is stopped while
the load goes on, until the journal is at its bound and the gateway has to push back; then it goes on, and
everything that was answered must reach the log.

    python bench/sustained.py --quick
    python bench/sustained.py --json bench/results/sustained.json
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness import cli, data, environments, machine, marks, wrk
from harness.broker import TOPIC, broker
from harness.ours import OurGateway, OurSidecar
from harness.processes import BenchError, Process
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

MEMORY_MIB = 32.0  # growth of either process, once warm
DRAIN_SECONDS = 600.0


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "18 seconds of load, a small journal (under 60 s)")
    parser.add_argument("--seconds", type=int, help="seconds of steady load (default 600, quick 12)")
    parser.add_argument("--hold-seconds", type=int, help="seconds without the sidecar (default 120, quick 6)")
    parser.add_argument("--connections", type=int, default=64, help="kept-alive connections (default 64)")
    parser.add_argument("--runtime", default="onnxruntime", choices=("xgboost", "onnxruntime"))
    parser.add_argument("--log", default="kafka", choices=("kafka", "local"), help="the log's backend")
    chosen = parser.parse_args()
    chosen.seconds = chosen.seconds or (12 if chosen.quick else 600)
    chosen.hold_seconds = chosen.hold_seconds or (6 if chosen.quick else 120)
    # So small that it fills while the sidecar is away, on a slow machine too.
    chosen.journal = (
        {"segment_bytes": 4 << 20, "max_bytes": 24 << 20}
        if chosen.quick
        else {"segment_bytes": 64 << 20, "max_bytes": 512 << 20}
    )
    return chosen


def measure(run: cli.Run) -> Report:
    """Steady load, load without the sidecar, and then the wait until the log has it all."""
    chosen, directory = run.options, run.directory
    report = Report(
        "sustained",
        chosen.quick,
        machine.facts(directory),
        machine.versions(("affiant", "bentoml", "kafka-python", "crc32c")),
    )
    workload = data.prepare(environments.cache())
    gateway = OurGateway(workload, directory, chosen.server_core, tables={"journal": chosen.journal})
    seconds = chosen.seconds + chosen.hold_seconds
    with contextlib.ExitStack() as stack, run.progress() as bars:
        task = bars.add_task("starting", total=seconds)
        if chosen.log == "kafka":
            kafka = stack.enter_context(broker(directory / "kafka", chosen.client_core))
            topic = kafka.create_topic("records", config=TOPIC)
            gateway.configure({"log": {"backend": "kafka", "topic": topic, "bootstrap": kafka.bootstrap}})
        served = run.own(gateway.start())
        served.wait_until(gateway.ready)
        shipping = run.own(OurSidecar(gateway.settings, gateway.directory, chosen.client_core).start())
        watch = Watch(gateway, served, shipping, every=0.5 if chosen.quick else 5.0)
        row = next(row for row in gateway.rows() if row.runtime == chosen.runtime and row.protocol == "v1")
        requests = directory / "requests"
        row.target.write(requests)
        before = watch.progress().durable
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(
                wrk.run,
                row.target,
                requests,
                connections=chosen.connections,
                seconds=seconds,
                core=chosen.client_core,
            )
            watch.begin(lambda now: bars.update(task, completed=now))
            bars.update(task, description="steady load")
            steady = watch.until(lambda now: now >= chosen.seconds or loading.done())
            bars.update(task, description="load, the sidecar stopped")
            shipping.pause()
            held = watch.until(lambda _now: loading.done())
            shipping.resume()
            load = loading.result()
        bars.update(task, description="shipping the rest")
        drained, end = drain(watch)
    report.rows = [{"phase": "steady", **row} for row in steady] + [{"phase": "held", **row} for row in held]
    answered = load.requests - load.refused
    report.extra = {
        "runtime": chosen.runtime,
        "log": chosen.log,
        "connections": chosen.connections,
        "journal": chosen.journal,
        "answered": answered,
        "pushed_back": load.refused,
        "entries": end.durable - before,
        "drain_seconds": round(drained, 2),
        **rates(steady),
    }
    most = max(row["journal_bytes"] for row in [*steady, *held])
    report.bars = [
        Bar("entries that never reached the log", end.behind, "≤", 0),
        Bar("answers without an entry", max(0, answered - (end.durable - before)), "≤", 0),
        Bar("requests without an answer", load.broken, "≤", 0),
        Bar("most journal bytes on disk ÷ the bound", most / chosen.journal["max_bytes"], "≤", 1.0),
        *flat(steady, held),
    ]
    return report


class Watch:
    """Samples of both processes and their files."""

    def __init__(self, gateway: OurGateway, served: Process, shipping: Process, *, every: float) -> None:
        self.gateway = gateway
        self.served = served
        self.shipping = shipping
        self.every = every
        self.worker = marks.worker(gateway.data)
        self.start = 0.0
        self.shown: Callable[[float], object] = lambda _now: None

    def begin(self, shown: Callable[[float], object]) -> None:
        """Time counts from now on; `shown` is told it with each sample."""
        self.start = time.monotonic()
        self.shown = shown

    def progress(self) -> marks.Progress:
        """How far journal and shipping are."""
        return marks.progress(self.gateway.data, self.worker)

    def until(self, done: Callable[[float], bool]) -> list[dict[str, float]]:
        """One row each `every` seconds until `done(seconds since the beginning)`; at least one."""
        rows: list[dict[str, float]] = []
        while not rows or not done(time.monotonic() - self.start):
            time.sleep(self.every)
            for process in (self.served, self.shipping):
                if not process.alive():
                    raise BenchError(f"{process.name} ended under load:\n{process.tail()}")
            rows.append(self.sample())
            self.shown(rows[-1]["seconds"])
        return rows

    def sample(self) -> dict[str, float]:
        """One row: entries, bytes on disk, bytes of memory."""
        state = self.progress()
        return {
            "seconds": round(time.monotonic() - self.start, 2),
            "durable": state.durable,
            "acknowledged": state.acknowledged,
            "behind": state.behind,
            "journal_bytes": marks.journal_bytes(self.gateway.data),
            "gateway_bytes": self.served.memory("Anonymous"),
            "sidecar_bytes": self.shipping.memory("Anonymous"),
        }


def drain(watch: Watch) -> tuple[float, marks.Progress]:
    """Wait until everything durable is acknowledged; seconds, and how far both then are."""
    start = time.monotonic()
    end = marks.wait_for(
        watch.gateway.data,
        watch.worker,
        lambda state: state.behind == 0 or not watch.shipping.alive(),
        timeout=DRAIN_SECONDS,
        what="shipping the rest",
    )
    if not watch.shipping.alive():
        raise BenchError(f"the sidecar ended:\n{watch.shipping.tail()}")
    return time.monotonic() - start, end


def rates(steady: list[dict[str, float]]) -> dict[str, float]:
    """Entries a second made durable and acknowledged, over the second half of the steady part."""
    half = steady[len(steady) // 2 :]
    if len(half) < 2:
        raise BenchError("too few samples: run longer")
    seconds = half[-1]["seconds"] - half[0]["seconds"]
    return {
        f"{what}_a_second": round((half[-1][what] - half[0][what]) / seconds, 1)
        for what in ("durable", "acknowledged")
    }


def flat(steady: list[dict[str, float]], held: list[dict[str, float]]) -> list[Bar]:
    """Memory of both processes, from the second quarter of the steady part to the most that came later."""
    quarter = max(1, len(steady) // 4)
    bars = []
    for name in ("gateway", "sidecar"):
        early = statistics.median(row[f"{name}_bytes"] for row in steady[quarter : 2 * quarter] or steady)
        late = max(row[f"{name}_bytes"] for row in [*steady[-quarter:], *held])
        bars.append(Bar(f"growth of the {name}'s memory in MiB", (late - early) / (1 << 20), "≤", MEMORY_MIB))
    return bars


def show(report: Report, console: Console) -> None:
    """About twenty samples of the run, the rates, then the bars."""
    table = Table(title="gateway and sidecar together", title_justify="left")
    table.add_column("phase")
    for name in ("seconds", "durable", "behind", "journal MiB", "gateway MiB", "sidecar MiB"):
        table.add_column(name, justify="right")
    step = max(1, len(report.rows) // 20)
    for row in [*report.rows[:-1:step], report.rows[-1]]:
        table.add_row(
            row["phase"],
            f"{row['seconds']:.0f}",
            f"{row['durable']:,.0f}",
            f"{row['behind']:,.0f}",
            *[f"{row[key] / (1 << 20):.0f}" for key in ("journal_bytes", "gateway_bytes", "sidecar_bytes")],
        )
    console.print(table)
    extra = report.extra
    console.print(
        f"sustained (second half of the steady part): {extra['durable_a_second']:,.0f} answers a second made "
        f"durable, {extra['acknowledged_a_second']:,.0f} acknowledged by the log; then, without the sidecar, "
        f"{extra['pushed_back']:,} pushed back; the rest shipped in {extra['drain_seconds']:.1f} s",
        highlight=False,
    )
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("sustained", options(), measure, show))
