"""The panes of all partitions, for whoever judges them: as they are finished, whoever of the group counted them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

from audit.config import Config
from audit.log.kafka import MAX_MESSAGE, REQUEST_MS, KafkaLog, translated
from audit.log.kafka_connection import connection_now, opened
from monitoring.panes import Pane

from .kafka import read_message

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition


class Feed(Protocol):
    """Panes of one log in one size. Of a partition they ascend, but for those that are given once more: the same."""

    def poll(self, timeout: float) -> Sequence[Pane]:
        """What is new; at first, all that is kept. Waits `timeout` seconds at most.

        Raises:
            LogUnavailable: the state topic does not answer now; what is given next follows what was given last.
        """
        ...

    @property
    def whole(self) -> bool:
        """Whether all was given that was kept when this feed began."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class LocalFeed:
    """Where one monitor counts all: give `hand` to its `LocalFollowing`. `poll` never waits."""

    whole: Final = True

    def __init__(self) -> None:
        self._new: list[Pane] = []

    def hand(self, panes: Sequence[Pane]) -> None:
        """See `monitoring.worker.Hand`."""
        self._new += panes

    def poll(self, timeout: float) -> Sequence[Pane]:
        """See `Feed.poll`."""
        new, self._new = self._new, []
        return new

    def close(self) -> None:
        """See `Feed.close`."""


class KafkaFeed:
    """Out of the state topic, from its beginning on."""

    def __init__(self, state: KafkaLog, config: Config, topic: bytes, size: int) -> None:
        """Nothing is contacted yet.

        Args:
            state: the topic of panes.
            config: [log], for how brokers are reached.
            topic: id of the log's topic.
            size: offsets of a pane.
        """
        self._state: Final = state
        self._config: Final = config
        self._topic: Final = topic
        self._size: Final = size
        self._consumer: KafkaConsumer | None = None
        self._behind: dict[TopicPartition, int] = {}
        """State partition → where it ended when this began, of those that were not read so far."""
        self._read: list[Pane] = []
        """Out of the consumer, which gives it no more, and not given out so far: an error came between."""

    @property
    def whole(self) -> bool:
        """See `Feed.whole`."""
        return self._consumer is not None and not self._behind

    def poll(self, timeout: float) -> Sequence[Pane]:
        """See `Feed.poll`."""
        consumer = self._connected()
        if not self._read:
            self._read = self._polled(consumer, timeout)
        with translated("kafka"):
            for place in list(self._behind):
                if consumer.position(place) >= self._behind[place]:
                    del self._behind[place]
        found, self._read = self._read, []
        return found

    def _polled(self, consumer: KafkaConsumer, timeout: float) -> list[Pane]:
        with translated("kafka"):
            polled = consumer.poll(timeout_ms=int(timeout * 1000))
        found = []
        for records in polled.values():
            for record in records:
                if record.value is not None and record.key is not None:
                    one = read_message(record.key, record.value, self._topic, self._size)
                    if one is not None:
                        found.append(one.pane)
        return found

    def close(self) -> None:
        """See `Feed.close`."""
        self._read = []
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            with translated("kafka"):
                consumer.close(autocommit=False)

    def _connected(self) -> KafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        from kafka import KafkaConsumer, TopicPartition

        count = self._state.topic().partitions
        with translated("kafka"):
            consumer = opened(
                KafkaConsumer,
                **connection_now(self._state.settings, self._config),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=REQUEST_MS,
                fetch_max_wait_ms=100,
                max_partition_fetch_bytes=MAX_MESSAGE,
                metrics_enabled=False,
                bootstrap_timeout_ms=REQUEST_MS,
            )
            places = [TopicPartition(self._state.settings.topic, number) for number in range(count)]
            with ExitStack() as undo:
                undo.callback(consumer.close, autocommit=False)
                consumer.assign(places)
                firsts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
                for place in places:
                    consumer.seek(place, firsts[place])
                undo.pop_all()
        self._behind = {place: end for place, end in ends.items() if end > firsts[place]}
        self._consumer = consumer
        return consumer
