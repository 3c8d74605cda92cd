"""The log's contract: in each partition an append-only sequence of records, each at its offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class LogEntry(NamedTuple):
    """What stands at one offset. `timestamp` is the log's, ms since 1970 UTC; `value` a record's bytes.

    `value` is None where a foreign client wrote a record without one; ours never do.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Topic:
    """Which log this is. A topic that was deleted and made again has another id."""

    backend: str
    name: str
    id: bytes
    """16 bytes."""
    partitions: int


class Delivered(NamedTuple):
    """How far a writer has come: `sends` of its sends are acknowledged, the last at `offset` (-1: none)."""

    sends: int
    offset: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A setting of a topic or broker. `fatal` when it would not keep the promise, else a remark."""

    what: str
    found: str
    wanted: str
    why: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what} is {self.found}, wanted {self.wanted}: {self.why}"


Headers = Sequence[tuple[str, bytes]]


class LogWriter(Protocol):
    """One run of writing to one partition. Used by one thread."""

    def send(self, value: bytes, key: bytes, headers: Headers = ()) -> None:
        """Take a record; MUST keep the order of the calls. Does not wait for the log, but may wait for room.

        `headers` stand beside it where the log has a place for them, and are no part of the record: nobody may need
        them to read it.

        Raises:
            LogUnavailable: this writer has failed; nothing more may be sent with it.
        """
        ...

    def delivered(self) -> Delivered:
        """How many of the sent records, from the first on and without a gap, are acknowledged.

        MUST NOT count a record before the log promised to keep it (acks=all; fsynced). Does not wait.

        Raises:
            LogUnavailable: a record was not accepted. Those after it may or may not be in the log.
        """
        ...

    def wait(self, timeout: float) -> None:
        """Wait until something more may be delivered, `timeout` seconds at most. MUST NOT raise."""
        ...

    def close(self) -> None:
        """End this run; MUST NOT wait for a broker that is gone. What was not delivered may still land."""
        ...


class LogReader(Protocol):
    """Reads any partition, from any offset. Used by one thread."""

    def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that is there, and the next one to be written.

        Raises:
            LogUnavailable: the log does not answer, or has no such partition.
        """
        ...

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        """Entries from `offset` on: at least one if there is one, else empty after `timeout` seconds.

        Raises:
            OffsetGone: that part is not there any more.
            LogUnavailable: the log does not answer.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Log(Protocol):
    """A topic, opened. Everything raises LogUnavailable when the log does not answer."""

    def topic(self) -> Topic:
        """Asks the log, each time: a recreated topic shows by its id.

        Raises:
            LogUnavailable: no answer, or no such topic.
        """
        ...

    def writer(self, partition: int) -> LogWriter:
        """A new run of writing."""
        ...

    def reader(self) -> LogReader:
        """A new reader."""
        ...

    def check(self) -> list[Finding]:
        """Settings that would not keep the promise, and remarks."""
        ...
