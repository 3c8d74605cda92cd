"""Mirrors one journal: from its durable mark to the receiver's acknowledgement, by a position of its own.

The journal is the mirror's buffer, and its bound is the journal's: the mirror never holds a segment back. What is freed
before it was copied is dropped, counted, and told to the receiver when it is there again. So, of all entries since the
mirror was first turned on, each one below its position was acknowledged at least once, or named to the receiver as one
that it will not get.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

import structlog

from audit.backoff import backoff
from audit.errors import JournalError, SequenceGone
from audit.journal import JournalReader, JournalRecord, Position
from audit.settings import FluentdSettings

from .ending import Ending
from .errors import ReceiverUnavailable
from .events import Event, event_of, gap_event
from .place import PlaceWriter, read_place

_READ_BYTES: Final = 256 << 10
_IDLE: Final = 0.05
_MAX_BACKOFF: Final = 30


class Delivers(Protocol):
    """The part of `receiver.Receiver` that is needed here; its contract stands there."""

    def deliver(self, label: str | None, events: Sequence[bytes]) -> None:
        """Send, and wait until all of it is acknowledged. Raises ReceiverUnavailable."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(slots=True)
class MirrorProgress:
    """What one mirror has done; read by the metrics from another thread."""

    sequence: int = 0
    """Every entry below it was acknowledged, or dropped."""
    position: Position | None = None
    """In the journal, behind the last entry that this run has delivered."""
    mirrored: int = 0
    """Entries acknowledged for the first time, by this run."""
    resent: int = 0
    """Entries acknowledged once more, by this run."""
    dropped: int = 0
    """Entries that this run found freed before they were copied: in its time, or while no mirror ran."""
    failures: int = 0
    """Interruptions of this run."""

    def reached(self) -> tuple[int, Position | None]:
        """See `ship.lag.Reaching`."""
        return self.sequence, self.position


class Mirror:
    """One journal. `run` returns when told to end; nothing that it does can stop or delay shipping."""

    def __init__(
        self,
        journal: bytes,
        source: Callable[[], JournalReader],
        receiver: Delivers,
        shipping: Path,
        settings: FluentdSettings,
        *,
        clock: Callable[[], int] = time.time_ns,
        busy: Callable[[], float] = time.thread_time,
    ) -> None:
        """`shipping` is the journal's shipping directory; `busy` tells this thread's CPU time, in seconds."""
        self.journal = journal
        self.progress = MirrorProgress()
        self._source = source
        self._receiver = receiver
        self._shipping = shipping
        self._settings = settings
        self._clock = clock
        self._busy = busy
        self._trouble: str | None = None
        self._say = structlog.get_logger("sidecar").bind(journal=journal.hex())
        known = read_place(shipping, journal)
        self._known = known is not None
        if known is not None:
            self.progress.sequence = known

    def run(self, ending: Ending) -> None:
        """Copy until told to end and drained, or out of time. Whatever goes wrong is told, and tried again."""
        failures = 0
        while True:
            before = self.progress.sequence
            try:
                self._session(ending)
            except (ReceiverUnavailable, JournalError, OSError) as error:
                trouble = str(error)
            except Exception as error:  # noqa: BLE001 — a thread that ended unseen would be a copy with a hole
                trouble = repr(error)
            else:
                return
            if ending.over():
                return
            failures = 1 if self.progress.sequence > before else failures + 1
            self.progress.failures += 1
            self._tell(trouble)
            retry = self._settings.retry_seconds
            ending.wait(backoff(failures, retry, retry * _MAX_BACKOFF))

    def _session(self, ending: Ending) -> None:
        """One run of a connection. Returns when told to end and drained, or out of time."""
        writer = PlaceWriter(self._shipping, self.journal, self._clock)
        source, gap = self._open()
        try:
            if gap is not None:
                self._tell_gap(writer, gap)
            while not ending.over():
                begun = self._busy()
                records = source.read(_READ_BYTES)
                if records:
                    self._deliver(writer, records)
                    # Half of a core at most, also while it catches up: the shipper's thread shares this process's.
                    ending.wait(self._busy() - begun)
                elif ending.asked:
                    return
                else:
                    ending.wait(_IDLE)
        finally:
            source.close()
            writer.close()
            self._receiver.close()

    def _open(self) -> tuple[JournalReader, int | None]:
        """The journal, at the next entry less those to be sent again; and the oldest there is, where some are gone.

        Raises:
            SequenceGone: the oldest is freed as it is looked up; to be tried again.
        """
        source = self._source()
        if not self._known:  # never mirrored: the oldest that there is
            return source, None
        wanted = self.progress.sequence
        try:
            source.seek(max(0, wanted - self._settings.resend_records))
        except SequenceGone:
            oldest = self._oldest()
            # Held open from here on: what is freed while the receiver takes its time to hear of this gap is read yet,
            # or is a gap of its own. Were the oldest only looked up, what is freed meanwhile would be passed over.
            source.seek(oldest)
            if oldest > wanted:
                return source, oldest
        return source, None

    def _oldest(self) -> int:
        source = self._source()
        try:
            records = source.read(1)
            return records[0].sequence if records else self.progress.sequence
        finally:
            source.close()

    def _tell_gap(self, writer: PlaceWriter, oldest: int) -> None:
        """Entries were freed before they were copied. A crash before the mark is written tells it again."""
        progress = self.progress
        first, last = progress.sequence, oldest - 1
        event = gap_event(self.journal, first, last, self._clock())
        self._receiver.deliver(event.label, [event.packed])
        progress.dropped += oldest - first
        progress.sequence = oldest
        writer.write(progress.sequence)
        self._say.error("entries were freed before they were mirrored", first=first, last=last)

    def _deliver(self, writer: PlaceWriter, records: Sequence[JournalRecord]) -> None:
        """Send records, and take the position behind them. A crash before that sends them again."""
        most = self._settings.payload_bytes if self._settings.payloads else 0
        events = [event_of(record.record, payload_bytes=most) for record in records]
        for label, together in _by_label(events):
            self._receiver.deliver(label, together)
        progress, last = self.progress, records[-1]
        first = records[0].sequence if not self._known else progress.sequence
        fresh = max(0, last.sequence + 1 - first)
        progress.mirrored += fresh
        progress.resent += len(records) - fresh
        if fresh:
            progress.sequence, progress.position = last.sequence + 1, last.position
            self._known = True
            writer.write(progress.sequence)
        if self._trouble is not None:
            self._trouble = None
            self._say.info("mirroring again", sequence=progress.sequence)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._say.warning("not mirrored now; trying again", reason=trouble)


def _by_label(events: Sequence[Event]) -> list[tuple[str | None, list[bytes]]]:
    """Events by the end of their tag; those of one tag keep their order."""
    ordered = sorted(events, key=lambda event: event.label or "")
    return [
        (label, [event.packed for event in together])
        for label, together in groupby(ordered, key=lambda event: event.label)
    ]
