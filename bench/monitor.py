"""The monitor end to end from a real Kafka, beside a bare consumer in the same run.

python bench/monitor.py --quick
python bench/monitor.py --json bench/results/monitor.json

Both read the same partition from its start. The bare loop does nothing with the records; the monitor decodes, counts,
keeps panes and judges them. Rates are records a second of processor time of each loop: the broker and whatever else the
machine does are not in them.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

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


def bare(bootstrap: str, topic: str, count: int) -> float:
    """Processor µs a record of a loop that does nothing with them."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, fetch_max_wait_ms=100,
        max_partition_fetch_bytes=8 << 20, metrics_enabled=False,
    )  # fmt: skip
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    got, first, cpu = 0, 0, 0.0
    while got < count:
        for records in consumer.poll(timeout_ms=1000, max_records=8192).values():
            got += len(records)
        if not first and got >= WARM * count:
            first, cpu = got, time.process_time()
    used = time.process_time() - cpu
    consumer.close()
    return used / (got - first) * 1e6


def monitored(settings: Path, count: int) -> float:
    """The same of the monitor: from its first step to where it has judged all whole panes."""
    from cli.monitor import configured_governing, configured_monitor, quiet_collector

    quiet_collector()  # as the command does
    config = load(settings)
    state = state_log(config)
    assert state is not None
    create_state_topic(state)
    monitor = configured_monitor(config, configured_governing(config))
    size = 256
    first, cpu = 0, 0.0
    try:
        while True:
            monitor.step()
            checks = monitor.judged
            if not first and checks * size >= WARM * count:
                first, cpu = checks * size, time.process_time()
            if checks >= count // size:
                return (time.process_time() - cpu) / (checks * size - first) * 1e6
    finally:
        monitor.close()
        gc.unfreeze()
        gc.set_threshold(700, 10, 10)


def measure(run: cli.Run) -> Report:
    """Fill a topic, then read it by turns."""
    count, rounds = (20_000, 1) if run.options.quick else (100_000, 3)
    report = Report(
        "monitor", run.options.quick, machine.facts(run.directory),
        machine.versions(("affiant", "kafka-python", "numpy")),
    )  # fmt: skip
    topic = f"entries-{uuid.uuid4().hex[:8]}"
    with broker(run.directory / "kafka", None) as kafka, run.progress() as bars:
        made, place = package(), f"{kafka.bootstrap}"
        digest = LayoutStore(run.directory / "data" / "store").push(made)
        text = (
            f'[data]\ndirectory = "data"\n[log]\nbackend = "kafka"\nbootstrap = "{place}"\n'
            f'topic = "{topic}"\npartitions = 1\nreplication = 1\n'
            f'[[plan]]\nservice = "bench"\ndigest = "{digest}"\n'
        )
        (run.directory / "affiant.toml").write_text(text)
        config = load(run.directory / "affiant.toml")
        log = KafkaLog(config.section("log", LogSettings), config)
        create(log)
        task = bars.add_task("records written", total=count)
        fill(log, made, count, lambda some: bars.advance(task, some))
        task = bars.add_task("read by turns", total=rounds)
        for number in range(rounds):
            settings = run.directory / f"monitor-{number}.toml"
            settings.write_text(
                f'{text}[monitor]\nstate_topic = "panes-{topic}-{number}"\ngroup = "g-{topic}-{number}"\n'
                "evaluate = false\nmetrics_port = 0\n"
            )
            report.rows.append(
                {
                    "round": number,
                    "bare_us": round(bare(place, topic, count), 2),
                    "monitor_us": round(monitored(settings, count), 2),
                }
            )
            bars.advance(task)
    ratio = statistics.median(each["bare_us"] / each["monitor_us"] for each in report.rows)
    report.bars.append(Bar("monitor ÷ bare consumer, by processor time a record", ratio, "≥", GOAL))
    return report


def show(report: Report, console: Console) -> None:
    """A line a round, then the bar."""
    table = Table(title="monitor: processor µs a record of 30 features", title_justify="left")
    for name in ("round", "bare_us", "monitor_us"):
        table.add_column(name)
    for row in report.rows:
        table.add_row(*(str(row[name]) for name in ("round", "bare_us", "monitor_us")))
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("monitor", options(), measure, show))
