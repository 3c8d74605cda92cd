"""A feed of panes between whose polls brokers do not answer: each pane is given, and once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from audit.config import Config
from audit.errors import LogUnavailable
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from monitoring.panes import Pane
from monitoring.panes.codec import encode_finished
from monitoring.panes.collector import Finished, State
from monitoring.store.feed import KafkaFeed

TOPIC, SIZE = b"t" * 16, 16


def message(number: int) -> SimpleNamespace:
    """As the state topic has a pane."""
    pane = Pane(0, number, number * SIZE, (number + 1) * SIZE, 1000 + number)
    key = TOPIC + bytes(4) + number.to_bytes(8, "big")
    return SimpleNamespace(key=key, value=encode_finished(Finished(pane, State(pane.end, pane.time, ()))))


class Consumer:
    """What it has polled it gives no more, and it is asked for positions by the network."""

    def __init__(self) -> None:
        self.place = TopicPartition("panes", 0)
        self.messages = [message(number) for number in range(4)]
        self.at, self.away = 0, True

    def assign(self, places: Any) -> None:
        """Of one partition."""

    def seek(self, place: Any, offset: int) -> None:
        self.at = offset

    def beginning_offsets(self, places: Any) -> dict[Any, int]:
        return {self.place: 0}

    def end_offsets(self, places: Any) -> dict[Any, int]:
        return {self.place: len(self.messages)}

    def poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        begin, self.at = self.at, min(self.at + 2, len(self.messages))
        return {self.place: self.messages[begin : self.at]}

    def position(self, place: Any) -> int:
        if self.away:
            raise KafkaTimeoutError("the position")
        return self.at

    def close(self, autocommit: bool) -> None:
        """Let go."""


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """Brokers' own is away just between its two answers so seldom that no test could wait for it."""
    made = Consumer()
    monkeypatch.setattr("monitoring.store.feed.opened", lambda *_, **__: made)
    return made


def feed_of(tmp_path: Path) -> KafkaFeed:
    """Of a state topic with one partition."""
    settings = LogSettings(backend="kafka", bootstrap="127.0.0.1:1", topic="panes")
    state = SimpleNamespace(settings=settings, topic=lambda: SimpleNamespace(partitions=1))
    return KafkaFeed(cast("KafkaLog", state), Config(tmp_path / "affiant.toml", {}), TOPIC, SIZE)


def numbers(found: Any) -> list[int]:
    """Of panes."""
    return [pane.number for pane in found]


def test_what_was_polled_before_an_error_is_given_next(consumer: Consumer, tmp_path: Path) -> None:
    """Else the feed says that all was given, and windows have holes."""
    feed = feed_of(tmp_path)
    for _ in range(3):
        with pytest.raises(LogUnavailable):
            feed.poll(0.0)
    assert consumer.at == 2  # nothing is read beside what is held back: it would be without bound
    consumer.away = False
    assert (numbers(feed.poll(0.0)), feed.whole) == ([0, 1], False)
    assert (numbers(feed.poll(0.0)), feed.whole) == ([2, 3], True)
    assert numbers(feed.poll(0.0)) == []


def test_a_feed_that_was_closed_begins_anew(consumer: Consumer, tmp_path: Path) -> None:
    """With nothing of before: it comes again."""
    feed = feed_of(tmp_path)
    with pytest.raises(LogUnavailable):
        feed.poll(0.0)
    feed.close()
    consumer.away, consumer.at = False, 0
    assert numbers(feed.poll(0.0)) + numbers(feed.poll(0.0)) == [0, 1, 2, 3]
