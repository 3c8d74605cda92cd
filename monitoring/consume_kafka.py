"""The partitions of a log on Kafka that the consumer group gives this monitor.

The group's protocol decides who has which partition, and nothing else: positions stand with the panes in the state
topic, and are never committed. Members subscribe to the state topic, too, and read nothing of it that way: whoever gets
its partition 0 leads, and the others find it by what it calls itself (members.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, cast

from audit.config import Config
from audit.errors import LogUnavailable, OffsetGone
from audit.log.base import LogEntry
from audit.log.kafka import MAX_MESSAGE, REQUEST_MS, KafkaLog, translated
from audit.log.kafka_connection import connection_now, opened
from monitoring.consume import UNAVAILABLE, Standing
from monitoring.members import client_id
from monitoring.read import External, Packages
from monitoring.settings import MonitorSettings
from monitoring.store.kafka import KafkaStore
from monitoring.waits import ALL, Clock, Waits
from monitoring.worker import Hand, Worker

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

_SESSION_MS: Final = 10_000
"""A monitor that is not heard of for so long is dead, and others go on with its partitions."""
_HEARTBEAT_MS: Final = 2_000
_TOGETHER: Final = 8192


class KafkaFollowing:
    """See `monitoring.consume.Following`."""

    def __init__(
        self,
        log: KafkaLog,
        state: KafkaLog,
        config: Config,
        packages: Packages,
        hand: Hand,
        external: External | None = None,
        *,
        address: Callable[[], str | None] = lambda: None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Nothing is contacted yet.

        Args:
            log: what is counted.
            state: the topic of its panes.
            config: [monitor] and [log].
            packages: where profiles are had.
            hand: gets the panes that are kept, and each that is finished, of partitions that are counted here.
            external: what the object store has under a digest.
            address: where others reach this monitor's pages; asked when it joins the group.
            clock: seconds, monotonic.
        """
        self._log: Final = log
        self._address: Final = address
        self._state: Final = state
        self._config: Final = config
        self._settings: Final = config.section("monitor", MonitorSettings)
        self._packages: Final = packages
        self._hand: Final = hand
        self._external: Final = external
        self._waits: Final = Waits(clock)
        self._consumer: KafkaConsumer | None = None
        self._store: KafkaStore | None = None
        self._workers: dict[int, Worker] = {}
        self._fresh: set[int] = set()
        """Partitions that were given to this monitor, and that nothing was done for yet."""
        self.topic: bytes | None = None

    @property
    def leads(self) -> bool:
        """See `Following.leads`."""
        return self._consumer is not None and any(
            place.topic == self._state.settings.topic and place.partition == 0
            for place in self._consumer.assignment()
        )

    @property
    def trouble(self) -> str | None:
        """See `Following.trouble`."""
        return self._waits.reason(ALL)

    def step(self, timeout: float) -> int:
        """See `Following.step`."""
        if not self._waits.over(ALL):
            time.sleep(min(timeout, 0.05))
            return 0
        try:
            return self._step(timeout)
        except UNAVAILABLE as error:
            self._waits.failed(ALL, str(error))
            self._disconnect()
            return 0

    def standings(self) -> Mapping[int, Standing]:
        """See `Following.standings`."""
        found = {}
        for partition, worker in self._workers.items():
            end = None
            place = self._place(partition)
            if self._consumer is not None and place in self._consumer.assignment():
                end = self._consumer.highwater(place)
            reason = self._waits.reason(partition) or self._waits.reason(ALL)
            found[partition] = Standing(worker.offset, max(end or 0, worker.offset), worker.time, reason)
        return found

    def close(self) -> None:
        """See `Following.close`."""
        self._disconnect()

    def _step(self, timeout: float) -> int:
        consumer = self._connected()
        self._resume(consumer)
        try:
            with translated("kafka"):
                polled = consumer.poll(timeout_ms=int(timeout * 1000), max_records=_TOGETHER)
        except OffsetGone:
            self._out_of_range(consumer)
            return 0
        self._waits.went_on(ALL)
        done = 0
        for place, records in polled.items():
            worker = self._workers.get(place.partition)
            if place.topic == self._log.settings.topic and worker is not None:
                done += self._take(consumer, place, worker, records)
        return done

    def _take(
        self, consumer: KafkaConsumer, place: TopicPartition, worker: Worker, records: Sequence[Any]
    ) -> int:
        try:
            # A consumer's records have all that an entry has; to make entries of them would cost a tenth of it all.
            finished = worker.take(cast("Sequence[LogEntry]", records))
        except UNAVAILABLE as error:
            self._waits.failed(worker.partition, str(error))
            self._pause(consumer, place)
            return 0
        self._waits.went_on(worker.partition)
        return finished

    def _connected(self) -> KafkaConsumer:
        """A member of the group, for a log that is the same as before."""
        if self._consumer is not None:
            return self._consumer
        topic = self._log.topic()
        if topic.id != self.topic:
            self._workers.clear()
            self.topic = topic.id
        self._state.topic()  # it MUST be there before the group is told of it
        if self._store is None:
            self._store = KafkaStore(self._state, topic.id, self._settings.pane_records)
        self._consumer = self._subscribed()
        return self._consumer

    def _subscribed(self) -> KafkaConsumer:
        from kafka import KafkaConsumer

        with translated("kafka"):
            consumer = opened(
                KafkaConsumer,
                **connection_now(self._log.settings, self._config)
                | {"client_id": client_id(self._address())},
                group_id=self._settings.group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                session_timeout_ms=_SESSION_MS,
                heartbeat_interval_ms=_HEARTBEAT_MS,
                request_timeout_ms=REQUEST_MS * 2,
                fetch_max_wait_ms=100,
                max_partition_fetch_bytes=MAX_MESSAGE,
                metrics_enabled=False,
                bootstrap_timeout_ms=REQUEST_MS,
            )
        topics = [self._log.settings.topic, self._state.settings.topic]
        with ExitStack() as undo:
            undo.callback(_close, consumer)
            with translated("kafka"):
                consumer.subscribe(topics, listener=_listener(consumer, self._fresh, topics[0]))
                # Who leads the group shares out what it knows of: a member that has not heard of the topics yet would
                # give everybody nothing, and nothing would happen until somebody joins or leaves.
                unknown = [topic for topic in topics if not consumer.partitions_for_topic(topic)]
            if unknown:
                raise LogUnavailable(f"kafka: the brokers do not tell of topic {unknown[0]!r} yet")
            undo.pop_all()
        return consumer

    def _resume(self, consumer: KafkaConsumer) -> None:
        """Go on with what waited long enough, and with what is new here."""
        while self._fresh:
            # Others may have gone on with it meanwhile: what is kept of it says how far.
            partition = self._fresh.pop()
            self._workers.pop(partition, None)
            self._waits.forget(partition)
        places = [place for place in consumer.assignment() if place.topic == self._log.settings.topic]
        for partition in self._workers.keys() - {place.partition for place in places}:
            del self._workers[partition]
        paused = consumer.paused()
        for place in places:
            if place not in paused or not self._waits.over(place.partition):
                continue
            try:
                worker = self._workers.get(place.partition) or self._worker(place.partition)
            except UNAVAILABLE as error:
                self._waits.failed(place.partition, str(error))
                continue
            consumer.seek(place, worker.offset)
            consumer.resume(place)

    def _worker(self, partition: int) -> Worker:
        assert self._store is not None
        found = self._workers[partition] = Worker(
            partition,
            self._settings.pane_records,
            self._store,
            self._packages,
            self._hand,
            self._external,
        )
        return found

    def _pause(self, consumer: KafkaConsumer, place: TopicPartition) -> None:
        if place in consumer.assignment():
            consumer.pause(place)

    def _out_of_range(self, consumer: KafkaConsumer) -> None:
        """The log begins behind where a partition was read to, or ends before it."""
        if self._log.topic().id != self.topic:
            raise LogUnavailable(
                "the log was made again: it is another one, and is counted from its beginning"
            )
        with translated("kafka"):
            places = [self._place(partition) for partition in self._workers]
            firsts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            worker = self._workers[place.partition]
            if firsts[place] > worker.offset:
                worker.skip(firsts[place])
            elif ends[place] < worker.offset:
                self._waits.failed(
                    place.partition, f"the log ends at {ends[place]}, and was counted up to {worker.offset}"
                )
            self._pause(consumer, place)

    def _place(self, partition: int) -> TopicPartition:
        from kafka import TopicPartition

        return TopicPartition(self._log.settings.topic, partition)

    def _disconnect(self) -> None:
        """Out of the group; what is counted here others go on with, from what is kept."""
        self._workers.clear()
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            _close(consumer)
        if self._store is not None:
            store, self._store = self._store, None
            store.close()


def _close(consumer: KafkaConsumer) -> None:
    with suppress(LogUnavailable), translated("kafka"):
        consumer.close(autocommit=False)


def _listener(consumer: KafkaConsumer, fresh: set[int], topic: str) -> Any:
    """Told by the consumer, on a thread of its own that must not be held up, what it was given: nothing of it is read
    before `_resume` has said from where.
    """
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
            """What was counted is kept already."""

        def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
            for place in assigned:
                consumer.seek(place, 0)
                consumer.pause(place)
                if place.topic == topic:
                    fresh.add(place.partition)

    return Listener()
