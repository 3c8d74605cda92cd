"""How cost grows with partitions: 1, 2, 4, 8 of them, with as many processes as this machine has cores.

    python bench/scale.py --quick
    python bench/scale.py --json bench/results/scale.json

A real gateway with eight workers writes eight journals under load, and stops. Then, for each number of partitions, in
a fresh topic: sidecars ship the journals, each its share; one notary seals what came; monitors of one group count it.
One after the other, so that none waits for another. What is compared is processor time a record, in which the broker
and other work on this machine are not: when it does not grow, twice the partitions and processes carry twice the
records.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import cli, data, environments, machine, marks, wrk
from harness.broker import TOPIC, broker
from harness.notary import OurNotary, topic_id
from harness.ours import OurGateway, OurSidecar, tool
from harness.ports import free_ports
from harness.processes import BenchError, Process
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

PARTITIONS = (1, 2, 4, 8)
JOURNALS = 8
GROWTH = 1.3
"""At most so much more a record with eight partitions than with one."""
PANE = 256
WARM = 0.1  # of the records: a process' start, and its first connections, are not what a record costs
TIMEOUT = 900.0
POSITION = re.compile(r'^affiant_monitor_position\{partition="(\d+)"\} (\S+)$', re.MULTILINE)


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "fewer records, 1 and 8 partitions")
    parser.add_argument(
        "--fill", type=int, help="seconds of load that write the journals (default 30, quick 8)"
    )
    chosen = parser.parse_args()
    chosen.fill = chosen.fill or (8 if chosen.quick else 30)
    return chosen


@dataclass(frozen=True)
class Written:
    """What the gateway left: settings, and journal → entries in it."""

    gateway: OurGateway
    journals: dict[str, int]

    @property
    def total(self) -> int:
        """Entries of all journals."""
        return sum(self.journals.values())


def measure(run: cli.Run) -> Report:
    """Write once, then each number of partitions."""
    chosen, processes = run.options, os.cpu_count() or 1
    report = Report(
        "scale", chosen.quick, machine.facts(run.directory),
        machine.versions(("affiant", "kafka-python", "numpy")),
    )  # fmt: skip
    counts = (PARTITIONS[0], PARTITIONS[-1]) if chosen.quick else PARTITIONS
    with run.progress() as bars:
        task = bars.add_task("writing journals", total=1 + 3 * len(counts))
        written = write(run)
        bars.advance(task)
        report.extra |= {"records": written.total, "journals": len(written.journals)}
        with broker(run.directory / "kafka", None) as kafka:
            for partitions in counts:
                topic = kafka.create_topic(f"records-{partitions}", partitions=partitions, config=TOPIC)
                kafka.create_topic(f"governance-{partitions}", config=TOPIC)
                kafka.create_topic(
                    f"panes-{partitions}", partitions=partitions, config={"cleanup.policy": "compact"}
                )
                some = min(partitions, processes)
                tables = {"log": {
                    "backend": "kafka", "bootstrap": kafka.bootstrap, "topic": topic, "partitions": partitions,
                    "governance_topic": f"governance-{partitions}", "replication": 1,
                }}  # fmt: skip
                for what, how, count in (
                    ("sidecar", ship, some),
                    ("notary", seal, 1),
                    ("monitor", watch, some),
                ):
                    bars.update(task, description=f"{partitions} partitions: {what}")
                    clock, cost = how(run, written, partitions, count, tables)
                    report.rows.append(
                        {
                            "partitions": partitions,
                            "what": what,
                            "processes": count,
                            "cpu_us": cost,
                            "rate": clock,
                        }
                    )
                    bars.advance(task)
    report.bars = [Bar(f"{what}, {counts[-1]} partitions ÷ 1", growth(report, what), "≤", GROWTH)
                   for what in ("sidecar", "notary", "monitor")]  # fmt: skip
    return report


def write(run: cli.Run) -> Written:
    """Let a gateway with eight workers answer for a while, and stop it."""
    workload = data.prepare(environments.cache())
    gateway = OurGateway(workload, run.directory, None, tables={
        "gateway": {"workers": JOURNALS}, "journal": {"segment_bytes": 16 << 20},
    })  # fmt: skip
    process = run.own(gateway.start())
    process.wait_until(gateway.ready)
    row = next(row for row in gateway.rows() if row.target.path == "/v1/models/bench-onnx:predict")
    requests = run.directory / "requests"
    row.target.write(requests)
    load = wrk.run(
        row.target, requests, connections=64, seconds=run.options.fill, core=run.options.client_core
    )
    if load.failed:
        raise BenchError(f"{load.failed} of {load.requests} requests failed:\n{process.tail()}")
    process.stop(60)
    names = sorted(
        path.name for path in (gateway.data / "journals").iterdir() if (path / "journal.json").exists()
    )
    return Written(gateway, {name: marks.progress(gateway.data, name).durable for name in names})


Took = tuple[float, float]
"""Records a second by the clock; processor time of a record, in µs."""


def timed(started: Sequence[Process], reached: Callable[[], int], total: int) -> Took:
    """From when a part is done to when all is."""

    def wait(wanted: int) -> tuple[int, float, float]:
        deadline = time.monotonic() + TIMEOUT
        while (found := reached()) < wanted:
            for process in started:
                if not process.alive():
                    raise BenchError(f"{process.name} ended:\n{process.tail()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{found} of {wanted} records after {TIMEOUT:.0f} s:\n{started[0].tail()}")
            time.sleep(0.02)
        return found, time.perf_counter(), sum(process.cpu_seconds() for process in started)

    first, begun, before = wait(max(1, int(total * WARM)))
    last, ended, after = wait(total)
    for process in started:
        process.stop(60)
    if last == first:
        raise BenchError(f"{total} records were there before they could be timed: --fill longer")
    return (last - first) / (ended - begun), (after - before) / (last - first) * 1e6


def settings(written: Written, directory: Path, tables: dict[str, dict[str, Any]]) -> Path:
    """The gateway's, for another data directory, with these tables."""
    directory.mkdir()
    written.gateway.configure({**tables, "data": {"directory": str(directory / "data")}})
    path = directory / "affiant.toml"
    path.write_text(written.gateway.settings.read_text())
    return path


def ship(run: cli.Run, written: Written, partitions: int, count: int, tables: dict[str, Any]) -> Took:
    """Each sidecar has a data directory with its share of the journals."""
    parts, started = [], []
    for number in range(count):
        directory = run.directory / f"sidecar-{partitions}-{number}"
        path = settings(written, directory, tables)
        (directory / "data" / "journals").mkdir(parents=True)
        share = list(written.journals)[number::count]
        for name in share:
            (directory / "data" / "journals" / name).symlink_to(written.gateway.data / "journals" / name)
        parts += [(directory / "data", name) for name in share]
        started.append(run.own(OurSidecar(path, directory, None).start()))
    return timed(
        started, lambda: sum(marks.progress(place, name).acknowledged for place, name in parts), written.total
    )


def seal(run: cli.Run, written: Written, partitions: int, _one: int, tables: dict[str, Any]) -> Took:
    """One notary for all partitions of a log: its state is one."""
    path = settings(
        written, run.directory / f"notary-{partitions}", {**tables, "notary": {"metrics_port": 0}}
    )
    process = run.own(OurNotary(path, None).start())
    tree = path.parent / "data" / "sealed" / topic_id(path)

    def sealed() -> int:
        heads = (tree / str(number) / "checkpoint" for number in range(partitions))
        return sum(int(head.read_bytes().split(b"\n", 2)[1]) for head in heads if head.exists())

    return timed([process], sealed, written.total)


def watch(run: cli.Run, written: Written, partitions: int, count: int, tables: dict[str, Any]) -> Took:
    """Monitors of one group; what is no whole pane is left out."""
    ports, started = free_ports(count), []
    for number, port in enumerate(ports):
        own = {
            "metrics_port": port,
            "evaluate": False,
            "state_topic": f"panes-{partitions}",
            "group": f"g-{partitions}",
        }
        path = settings(written, run.directory / f"monitor-{partitions}-{number}", {**tables, "monitor": own})
        started.append(run.own(Process.start(
            "affiant monitor", [tool("affiant"), "monitor", "--config", str(path)], core=None,
            log=path.parent / "monitor.log", cwd=path.parent,
        )))  # fmt: skip

    def counted() -> int:
        found: dict[str, float] = {}
        for port in ports:
            for partition, position in POSITION.findall(page(port)):
                found[partition] = max(found.get(partition, 0.0), float(position))
        return int(sum(found.values()))

    return timed(started, counted, written.total - PANE * partitions)


def page(port: int) -> str:
    """A monitor's metrics; empty before it listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def growth(report: Report, what: str) -> float:
    """What a record costs with the most partitions, by what it costs with one."""
    costs = [row["cpu_us"] for row in report.rows if row["what"] == what]
    return float(costs[-1] / costs[0])


def show(report: Report, console: Console) -> None:
    """A line for each number of partitions, then the bars."""
    table = Table(title=f"{report.extra['records']:,} records of {JOURNALS} journals", title_justify="left")
    for name in ("partitions", "what", "processes", "CPU µs/record", "records/s here"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in report.rows:
        table.add_row(
            str(row["partitions"]),
            row["what"],
            str(row["processes"]),
            f"{row['cpu_us']:.1f}",
            f"{row['rate']:,.0f}",
        )
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("scale", options(), measure, show))
