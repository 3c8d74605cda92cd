"""Ships one journal: from its durable mark to the log's acknowledgement."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import structlog

from audit.backoff import backoff
from audit.errors import (
    ConfigError,
    JournalError,
    LogUnavailable,
    OffsetGone,
    SequenceGone,
    TopicUnsafe,
)
from audit.journal import Position
from audit.log.base import Log, LogReader, LogWriter
from audit.proof.entry import record_id
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.record import split_record
from audit.settings import SidecarSettings
from audit.traces.shipping import Shipped, Tracing
from audit.traces.waiting import Waiting

from .barrier import WINDOW, Contradiction, JournalBehind, append_barrier, scan
from .external import ExternalStore
from .reached import ACKNOWLEDGED, SEALED, Reached, ReachedWriter, read_reached
from .route import Route, RouteBroken, choose_route

_READ_BYTES: Final = 1 << 20
_IDLE: Final = 0.002
_MAX_BACKOFF: Final = 30
_ENDS: Final = (
    Contradiction, RouteBroken, TopicUnsafe, JournalError, FormatError, ConfigError,
)  # fmt: skip
"""Trying again would give the same, and a person must decide: SequenceGone and JournalDamaged among them."""


class SourceRecord(Protocol):
    """A record of the journal."""

    @property
    def sequence(self) -> int:
        """Its place."""
        ...

    @property
    def record(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def position(self) -> Position:
        """Behind it."""
        ...


class Source(Protocol):
    """The part of `audit.journal.JournalReader` that is needed here."""

    def seek(self, sequence: int) -> None:
        """Go to an entry. Raises SequenceGone."""
        ...

    def read(self, max_bytes: int) -> Sequence[SourceRecord]:
        """Records up to the durable mark; empty when there are none."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class InFlight(NamedTuple):
    """A record that was sent and not yet acknowledged."""

    sequence: int
    record: bytes
    position: Position
    traced: Shipped | None = None
    """Of a sampled request."""


@dataclass(slots=True)
class Progress:
    """What one shipper has done; read by the metrics from another thread."""

    shipped: int = 0
    shipped_bytes: int = 0
    restarts: int = 0
    duplicates: int = 0
    gone: int = 0
    """Starts that found a part of the log gone which they had to look at."""
    alarm: str | None = None
    next_sequence: int = 0
    acknowledged: int = 0
    last_progress: float = 0.0
    in_flight_bytes: int = 0
    position: Position | None = None
    """In the journal, behind the last acknowledged record of this run."""
    within: Reached | None = None
    """Every entry below its sequence stands in the log below its offset; None until this run's barrier stands: only
    then the journal was seen to hold what the log holds."""
    in_flight: deque[InFlight] = field(default_factory=deque)
    """Sent, not yet acknowledged, in order."""

    def reached(self) -> tuple[int, Position | None]:
        """See `lag.Reaching`."""
        return self.acknowledged, self.position


class Shipper:
    """One journal. `run` returns when told to end and drained, or after an alarm."""

    def __init__(
        self,
        journal: bytes,
        source: Callable[[], Source],
        log: Log,
        directory: Path,
        settings: SidecarSettings,
        external: ExternalStore,
        *,
        traces: tuple[Tracing, Path] | None = None,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`directory` is this journal's shipping directory; `source` opens the journal for reading; `traces` is told of
        sampled requests' records, which the ring at that path names.
        """
        self.journal = journal
        self.progress = Progress()
        self._source = source
        self._log = log
        self._directory = directory
        self._settings = settings
        self._external = external
        self._clock = clock
        self._monotonic = monotonic
        self._tracing = None if traces is None else traces[0]
        self._waiting = None if traces is None else Waiting(traces[1], monotonic)
        self._shipper = os.urandom(16)
        self._say = structlog.get_logger("sidecar").bind(journal=journal.hex())

    def run(self, stop: threading.Event) -> None:
        """Ship until told to end, then drain for `drain_seconds` at most.

        Each failure of the log or of this machine's disk ends a run of the producer and begins another, after
        a growing pause: the barrier finds out what landed. So does a journal that its gateway has not recovered
        yet, and whatever nobody expected (no thread to be had, no memory): a shipper that ended of it would leave a
        journal that fills. A contradiction between journal and log, or a damaged journal, ends the shipper, with an
        alarm.
        """
        failures, told = 0, ""
        deadline: float | None = None
        while deadline is None or self._monotonic() < deadline:
            before = self.progress.shipped
            try:
                self._session(stop)
            except _ENDS as error:
                self.progress.alarm = f"{type(error).__name__}: {error}"
                self._say.error("alarm: shipping of this journal stops", reason=self.progress.alarm)
                return
            except Exception as error:  # noqa: BLE001 — see above: what is not in _ENDS is tried again
                if self.progress.shipped > before:
                    failures, told = 0, ""
                failures += 1
                self.progress.restarts += 1
                retry = self._settings.retry_seconds
                pause = backoff(failures, retry, retry * _MAX_BACKOFF)
                if told != (told := repr(error)):
                    self._tell(error)
                if stop.is_set() and deadline is None:
                    deadline = self._monotonic() + self._settings.drain_seconds
                _wait(stop, pause)
            else:
                return

    def _tell(self, error: Exception) -> None:
        """What failed, once: the metrics count how often. Of what nobody expected, where it came from, too."""
        what, expected = _trouble(error)
        self._say.warning(what, reason=str(error) or repr(error), exc_info=not expected)

    def _session(self, stop: threading.Event) -> None:
        """One run of a producer: route, barrier, ship. Returns when told to end and drained."""
        known = read_reached(self._directory, ACKNOWLEDGED) or Reached(0, 0)
        # For the metrics, until the barrier tells more: while the log is away, the lag is already right.
        self.progress.acknowledged = max(self.progress.acknowledged, known.sequence)
        self._refuse_unsafe()
        route = choose_route(self._directory, self.journal, self._log)
        source = self._source()
        acknowledged = ReachedWriter(self._directory, ACKNOWLEDGED, self._shipper, self._clock)
        try:
            writer = self._log.writer(route.partition)
            try:
                sent = self._barrier(writer, route, source, acknowledged, known)
                self._ship(_Run(writer, source, acknowledged, sent, route.partition), stop)
            finally:
                self.progress.in_flight.clear()
                self.progress.in_flight_bytes = 0
                writer.close()
            self._keep(acknowledged)
        finally:
            acknowledged.close()
            source.close()

    def _keep(self, acknowledged: ReachedWriter) -> None:
        """The mark is only a place to scan from: failing to make it durable costs the next run some reading."""
        try:
            acknowledged.sync()
        except OSError as error:
            self._say.warning("the acknowledged mark may be old after a power failure", reason=str(error))

    def _refuse_unsafe(self) -> None:
        unsafe = [str(finding) for finding in self._log.check() if finding.fatal]
        if unsafe:
            raise TopicUnsafe("; ".join(unsafe))

    def _barrier(
        self,
        writer: LogWriter,
        route: Route,
        source: Source,
        acknowledged: ReachedWriter,
        known: Reached,
    ) -> int:
        """Find what is in the log and go there in the journal; returns how many sends the writer has made.

        `known` is the mark of the run before, if there was one.
        """
        barrier = append_barrier(
            writer, self._shipper, self.journal, self._settings.delivery_timeout_seconds, self._clock()
        )
        reader = self._log.reader()
        try:
            start, first = max(known.offset, route.start), reader.bounds(route.partition)[0]
            whole = start >= first
            if not whole:
                known, start = self._known(known, start, first), first
            found = scan(
                reader,
                route.partition,
                self.journal,
                start=start,
                barrier=barrier,
                known=known.sequence,
                patience=self._settings.delivery_timeout_seconds,
                whole=whole,
                compare=lambda leaves: self._compare(source, leaves),
            )
        finally:
            _close(reader)
        self.progress.duplicates += found.duplicates
        source.seek(found.next)
        acknowledged.write(Reached(found.next, found.offset))
        self.progress.next_sequence = self.progress.acknowledged = found.next
        self.progress.within = Reached(found.next, found.offset)
        self._say.info("shipping", partition=route.partition, sequence=found.next, barrier=barrier)
        return 1

    def _known(self, known: Reached, start: int, first: int) -> Reached:
        """What is known to have been in the log, whose retention has taken the offsets from `start` to before `first`.

        What was acknowledged, what is sealed, and what the journal has freed by either. Behind that, what the log still
        has of the journal tells, and where it has nothing, the rest is shipped: what was in flight when the sidecar
        died may be there once more then, under the same hash, and the notary says so. Nothing is taken for shipped
        that may be on this disk alone.
        """
        sealed = read_reached(self._directory, SEALED) or Reached(0, 0)
        sequence = self._first_held(max(known.sequence, sealed.sequence))
        self.progress.gone += 1
        self._say.error(
            "the log does not have any more what this journal's shipping was to go on from (the topic's retention, or "
            "somebody deleted it); it goes on from what is known to have been there",
            first_gone=start, first_there=first, sequence=sequence,
        )  # fmt: skip
        return Reached(sequence, first)

    def _compare(self, source: Source, leaves: Mapping[int, bytes]) -> None:
        """The log's entries are the journal's. Raises Contradiction, and JournalBehind where that is not known yet."""
        wanted = sorted(leaves)
        del wanted[: bisect_left(wanted, self._first_held(wanted[0]))]
        place = 0
        at: int | None = None  # where the source stands
        while place < len(wanted):
            if at is None or wanted[place] > at + WINDOW:
                source.seek(wanted[place])
            records = source.read(_READ_BYTES)
            if not records:
                raise JournalBehind(
                    f"the log holds sequences {wanted[place]} to {wanted[-1]}, which the journal does not show: "
                    "its gateway has not recovered it yet, or it was restored from an old copy"
                )
            for record in records:
                if place < len(wanted) and record.sequence == wanted[place]:
                    if leaf_hash(split_record(record.record)[0]) != leaves[record.sequence]:
                        raise Contradiction(
                            f"sequence {record.sequence} has one hash in the log, another in the journal"
                        )
                    place += 1
            at = records[-1].sequence + 1

    def _first_held(self, wanted: int) -> int:
        """`wanted`, or the oldest sequence that the journal still has: what was freed was acknowledged."""
        source = self._source()
        try:
            source.seek(wanted)
        except SequenceGone:
            source.close()
            source = self._source()  # a reader that was sent nowhere begins with the oldest
            try:
                records = source.read(1)
            except SequenceGone as error:
                raise JournalBehind(f"the journal's mark names none of its segments: {error}") from error
            return records[0].sequence if records else wanted
        finally:
            source.close()
        return wanted

    def _ship(self, run: _Run, stop: threading.Event) -> None:
        """The loop. A crash here leaves records in flight: the next run's barrier finds out which landed."""
        progress = self.progress
        progress.last_progress = self._monotonic()
        deadline: float | None = None
        while True:
            sent = self._send(run)
            if self._receive(run):
                progress.last_progress = self._monotonic()
            now = self._monotonic()
            if progress.in_flight and now - progress.last_progress > self._settings.delivery_timeout_seconds:
                raise LogUnavailable(
                    f"no record was acknowledged within {self._settings.delivery_timeout_seconds:g} s"
                )
            if not progress.in_flight:
                progress.last_progress = now
            if stop.is_set():
                if sent == 0 and not progress.in_flight:
                    return
                deadline = deadline or now + self._settings.drain_seconds
                if now > deadline:
                    raise LogUnavailable("told to end, and the log did not take the rest in time")
            if not sent:
                if progress.in_flight:
                    run.writer.wait(0.05)
                else:
                    stop.wait(_IDLE)

    def _send(self, run: _Run) -> int | None:
        """Send what there is room for; how many records, None when there was no room to look."""
        progress = self.progress
        room = self._settings.in_flight_bytes - progress.in_flight_bytes
        if room <= 0:
            return None
        records = run.source.read(min(_READ_BYTES, room))
        journal, writer = self.journal, run.writer
        sampled = self._waiting is not None and bool(records) and self._waiting.look()
        for record in records:
            value = self._external.move(record.record)
            traced = self._traced(record) if sampled else None
            if traced is None:
                writer.send(value, journal)
            else:
                writer.send(value, journal, traced.headers)
            progress.in_flight.append(InFlight(record.sequence, value, record.position, traced))
            progress.in_flight_bytes += len(value)
            progress.next_sequence = record.sequence + 1
        return len(records)

    def _traced(self, record: SourceRecord) -> Shipped | None:
        """Of a sampled request's record: what goes with it."""
        assert self._waiting is not None
        assert self._tracing is not None
        context = self._waiting.take(record.record)
        if context is None:
            return None
        return self._tracing.begin(context, record_id(self.journal, record.sequence))

    def _receive(self, run: _Run) -> bool:
        """Take what was acknowledged off the queue and say so; False when nothing was."""
        delivered = run.writer.delivered()
        fresh = delivered.sends - run.counted
        if not fresh:
            return False
        run.counted = delivered.sends
        progress = self.progress
        sequence = -1
        for _ in range(fresh):
            sequence, record, progress.position, traced = progress.in_flight.popleft()
            progress.in_flight_bytes -= len(record)
            progress.shipped_bytes += len(record)
            if traced is not None and self._tracing is not None:
                self._tracing.end(traced, run.partition)
        progress.shipped += fresh
        if delivered.offset > run.offset:
            # Holds of what was acknowledged before this look. Not of all that came with it: what the broker had
            # already is acknowledged without its offset.
            progress.within = Reached(progress.acknowledged, delivered.offset + 1)
            run.offset = delivered.offset
        progress.acknowledged = sequence + 1
        run.acknowledged.write(Reached(sequence + 1, delivered.offset + 1))
        return True


@dataclass(slots=True)
class _Run:
    """What one run of a producer works with; `counted` of its sends are known to be acknowledged."""

    writer: LogWriter
    source: Source
    acknowledged: ReachedWriter
    counted: int
    partition: int
    offset: int = -1
    """The last that it was told of."""


def _trouble(error: Exception) -> tuple[str, bool]:
    """What failed, for the operator; and whether it is known what to make of it."""
    if isinstance(error, LogUnavailable):
        return "the log does not take records; trying again", True
    if isinstance(error, OffsetGone):
        return "what was to be read of the log was deleted meanwhile; trying again", True
    if isinstance(error, JournalBehind):
        return "the journal shows less than the log has; trying again", True
    if isinstance(error, OSError):
        return "a file of the journal or of the sidecar's bookkeeping failed; trying again", True
    return "shipping failed in a way that nobody expected; trying again", False


def _wait(stop: threading.Event, seconds: float) -> None:
    """Pause; while draining the event is set already, and the pause must still be one."""
    if stop.is_set():
        time.sleep(min(seconds, 0.2))
    else:
        stop.wait(seconds)


def _close(reader: LogReader) -> None:
    reader.close()
