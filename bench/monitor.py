"""The monitor end to end from a real Kafka, beside a bare consumer in the same run.

python bench/monitor.py --quick
python bench/monitor.py --json bench/results/monitor.json

Both read the same partition from its start. The bare loop does nothing with the records; the monitor decodes, counts,
keeps panes and judges them. Each is timed by the clock, which is how soon a backlog is gone, and by its own process's
processor time, which is what it costs: the broker, and what else the machine does, are not in that.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness import cli, machine
from harness.broker import broker
from harness.ours import ROOT
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np

from audit.config import load
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from monitoring.state_topic import create_state_topic, state_log
from registry.golden import Golden
from registry.manifest import canonical_json
from registry.package import Package, PackageContent, build
from registry.reference import build as build_reference
from registry.signature import Feature, Signature
from registry.stores import LayoutStore

GOAL = 0.7  # monitor ÷ bare consumer
FEATURES = 30
WARM = 0.1


def options() -> argparse.Namespace:
    """The command line."""
    return cli.parser(__doc__, "20,000 records, one round (under 2 minutes)").parse_args()


def package() -> Package:
    """Thirty numbers, one probability."""
    signature = Signature(
        name="bench",
        task="binary",
        features=tuple(Feature(name=f"f{each}", type="number") for each in range(FEATURES)),
        classes=("no", "yes"),
        positive_class="yes",
        threshold=0.5,
    )
    chance = np.random.default_rng(7)
    inputs = chance.normal(size=(50_000, FEATURES)).astype(np.float32)
    scores = (1 / (1 + np.exp(-inputs[:, :1]))).astype(np.float32)
    return build(
        PackageContent(
            model=b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{}}",
            model_type="xgboost-ubj",
            signature_json=canonical_json(signature.model_dump(mode="json")),
            reference=build_reference(inputs, scores, signature).encode(),
            golden=Golden(inputs[:5], scores[:5], "by hand").encode(),
            lineage_json=canonical_json({"format": 1, "created": "2026-01-02T03:04:05Z", "actor": "bench"}),
            card=b"# made up\n",
        )
    )


def fill(log: KafkaLog, made: Package, count: int, told: Any) -> None:
    """Records of one row each, as a gateway writes them."""
    from tests.components.monitored import Traffic

    traffic = Traffic(made, "bench")
    chance = np.random.default_rng(3)
    with closing(log.writer(0)) as writer:
        for number in range(count):
            writer.send(traffic.value(chance.normal(size=(1, FEATURES)).astype(np.float32)), b"k" * 16)
            if number % 500 == 499:
                while writer.delivered().sends < number - 2000:
                    writer.wait(0.2)
                told(500)
        while writer.delivered().sends < count:
            writer.wait(0.5)


@dataclass(frozen=True)
class System:
    """What the benches of the monitor run against."""

    directory: Path
    package: Package
    log: KafkaLog
    topic: str
    bootstrap: str

    def settings(self, name: str, monitor: str) -> Path:
        """A monitor's, which begins at the topic's start; its state topic is made. `monitor`: lines of [monitor]."""
        path = self.directory / f"monitor-{name}.toml"
        own = f'state_topic = "panes-{self.topic}-{name}"\ngroup = "g-{self.topic}-{name}"\n'
        path.write_text(f"{(self.directory / 'affiant.toml').read_text()}[monitor]\n{own}{monitor}")
        state = state_log(load(path))
        assert state is not None
        create_state_topic(state)
        return path


class Took(NamedTuple):
    """µs a record."""

    clock: float
    processor: float


class Watch:
    """Times a loop once it is warm."""

    def __init__(self, warm: float) -> None:
        """`warm`: records after which it begins."""
        self._warm = warm
        self._begun: tuple[int, float, float] | None = None

    def at(self, records: int) -> None:
        """How many were read."""
        if self._begun is None and records >= self._warm:
            self._begun = records, time.perf_counter(), time.process_time()

    def took(self, records: int) -> Took:
        """Up to now, when `records` are read."""
        assert self._begun is not None
        first, clock, processor = self._begun
        some = (records - first) / 1e6
        return Took((time.perf_counter() - clock) / some, (time.process_time() - processor) / some)


def bare(bootstrap: str, topic: str, count: int) -> Took:
    """A loop that does nothing with the records."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, fetch_max_wait_ms=100,
        max_partition_fetch_bytes=8 << 20, metrics_enabled=False,
    )  # fmt: skip
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    got, watch = 0, Watch(WARM * count)
    while got < count:
        for records in consumer.poll(timeout_ms=1000, max_records=8192).values():
            got += len(records)
        watch.at(got)
    took = watch.took(got)
    consumer.close()
    return took


def monitored(settings: Path, count: int) -> Took:
    """The monitor: from its first step to where it has judged all whole panes."""
    from cli.monitor import configured_governing, configured_monitor, quiet_collector

    quiet_collector()  # as the command does
    config = load(settings)
    monitor = configured_monitor(config, configured_governing(config))
    size = 256
    watch = Watch(WARM * count)
    try:
        while monitor.judged < count // size:
            monitor.step()
            watch.at(monitor.judged * size)
        return watch.took(monitor.judged * size)
    finally:
        monitor.close()
        gc.unfreeze()
        gc.set_threshold(700, 10, 10)


@contextmanager
def system(run: cli.Run) -> Iterator[System]:
    """A broker, an empty topic, and a package in a store."""
    topic = f"entries-{uuid.uuid4().hex[:8]}"
    with broker(run.directory / "kafka", None) as kafka:
        made = package()
        digest = LayoutStore(run.directory / "data" / "store").push(made)
        (run.directory / "affiant.toml").write_text(
            f'[data]\ndirectory = "data"\n[log]\nbackend = "kafka"\nbootstrap = "{kafka.bootstrap}"\n'
            f'topic = "{topic}"\npartitions = 1\nreplication = 1\n'
            f'[[plan]]\nservice = "bench"\ndigest = "{digest}"\n'
        )
        config = load(run.directory / "affiant.toml")
        log = KafkaLog(config.section("log", LogSettings), config)
        create(log)
        yield System(run.directory, made, log, topic, kafka.bootstrap)


def measure(run: cli.Run) -> Report:
    """Fill a topic, then read it by turns."""
    count, rounds = (20_000, 1) if run.options.quick else (100_000, 3)
    report = Report(
        "monitor", run.options.quick, machine.facts(run.directory),
        machine.versions(("affiant", "kafka-python", "numpy")),
    )  # fmt: skip
    with system(run) as beside, run.progress() as bars:
        task = bars.add_task("records written", total=count)
        fill(beside.log, beside.package, count, lambda some: bars.advance(task, some))
        task = bars.add_task("read by turns", total=rounds)
        for number in range(rounds):
            settings = beside.settings(str(number), "evaluate = false\nmetrics_port = 0\n")
            for what, took in (
                ("bare", bare(beside.bootstrap, beside.topic, count)),
                ("monitor", monitored(settings, count)),
            ):
                report.rows.append(
                    {"round": number, "what": what, "clock_us": took.clock, "processor_us": took.processor}
                )
            bars.advance(task)
    report.bars.append(Bar("monitor ÷ bare consumer, records/s", ratio(report.rows, "clock_us"), "≥", GOAL))
    report.extra["by_processor_time"] = ratio(report.rows, "processor_us")
    return report


def ratio(rows: Sequence[Mapping[str, Any]], figure: str) -> float:
    """The median over the rounds of the bare loop's time by the monitor's."""
    each = [row[figure] for row in rows]
    return statistics.median(bare / ours for bare, ours in zip(each[::2], each[1::2], strict=True))


def show(report: Report, console: Console) -> None:
    """Two lines a round, then the bar."""
    table = Table(title="monitor: µs a record of 30 features", title_justify="left")
    for name in ("round", "what", "by the clock", "processor time"):
        table.add_column(name)
    for row in report.rows:
        table.add_row(str(row["round"]), row["what"], f"{row['clock_us']:.1f}", f"{row['processor_us']:.1f}")
    console.print(table)
    console.print(f"by processor time: {report.extra['by_processor_time']:.2f}")
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("monitor", options(), measure, show))
