"""A log in memory that behaves as a cluster does towards a sidecar that dies.

What a producer has sent lands later, in order, as a prefix; and what has landed is not seen by readers before it
has reached every replica in sync (the high watermark), which it has when anything behind it is acknowledged.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.errors import OffsetGone
from audit.log.base import Delivered, Finding, LogEntry, LogReader, LogWriter, Topic


class Killed(BaseException):
    """The process ends here: nothing that follows may run."""


@dataclass
class MemoryLog:
    """One partition. `step(name)` is called before and after whatever the sidecar asks of it."""

    step: Callable[[str], None] = lambda _: None
    entries: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(key, value) at the leader."""
    visible: int = 0
    """The high watermark: readers see no further, and nothing beyond it was acknowledged."""
    waiting: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    """Sent by the writer that lives, not yet at the leader."""
    late: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    """A dead sidecar's last request, on its way."""
    findings: list[Finding] = field(default_factory=list)
    stuck: bool = False
    """Takes nothing at the moment."""
    idle: int = 0
    """How often a writer has waited for it while it was stuck: then there was no room, or nothing, to send."""
    largest: int = 0
    """Most bytes that ever waited."""
    first: int = 0
    """What stood before it is gone by retention."""

    def topic(self) -> Topic:
        self.step("topic")
        return Topic("memory", "t", bytes(16), 1)

    def writer(self, partition: int) -> LogWriter:
        self.step("writer")
        self.waiting.clear()
        return _Writer(self)

    def reader(self) -> LogReader:
        return _Reader(self)

    def check(self) -> list[Finding]:
        self.step("check")
        return self.findings

    def kill(self, landed: int, late: int) -> None:
        """The sidecar is dead: of what waited `landed` lands unseen, `late` more after the next barrier."""
        for _ in range(min(landed, len(self.waiting))):
            self.entries.append(self.waiting.popleft())
        self.late = deque(self.waiting.popleft() for _ in range(min(late, len(self.waiting))))
        self.waiting.clear()


class _Writer:
    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._count = 0
        self._sent = 0
        self._offset = -1

    def send(self, value: bytes, key: bytes) -> None:
        log = self._log
        log.step("before send")
        log.waiting.append((key, value))
        self._sent += 1
        log.largest = max(log.largest, sum(len(value) for _, value in log.waiting))
        log.step("after send")

    def delivered(self) -> Delivered:
        return Delivered(self._count, self._offset)

    def wait(self, timeout: float) -> None:
        log = self._log
        if log.stuck:
            log.idle += 1
            time.sleep(min(timeout, 0.005))
            return
        log.step("before landing")
        while log.waiting:
            log.entries.append(log.waiting.popleft())
            self._count += 1
            self._offset = len(log.entries) - 1
            if self._count == 1:  # the barrier stands; what a dead sidecar sent comes only now
                log.entries += log.late
                log.late.clear()
        log.visible = len(log.entries)
        log.step("after landing")

    def close(self) -> None:
        """What waits is given up: `MemoryLog.kill` says what lands all the same."""


class _Reader:
    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def bounds(self, partition: int) -> tuple[int, int]:
        self._log.step("bounds")
        return self._log.first, self._log.visible

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        self._log.step("read")
        if offset < self._log.first:
            raise OffsetGone(f"offset {offset} is not there any more")
        return [
            LogEntry(place, 0, key, value)
            for place, (key, value) in enumerate(self._log.entries[offset : self._log.visible], offset)
        ]

    def close(self) -> None:
        """Nothing is held."""
