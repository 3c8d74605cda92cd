"""The monitor's state over Kafka: a compacted topic, a pane and what is after it in one message.

key    = topic id:16 ‖ partition:u32 ‖ number:u64          of the log's
value  = a pane and what is after it (docs/pane-format.md, section 3); none, once it is older than is kept

The panes of partition p are in partition p modulo the number of partitions. A pane that several monitors write is the
same message: a monitor that was taken for dead, and goes on for a while, does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Final, cast

import structlog

from audit.errors import ConfigError, LogUnavailable
from audit.log.base import LogEntry
from audit.log.kafka import MAX_MESSAGE, KafkaLog, KafkaWriter
from audit.proof.errors import FormatError
from monitoring.panes.codec import decode_finished, encode_finished
from monitoring.panes.collector import Finished

from .base import KEEP, Restored

_KEY: Final = 16 + 4 + 8
_BYTES: Final = 8 << 20
_READ_SECONDS: Final = 10.0
_SECONDS: Final = 30.0
"""Brokers that take nothing for so long are away."""
Clock = Callable[[], float]


class KafkaStore:
    """In a topic of its own."""

    def __init__(
        self, log: KafkaLog, topic: bytes, size: int, *, keep: int = KEEP, clock: Clock = time.monotonic
    ) -> None:
        """Nothing is contacted yet.

        Args:
            log: the state topic.
            topic: id of the log's topic.
            size: offsets of a pane.
            keep: newest panes of a partition that are kept.
            clock: seconds, monotonic.
        """
        self._log: Final = log
        self._topic: Final = topic
        self._size: Final = size
        self._keep: Final = keep
        self._clock: Final = clock
        self._say: Final = structlog.get_logger("monitor")
        self._partitions = 0
        self._writers: dict[int, tuple[KafkaWriter, int]] = {}
        """State partition → its writer, and how much was sent with it."""

    def restore(self, partition: int) -> Restored:
        """See `PaneStore.restore`."""
        found: dict[int, bytes] = {}
        stale: set[bytes] = set()
        for key, value in self._messages(partition):
            number = int.from_bytes(key[20:], "big")
            found.pop(number, None)
            stale.discard(key)
            if value is not None and read_message(key, value, self._topic, self._size) is not None:
                found[number] = value  # as it stands there: what is read of it takes many times as much
            elif value is not None:
                stale.add(key)
        if stale:
            self._say.warning(
                "panes are counted again", partition=partition, panes=len(stale),
                reason="what is kept is of panes of another size, or cannot be read",
            )  # fmt: skip
        newest = sorted(found)
        self._send(partition, [(key, None) for key in sorted(stale)])
        self._send(partition, [(self._key(partition, number), None) for number in newest[: -self._keep]])
        state, panes = None, []
        for number in newest[-self._keep :]:
            pane, state = decode_finished(found[number])
            panes.append(pane)
        return Restored(state, tuple(panes))

    def put(self, partition: int, finished: Sequence[Finished]) -> None:
        """See `PaneStore.put`.

        Raises:
            ConfigError: a pane is larger than a message may be.
        """
        messages: list[tuple[bytes, bytes | None]] = []
        for one in finished:
            value = encode_finished(one)
            if len(value) > MAX_MESSAGE:
                raise ConfigError(
                    f"[monitor] pane_records = {self._size}: a pane of partition {partition} is {len(value)} bytes, "
                    f"and a message has {MAX_MESSAGE} at most; set a smaller number"
                )
            number = one.pane.number
            # First what goes: the last message of a partition is a pane that is kept, and compaction leaves it there,
            # so that who reads up to the end finds it.
            if number >= self._keep:
                messages.append((self._key(partition, number - self._keep), None))
            messages.append((self._key(partition, number), value))
        self._send(partition, messages)

    def close(self) -> None:
        """See `PaneStore.close`."""
        for writer, _ in self._writers.values():
            writer.close()
        self._writers.clear()

    def _key(self, partition: int, number: int) -> bytes:
        return self._topic + partition.to_bytes(4, "big") + number.to_bytes(8, "big")

    def _place(self, partition: int) -> int:
        if not self._partitions:
            self._partitions = self._log.topic().partitions
        return partition % self._partitions

    def _messages(self, partition: int) -> Iterator[tuple[bytes, bytes | None]]:
        """All that the state topic has of a partition of this log; those of other logs may have a monitor."""
        theirs = self._topic + partition.to_bytes(4, "big")
        with closing(self._log.reader()) as reader:
            place = self._place(partition)
            offset, end = reader.bounds(place)
            while offset < end:
                entries: list[LogEntry] = reader.read(place, offset, _BYTES, _READ_SECONDS)
                if not entries:
                    raise LogUnavailable(
                        f"the state topic: nothing came from offset {offset} of partition {place}, before {end}"
                    )
                for entry in entries:
                    key = entry.key
                    if key is not None and len(key) == _KEY and key.startswith(theirs):
                        yield key, entry.value
                offset = entries[-1].offset + 1

    def _send(self, partition: int, messages: Sequence[tuple[bytes, bytes | None]]) -> None:
        """In order; returns when the brokers have promised to keep them."""
        if not messages:
            return
        place = self._place(partition)
        writer, sent = self._writers.pop(place, (None, 0))
        if writer is None:
            writer = self._log.writer(place)
        try:
            for key, value in messages:
                writer.send(
                    cast("bytes", value), key
                )  # a log's records have values; a tombstone is Kafka's own
            sent += len(messages)
            deadline = self._clock() + _SECONDS
            while writer.delivered().sends < sent:
                if self._clock() > deadline:
                    raise LogUnavailable("the state topic: the brokers take nothing")
                writer.wait(1.0)
        except BaseException:
            # What was on its way may land all the same, and is what the next writer sends again.
            writer.close()
            raise
        self._writers[place] = writer, sent


def read_message(key: bytes, value: bytes, topic: bytes, size: int) -> Finished | None:
    """The pane of a message; None: it is none, or of another log, or of panes of another size."""
    try:
        found = decode_finished(value)
    except FormatError:
        return None
    pane = found.pane
    told = topic + pane.partition.to_bytes(4, "big") + pane.number.to_bytes(8, "big")
    return found if key == told and pane.end - pane.first == size else None
