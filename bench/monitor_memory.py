"""A monitor's memory over ten million records of a real Kafka, read while they are written.

python bench/monitor_memory.py --quick
python bench/monitor_memory.py --json bench/results/monitor_memory.json

`affiant monitor` as its own process, records of one row of 30 features. What is written stays a bounded way ahead of
what was read. Once as many panes are kept as ever are, memory must not grow. With --minutes it ends sooner where the
machine is slow, and says of how many records its figures are. The records are made once, and written again and again: a
sequence so far below its journal's newest is no second delivery (docs/pane-format.md, section 4), and counts.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from itertools import cycle, islice

import numpy as np
from harness import cli, machine
from harness.growth import slope
from harness.ours import tool
from harness.ports import free_ports
from harness.processes import BenchError, Process
from harness.report import Bar, Report
from monitor import FEATURES, System, system
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from monitoring.names import POSITION

GOAL_MIB = 1.0  # growth a million records, once warm: less than an allocator's noise
WARM = 4096 * 256  # records of the panes that a leader keeps
AHEAD = 50_000
DIFFERENT = 70_000
"""Records that are made: more than the 65,536 below its newest one that a journal's duplicates are among."""
TOGETHER = 1000
PATIENCE = 300.0  # seconds without progress, on a machine that does much else
LOOK = 1.0  # seconds between two looks at its metrics, which are work for it
SAMPLES = 40
MIB = 1 << 20


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "200,000 records (under 2 minutes)")
    parser.add_argument("--records", type=int, help="how many (default 10,000,000; quick 200,000)")
    parser.add_argument(
        "--minutes", type=float, help="write for as long at most, whatever is left (default: no bound)"
    )
    chosen = parser.parse_args()
    chosen.records = chosen.records or (200_000 if chosen.quick else 10_000_000)
    return chosen


class Monitor:
    """The process, and how far it has read."""

    def __init__(self, run: cli.Run, beside: System) -> None:
        (port,) = free_ports(1)
        settings = beside.settings("memory", f"metrics_port = {port}\n")
        self._page = f"http://127.0.0.1:{port}/metrics"
        self.process = run.own(
            Process.start(
                "affiant monitor",
                [tool("affiant"), "monitor", "--config", str(settings)],
                core=None,
                log=run.directory / "monitor.log",
                cwd=run.directory,
            )
        )
        self.process.wait_until(self._page)

    def position(self) -> int:
        """The next offset to be read."""
        with urllib.request.urlopen(self._page, timeout=PATIENCE) as answer:
            page = answer.read().decode()
        for family in text_string_to_metric_families(page):
            if family.name == POSITION.name:
                return int(max((sample.value for sample in family.samples), default=0))
        return 0

    def wait_for(self, position: int) -> None:
        """Until it has read so far. Raises BenchError: it ended, or stands still."""
        before, since = -1, time.monotonic()
        while (now := self.position()) < position:
            if not self.process.alive():
                raise BenchError(f"the monitor ended:\n{self.process.tail()}")
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise BenchError(f"the monitor stands still at {now}:\n{self.process.tail()}")
            time.sleep(LOOK)


def write(beside: System, count: int, until: float, reached: Callable[[int], None]) -> None:
    """Records as a gateway writes them; `reached` is told of each thousand, and may hold the next ones up.

    Ends after `count`, or with the first thousand after `until` (s, monotonic).
    """
    from tests.components.monitored import Traffic

    traffic = Traffic(beside.package, "bench")
    rows = np.random.default_rng(3).normal(size=(min(count, DIFFERENT), 1, FEATURES)).astype(np.float32)
    values = cycle([traffic.value(each) for each in rows])
    with closing(beside.log.writer(0)) as writer:
        for number in range(TOGETHER, count + 1, TOGETHER):
            for value in islice(values, TOGETHER):
                writer.send(value, b"k" * 16)
            while writer.delivered().sends < number:
                writer.wait(0.5)
            reached(number)
            if time.monotonic() > until:
                break


def measure(run: cli.Run) -> Report:
    """Write, and sample the monitor's memory by what it has read."""
    count, minutes = run.options.records, run.options.minutes
    report = Report(
        "monitor_memory", run.options.quick, machine.facts(run.directory),
        machine.versions(("affiant", "kafka-python", "numpy")),
    )  # fmt: skip
    with system(run) as beside, run.progress() as bars:
        task = bars.add_task("records", total=count)
        monitor = Monitor(run, beside)

        def reached(written: int) -> None:
            bars.update(task, completed=written)
            if written % (AHEAD // 2) == 0:
                monitor.wait_for(written - AHEAD)
            if written % max(TOGETHER, count // SAMPLES // TOGETHER * TOGETHER) == 0:
                monitor.wait_for(written - TOGETHER)  # what is less than a pane waits
                report.rows.append(
                    {"records": written, "anonymous_bytes": monitor.process.memory("Anonymous")}
                )

        until = math.inf if minutes is None else time.monotonic() + minutes * 60
        write(beside, count, until, reached)
    if len(report.rows) < 2:
        raise BenchError("ended before memory was looked at twice: give it more minutes, or fewer records")
    last: int = report.rows[-1]["records"]
    warm = [row for row in report.rows if row["records"] >= min(WARM * 1.1, last / 2)]
    report.extra["records"] = last
    growth = slope([(row["records"], row["anonymous_bytes"]) for row in warm]) * 1e6 / MIB
    report.extra["warm_at"] = warm[0]["records"]
    report.bars = [
        Bar("growth of the monitor's memory in MiB a million records, once warm", growth, "≤", GOAL_MIB)
    ]
    return report


def show(report: Report, console: Console) -> None:
    """Ten samples of the run, then the bar."""
    table = Table(title="memory of a monitor", title_justify="left")
    for name in ("records", "anonymous MiB"):
        table.add_column(name, justify="right")
    for row in [*report.rows[:: max(1, len(report.rows) // 10)], report.rows[-1]]:
        table.add_row(f"{row['records']:,}", f"{row['anonymous_bytes'] / MIB:.1f}")
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("monitor_memory", options(), measure, show))
