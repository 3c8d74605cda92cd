"""Answers and labels in several partitions of a log on Kafka, read by whoever leads."""

from __future__ import annotations

import time
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from audit.config import Config
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from monitoring.labels.follow import Follow, asked_of
from monitoring.panes import Of
from tests.components.labelled import SERVICE, Stream, policy
from tests.components.monitored import Known, made_package
from tests.components.process import wait_until

pytestmark = pytest.mark.kafka

COUNT = 3000


@pytest.fixture
def log(kafka: str, tmp_path: Path) -> KafkaLog:
    """Three partitions, the second of them empty."""
    settings = {
        "backend": "kafka", "bootstrap": kafka, "topic": f"entries-{uuid.uuid4().hex[:12]}", "partitions": 3,
        "replication": 1,
    }  # fmt: skip
    config = Config(tmp_path / "affiant.toml", {"log": settings})
    log = KafkaLog(config.section("log", LogSettings), config)
    create(log)
    return log


def send(log: KafkaLog, partition: int, values: list[bytes]) -> None:
    """Durable when this returns."""
    with closing(log.writer(partition)) as writer:
        for value in values:
            writer.send(value, b"k" * 16)
        wait_until(
            lambda: writer.wait(0.2) or writer.delivered().sends == len(values), what="acknowledgement"
        )


def test_labels_find_their_answers_and_later_ones_change_what_is_said(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over many rounds; what comes later is read on from where the partition ended."""
    monkeypatch.setattr("monitoring.labels.follow.EVERY", 0.0)
    stream = Stream(made_package())
    send(log, 0, stream.asked(COUNT))
    send(log, 2, stream.labels(COUNT, 0.95))
    follow = Follow(
        log.reader(), range(3), asked_of(policy()), Known.of(stream.package, SERVICE), window=1e9,
        clock=lambda: time.time_ns() // 1_000_000,
    )  # fmt: skip
    serving = {Of(*stream.live): 0}  # type: ignore[arg-type]

    def right() -> float | None:
        follow.step(serving)
        look = follow.looks.get(stream.live)
        return None if look is None or look.cohort is None else look.cohort.metrics["accuracy"].value

    with closing(follow):
        wait_until(lambda: right() == pytest.approx(0.95), what="what labels say", deadline_s=60)
        assert follow.looks[stream.live].alarms == {"accuracy": None}
        send(log, 1, stream.labels(COUNT, 0.5))  # corrected: of the same time, and logged later
        wait_until(lambda: right() == pytest.approx(0.5), what="what corrected labels say", deadline_s=60)
        assert follow.looks[stream.live].alarms == {"accuracy": "page"}
