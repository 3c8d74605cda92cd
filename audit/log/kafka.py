"""The `kafka` log: acks=all, idempotent, no transactions (offsets have no gaps), a producer for each run.

kafka-python's producer has no bound on the bytes that it holds: who sends must bound them (audit/ship does).
"""

from __future__ import annotations

import random
import threading
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from audit.config import Config
from audit.errors import LogError, LogUnavailable, OffsetGone
from audit.settings import LogSettings

from .base import Delivered, Finding, Headers, LogEntry, Topic
from .kafka_check import check_cluster, create_topic, describe_topic
from .kafka_connection import Client, connection, connection_now, opened

if TYPE_CHECKING:
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient

REQUEST_MS: Final = 10_000
_FIRST_TRY_MS: Final = 2_000
"""How long a broker has for its first answer before another is asked, where there are several."""
MAX_MESSAGE: Final = 8 << 20
"""Largest record that is produced; topics are made with the same bound (kafka_check.py)."""
_CLOSE_SECONDS: Final = 2.0
"""How long a closed producer's thread is waited for; it ends by itself when it is late."""
_NEVER_MS: Final = 2**31 - 1


@contextmanager
def translated(what: str) -> Iterator[None]:
    """kafka-python's errors become ours, with the cause kept."""
    try:
        yield
    except Exception as error:
        ours = _ours(what, error)
        if ours is None:
            raise
        raise ours from error


def _ours(what: str, error: Exception) -> LogError | None:
    """Our error for one of kafka-python's; None for anything else."""
    from kafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

    if isinstance(error, OffsetOutOfRangeError):
        return OffsetGone(f"{what}: {error}")
    if isinstance(error, KafkaTimeoutError) and "bootstrap" in str(error):
        return LogUnavailable(
            f"{what}: {error.args[0]}: no broker answers there ([log] bootstrap); is one running, and do "
            "security_protocol and the log-in fit?"
        )
    if isinstance(error, KafkaError):  # which names its class itself
        return LogUnavailable(f"{what}: {error}")
    # A broker that goes away in the middle shows as OSError, or as ValueError of a closed selector.
    if isinstance(error, (OSError, ValueError, AssertionError)):
        return LogUnavailable(f"{what}: {type(error).__name__}: {error}")
    return None


class _Kept:
    """An admin client that is kept from one use to the next: up to a use that fails, or its owner's end."""

    def __init__(self, connect: Callable[[], KafkaAdminClient]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._client: KafkaAdminClient | None = None
        self._end: Callable[[], object] = lambda: None

    @contextmanager
    def use(self) -> Iterator[KafkaAdminClient]:
        """For one conversation at a time."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
                self._end = weakref.finalize(self, _close, self._client)
            try:
                yield self._client
            except BaseException:
                self._client = None
                self._end()
                raise


def _close(client: KafkaAdminClient) -> None:
    """Close it, whoever lets go of it: garbage is collected on any thread, also on the client's own, which cannot wait
    for its own end.
    """
    if threading.current_thread() is threading.main_thread():
        client.close()
    else:
        threading.Thread(target=client.close, name="kafka-close", daemon=True).start()


class KafkaLog:
    """One topic of a Kafka cluster."""

    def __init__(self, settings: LogSettings, config: Config, *, delivery_timeout: float = 30.0) -> None:
        """Nothing is contacted yet. The password and the files of TLS are looked at now, and read by each new client.

        Args:
            settings: [log].
            config: for paths.
            delivery_timeout: seconds after which a record that the brokers did not take fails its run.

        Raises:
            ConfigError: one of those files cannot be read, or is not what it should be.
        """
        connection(settings, config)
        self._settings = settings
        self._config = config
        self.delivery_timeout = delivery_timeout
        self._asked = _Kept(self._open_admin)

    @property
    def settings(self) -> LogSettings:
        """[log]."""
        return self._settings

    def _connected(self, client: Callable[..., Client], **arguments: object) -> Client:
        """A client that has heard from a broker.

        kafka-python asks one of the bootstrap servers, chosen by chance, for as long as it has: one that hangs
        (frozen, or cut off) would take the whole time of one client in three. So each is asked for a short while
        first; a client learns of all the brokers from the one that answers.
        """
        from kafka.errors import KafkaTimeoutError

        # Read anew: what was changed meanwhile is what the brokers want to see.
        how = connection_now(self._settings, self._config)
        servers = how["bootstrap_servers"]
        for server in random.sample(servers, len(servers)) if len(servers) > 1 else ():
            try:
                return opened(
                    client,
                    **(how | {"bootstrap_servers": [server]}),
                    **arguments,
                    bootstrap_timeout_ms=_FIRST_TRY_MS,
                )
            except KafkaTimeoutError:
                continue
        return opened(client, **how, **arguments, bootstrap_timeout_ms=REQUEST_MS)

    def _open_admin(self) -> KafkaAdminClient:
        from kafka.admin import KafkaAdminClient

        return self._connected(KafkaAdminClient, request_timeout_ms=REQUEST_MS)

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """An admin client for one conversation. Raises LogUnavailable."""
        with translated("kafka"), closing(self._open_admin()) as client:
            yield client

    def topic(self) -> Topic:
        """See `Log.topic`."""
        name = self._settings.topic
        # A notary asks before each checkpoint: finding the brokers anew would take longer than sealing.
        with translated("kafka"), self._asked.use() as admin:
            found = describe_topic(admin, name)
        return Topic("kafka", name, uuid.UUID(str(found["topic_id"])).bytes, len(found["partitions"]))

    def writer(self, partition: int) -> KafkaWriter:
        """See `Log.writer`."""
        from kafka import KafkaProducer

        timeout = int(self.delivery_timeout * 1000)
        with translated("kafka"):
            producer = self._connected(
                KafkaProducer,
                acks="all",
                enable_idempotence=True,
                # A batch that expires is failed, and the next one is sent all the same, under a new producer
                # id: a gap. So nothing expires here; the shipper's watchdog ends the whole run instead.
                delivery_timeout_ms=_NEVER_MS,
                request_timeout_ms=min(REQUEST_MS, timeout),
                max_block_ms=min(REQUEST_MS, timeout),
                linger_ms=2,
                batch_size=1 << 18,
                max_request_size=MAX_MESSAGE + (1 << 16),
                metrics_enabled=False,
            )
        return KafkaWriter(producer, self._settings.topic, partition)

    def reader(self) -> KafkaReader:
        """See `Log.reader`."""
        from kafka import KafkaConsumer

        with translated("kafka"):
            consumer = self._connected(
                KafkaConsumer,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                request_timeout_ms=REQUEST_MS,
                fetch_max_wait_ms=100,
                max_partition_fetch_bytes=MAX_MESSAGE,
                metrics_enabled=False,
            )
        return KafkaReader(consumer, self._settings.topic)

    def check(self) -> list[Finding]:
        """See `Log.check`."""
        with self.admin() as admin:
            return check_cluster(admin, self._settings)


def create(log: KafkaLog) -> bool:
    """Make the log's topic with the right settings; False when it is there already.

    Raises:
        ConfigError: the cluster has too few brokers for the replicas that the settings want.
        LogUnavailable: the cluster does not answer, or refuses.
    """
    with log.admin() as admin:
        return create_topic(admin, log.settings)


class KafkaWriter:
    """One producer, up to its first failure: what it delivers is a prefix of what was sent."""

    def __init__(self, producer: KafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._waiting: deque[Any] = deque()
        self._count = 0
        self._offset = -1

    def send(self, value: bytes, key: bytes, headers: Headers = ()) -> None:
        """See `LogWriter.send`."""
        try:
            future = self._producer.send(
                self._topic, value, key, headers=list(headers), partition=self._partition
            )
        except Exception as error:
            # Not `translated`: a context manager for each record costs more than the record's own work here.
            ours = _ours("kafka", error)
            if ours is None:
                raise
            raise ours from error
        future.add_errback(self._end)
        self._waiting.append(future)

    def delivered(self) -> Delivered:
        """See `LogWriter.delivered`."""
        waiting = self._waiting
        while waiting and waiting[0].is_done:
            future = waiting[0]
            if future.failed():
                raise LogUnavailable(
                    f"kafka: a record was not taken: {future.exception!r}"
                ) from future.exception
            # A batch that the broker had already is acknowledged without its offset (-1).
            offset = future.value.offset
            if 0 <= offset <= self._offset:
                # Another topic of the same name, or one that was cut: what was counted before is not there.
                raise LogUnavailable(f"kafka: offset {offset} was given after {self._offset}")
            self._offset = max(self._offset, offset)
            waiting.popleft()
            self._count += 1
        return Delivered(self._count, self._offset)

    def wait(self, timeout: float) -> None:
        """See `LogWriter.wait`."""
        from kafka.errors import KafkaError

        if self._waiting:
            try:
                self._waiting[0].get(timeout)
            except KafkaError:
                return  # too early, or failed: `delivered` tells which

    def close(self) -> None:
        """See `LogWriter.close`: what is in flight is given up, the next run finds out what landed."""
        from kafka.errors import KafkaError

        # The producer's own close(0) begins with a flush, which fails while anything is in flight: it would
        # live on, and send behind the next run's barrier. So its sender is ended first.
        self._end()
        self._producer._sender.join(_CLOSE_SECONDS)  # noqa: SLF001 — as in _end
        try:
            self._producer.close(timeout=0)
        except KafkaError:
            return  # the sender is still on its way out (it waits for a connection); it sends nothing more

    def _end(self, _: object = None) -> None:
        """Nothing more is sent. Called on the sender's thread too, at the first failure, before it goes on.

        A failed batch and a later one that is sent all the same would be a gap; and kafka-python goes on
        after a failure, with a new epoch or producer id (KIP-360).
        """
        self._producer._sender.force_close()  # noqa: SLF001 — there is no public way to end without a flush


class KafkaReader:
    """A consumer without a group, on one partition at a time."""

    def __init__(self, consumer: KafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._place: tuple[int, int] | None = None
        # What was fetched and is not yet handed out: a poll may bring more than was asked for.
        self._held: deque[LogEntry] = deque()

    def bounds(self, partition: int) -> tuple[int, int]:
        """See `LogReader.bounds`."""
        from kafka import TopicPartition

        place = TopicPartition(self._topic, partition)
        with translated(f"kafka: partition {partition}"):
            first = self._consumer.beginning_offsets([place])[place]
            return first, self._consumer.end_offsets([place])[place]

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        """See `LogReader.read`."""
        if self._place != (partition, offset):
            self._seek(partition, offset)
        if not self._held:
            self._fetch(partition, timeout)
        entries: list[LogEntry] = []
        size = 0
        while self._held and (not entries or size < max_bytes):
            entry = self._held.popleft()
            entries.append(entry)
            size += len(entry.value or b"")
        if entries:
            self._place = (partition, entries[-1].offset + 1)
        return entries

    def close(self) -> None:
        """See `LogReader.close`."""
        with translated("kafka"):
            self._consumer.close(autocommit=False)

    def _seek(self, partition: int, offset: int) -> None:
        from kafka import TopicPartition

        place = TopicPartition(self._topic, partition)
        with translated(f"kafka: partition {partition}"):
            if self._consumer.assignment() != {place}:
                self._consumer.assign([place])
            self._consumer.seek(place, offset)
        self._held.clear()
        self._place = (partition, offset)

    def _fetch(self, partition: int, timeout: float) -> None:
        with translated(f"kafka: partition {partition}"):
            for records in self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=10_000).values():
                self._held.extend(
                    LogEntry(record.offset, record.timestamp, record.key, record.value) for record in records
                )
