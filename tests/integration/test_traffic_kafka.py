"""What a service was asked, read from partitions of a real broker: the newest rows, a time, and the same again."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

import pytest

from audit.config import Config
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from monitoring.traffic import Log, logged_between, newest, read
from tests.components.monitored import Known, Traffic, made_package
from tests.components.process import wait_until

pytestmark = pytest.mark.kafka


def test_ranges_of_a_topic_are_found_and_read_again(kafka: str, tmp_path: Path) -> None:
    """Of all partitions together by the broker's time; a range is the same rows for whoever reads it."""
    settings = {
        "backend": "kafka", "bootstrap": kafka, "topic": f"entries-{uuid.uuid4().hex[:12]}", "partitions": 2,
        "replication": 1,
    }  # fmt: skip
    config = Config(tmp_path / "affiant.toml", {"log": settings})
    log = KafkaLog(config.section("log", LogSettings), config)
    create(log)
    for partition in (0, 1):
        traffic = Traffic(made_package(), journal=bytes([partition]) * 16, seed=partition)
        with closing(log.writer(partition)) as writer:
            for value in traffic.values(150):
                writer.send(value, b"k" * 16)
            wait_until(lambda w=writer: w.wait(0.2) or w.delivered().sends == 150, what="acknowledgement")  # type: ignore[misc]
    with closing(log.reader()) as reader:
        source = Log(reader, log.topic().id, 2, Known.of(made_package(), "numbers"))
        spans = newest(source, "numbers", 60)
        # Partition 1 was written after partition 0.
        assert [each.partition for each in spans] == [1]
        found = read(source, "numbers", spans, 0.0)
        assert 60 <= found.rows < 63
        everything = logged_between(source, 0, 1 << 62)
        assert [(each.first, each.end) for each in everything] == [(0, 150), (0, 150)]
        times = logged_between(source, found.began, found.ended + 1)
        assert {each.partition for each in times} >= {1}
        assert read(source, "numbers", times, 0.0).rows >= found.rows
    with closing(log.reader()) as other:
        again = Log(other, log.topic().id, 2, Known.of(made_package(), "numbers"))
        assert read(again, "numbers", spans, 1.0).sha256 == found.sha256
