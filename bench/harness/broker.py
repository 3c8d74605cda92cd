"""A real Kafka broker for the benches, and what is asked of it outside the measurement."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ours import ROOT

if TYPE_CHECKING:
    from tests.components.kafka import KafkaBroker


# What the sidecar asks of a topic before it ships there; the yardstick gets the same.
TOPIC = {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str((8 << 20) + (64 << 10))}


@contextmanager
def broker(directory: Path, core: int | None) -> Iterator[KafkaBroker]:
    """One broker on one core, with the full compiler: the tests' short-lived brokers do without it."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.components.kafka import KafkaBroker

    started = KafkaBroker(directory, jvm=["-Xmx768m", "-Xms256m", "-XX:+UseSerialGC"])
    before = os.sched_getaffinity(0)
    try:
        # Inherited by the broker's process and all its threads; ours goes back at once.
        if core is not None:
            os.sched_setaffinity(0, {core})
        started.launch()
    finally:
        os.sched_setaffinity(0, before)
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


def save_values(bootstrap: str, topic: str, path: Path) -> tuple[int, int]:
    """Write each value of a topic's partition 0 to `path` after its length (u32). Returns count, bytes."""
    from kafka import KafkaConsumer, TopicPartition

    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, consumer_timeout_ms=20000)
    count = size = 0
    try:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        with path.open("wb") as file:
            for message in consumer:
                file.write(len(message.value).to_bytes(4, "big") + message.value)
                count += 1
                size += len(message.value)
                if message.offset + 1 >= end:
                    break
    finally:
        consumer.close()
    return count, size
