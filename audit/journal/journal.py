"""The journal: an append resolves when its record is durable, never before."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import cbor2

from audit.errors import JournalFailed, JournalFull
from audit.files import make_directory
from audit.proof import cbor
from audit.proof.entry import MAX_ENTRY, Key, Kind
from audit.proof.errors import FormatError
from audit.proof.record import Header

from .admission import OPEN, Admission, Door, slow_down
from .committer import FRAME_CHARGE, RESERVE, Committer, Waiter
from .disk import DISK_FULL, REAL_DISK, Disk
from .growth import Filling
from .identity import Identity, load_identity, load_topic
from .layout import (
    HEADER_SIZE,
    RECORD_OVERHEAD,
    REQUEST_FRAME,
    REQUEST_OVERHEAD,
    SEED_SIZE,
    SegmentHeader,
    pack_request_head,
)
from .mark import ACKNOWLEDGED_NAME, MARK_NAME, SEALED_NAME, MarkFile, read_mark, read_reached
from .own import OwnEntries
from .reached import SidecarMarks
from .recover import Recovered, recover
from .release import LogRelease
from .segments import Segments
from .settings import JournalSettings
from .syncer import Syncer, ThreadWorker, Worker, make_syncer

LOCK_NAME: Final = "lock"
# How often the sidecar's marks are read, segments are freed and a missing spare is made: seconds.
HOUSEKEEPING: Final = 0.25

Observe = Callable[[Sequence[float]], None]


@dataclass(frozen=True, slots=True)
class Opening:
    """What the opening entry says of the process.

    `versions`: libraries that shape an answer; `device`: `cpu`, `cuda:0`, …; `threads`: of one prediction.
    """

    versions: Mapping[str, str]
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class JournalStats:
    """A look at the journal. Bytes are on disk; `hours_to_full` is infinite while it does not grow.

    Every entry below `acknowledged` is in the log; below `sealed`, under a checkpoint that the notary signed.
    """

    epoch: int
    durable_group: int
    durable_sequence: int
    sequence: int
    acknowledged: int
    sealed: int
    held_bytes: int
    bound_bytes: int
    hours_to_full: float
    open_requests: int
    waiting_for_log: int
    problem: str


class Journal:
    """One writer's journal. Every method MUST be called on the thread of the loop that opened it."""

    def __init__(
        self,
        directory: Path,
        shipping: Path,
        settings: JournalSettings,
        identity: Identity,
        found: Recovered,
        *,
        lock: int,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        disk: Disk,
        observe: Observe | None,
        syncer: Syncer,
        worker: Worker,
    ) -> None:
        """Use `open`."""
        self._loop = asyncio.get_running_loop()
        self._shipping = shipping
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._random = random
        self._disk = disk
        self._observe = observe
        self._syncer = syncer
        self._worker = worker
        self._lock = lock
        self.journal_id = identity.journal_id
        self.epoch = found.epoch + 1
        self._hex = self.journal_id.hex()
        self._tickets = found.tickets
        self._sidecar = SidecarMarks(disk, shipping)
        self._origin = b"\x01\x50%b\x02%b\x03" % (self.journal_id, cbor.uint(self.epoch))
        """Keys 1 and 2 of every entry, and key 3 without its value."""
        self._closing = False
        self._closed = False
        self._segments = Segments(
            directory,
            found.segments,
            found.seed,
            disk=disk,
            worker=worker,
            segment_bytes=settings.segment_bytes,
            max_bytes=settings.max_bytes,
            changed=self._segments_changed,
        )
        self._mark = MarkFile(disk, directory / MARK_NAME)
        self._release: LogRelease | None = None
        if settings.release == "log":
            self._release = LogRelease(
                self._loop,
                settings.release_timeout_seconds,
                acknowledged=lambda: self._read_reached(ACKNOWLEDGED_NAME),
                resolve=self._resolve,
                expired=self._not_released,
            )
        self._committer = Committer(
            self._loop,
            found,
            self._segments,
            self._mark,
            syncer,
            disk=disk,
            header=self._segment_header,
            durable=self._release.durable if self._release else self._resolve,
            broken=self._broken,
        )
        self._own = OwnEntries(identity, self.epoch, clock, random, settings.external_bytes)
        self._slow: Admission = OPEN
        self._filling = Filling(
            self._loop.time(), found.segments, found.sequence,
            segment_bytes=settings.segment_bytes, max_bytes=settings.max_bytes,
        )  # fmt: skip
        self._timers: list[asyncio.TimerHandle] = []

    @classmethod
    def open(
        cls,
        directory: Path,
        shipping: Path,
        settings: JournalSettings,
        opening: Opening,
        *,
        clock: Callable[[], int] = time.time_ns,
        random: Callable[[int], bytes] = os.urandom,
        disk: Disk = REAL_DISK,
        observe: Observe | None = None,
        syncer: Syncer | None = None,
        worker: Worker | None = None,
    ) -> Journal:
        """Lock, recover, and make durable: the opening entry, and aborted entries for requests left over.

        Blocks while it reads and writes; MUST be called with a running loop, before anything is served.
        `observe` is called once a group with the seconds that each of its appends took.

        Raises:
            JournalLocked: another process has it.
            JournalDamaged: with segment, offset and reason; nothing was touched.
            JournalFull: no space for the recovery; nothing was lost, and opening again repeats it.
            JournalFailed: the disk failed.
        """
        loop = asyncio.get_running_loop()
        make_directory(
            directory, exists=disk.is_directory, mkdir=disk.make_directory, sync=disk.sync_directory
        )
        lock = disk.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT)
        journal: Journal | None = None
        syncer = syncer or make_syncer(settings.sync, loop, disk)
        worker = worker or ThreadWorker(loop, "journal-segments")
        try:
            disk.lock(lock)
            identity = load_identity(directory, disk, clock, random, settings.key_directory)
            found = recover(
                directory,
                identity.journal_id,
                disk=disk,
                mark=read_mark(disk, directory / MARK_NAME),
                # What is sealed is in the log: either mark may have been lost by a crash.
                acknowledged=max(
                    read_reached(disk, shipping / name) or 0 for name in (ACKNOWLEDGED_NAME, SEALED_NAME)
                ),
                segment_bytes=settings.segment_bytes,
                spare_bytes=2 * RESERVE,
                clock=clock,
                random=random,
            )
            journal = cls(
                directory, shipping, settings, identity, found,
                lock=lock, clock=clock, random=random, disk=disk, observe=observe,
                syncer=syncer, worker=worker,
            )  # fmt: skip
            journal._begin(opening, found)
        except BaseException as error:
            if journal is not None:
                journal._shut()
            else:
                worker.close()
                syncer.close()
                disk.close(lock)
            if not isinstance(error, OSError):
                raise
            if error.errno in DISK_FULL:
                raise JournalFull(f"no space to open {directory}: {error}") from error
            raise JournalFailed(f"opening {directory} failed: {error}") from error
        return journal

    def _begin(self, opening: Opening, found: Recovered) -> None:
        """The epoch's first group: opening entry and aborted entries, synced before anybody is served."""
        topic = load_topic(self._shipping, self.journal_id, self._disk)
        fields: dict[int, object] = {
            **({Key.TOPIC: topic} if topic else {}),
            Key.VERSIONS: dict(opening.versions),
            Key.DEVICE: opening.device,
            Key.THREADS: opening.threads,
            Key.RELEASE: self._settings.release,
            Key.HEARTBEAT: self._settings.heartbeat_seconds,
            Key.RECOVERED: {"groups": found.groups, "torn": found.torn, "aborted": len(found.requests)},
        }
        committer = self._committer
        committer.add(self._own.opening(self._place, fields), b"", 0, None)
        for ticket in sorted(found.requests):
            entry, payload = self._own.aborted(self._place, found.requests[ticket])
            committer.add(entry, payload, ticket, None)
        committer.commit_now()
        self._segments.prepare()
        # A timer may be late: with nine tenths the heartbeat comes within the time that the opening names.
        self._timers = [
            self._loop.call_later(HOUSEKEEPING, self._keep_house),
            self._loop.call_later(0.9 * self._settings.heartbeat_seconds, self._beat),
        ]

    # -- the hot path ----------------------------------------------------------------------------------

    def accept(self, header: Mapping[int, object], request: bytes, arrived: int) -> int:
        """Give an accepted request its ticket; its request frame rides with the next group, not waited for.

        `header`: payload header keys of the request, without 6 and 8. `arrived`: ns since 1970 UTC.
        Every ticket MUST be given to one `append`: until then the segment with its request frame is kept.

        Raises:
            JournalFull: nothing was written.
            JournalFailed: the journal has failed or is closed.
        """
        parts = {**header, Header.COMPRESSION: 0, Header.LENGTHS: [len(request), 0, 0]}
        return self.accept_encoded(cbor.encode(parts), request, arrived)

    def accept_encoded(self, header: bytes, request: bytes, arrived: int) -> int:
        """`accept` of a request whose whole payload header is encoded already (by a trusted caller)."""
        if self._closing or self._committer.failure is not None:
            self._check_open()
        size = REQUEST_OVERHEAD + len(header) + len(request)
        committer = self._committer
        if committer.charged + size + FRAME_CHARGE > committer.limit:
            self._check_room(size)
        ticket = self._tickets = self._tickets + 1
        head = pack_request_head(REQUEST_FRAME, size - 8, ticket, arrived, len(header))
        committer.add_request(ticket, (head, header, request), size)
        return ticket

    def append(self, fields: Mapping[int, object], payload: bytes, ticket: int = 0) -> asyncio.Future[str]:
        """Append an entry with its payload; the future's result is the record id.

        `fields`: the entry's keys but 1 to 5, with values in the forms of the format (a trusted caller:
        they are not checked here). A payload over `external_bytes` is marked for the object store here, so
        that no record can be too large for the log. MUST NOT resolve before the record frame is on disk
        (release = "disk") and acknowledged (release = "log"). When a sync fails, every waiting future fails
        with JournalFailed.

        Raises:
            JournalFull: nothing was written; the journal goes on when there is space again.
            JournalFailed: an earlier write or sync failed, or the journal is closed.
            FormatError: no kind, keys that are set here, values that the format does not have, or an entry
                over 65,535 bytes.
        """
        kind = fields.get(Key.KIND)
        rest = {int(key): value for key, value in fields.items() if key != Key.KIND}
        if not isinstance(kind, int) or any(key <= Key.COMMITTING for key in rest):
            raise FormatError("entry: the kind (0) must be there, and keys 1 to 5 are set by the journal")
        raw = cbor.encode(rest)[len(cbor.head(5, len(rest))) :]
        return self.append_encoded(kind, len(rest), raw, payload, ticket)

    def append_encoded(
        self, kind: int, count: int, fields: bytes, payload: bytes, ticket: int
    ) -> asyncio.Future[str]:
        """`append` of an entry whose keys from 6 on, `count` of them, are encoded already.

        `fields` MUST be deterministic CBOR: keys ascending, shortest forms (a trusted caller: nothing of it is
        checked here but its length).
        """
        if self._closing or self._committer.failure is not None:
            self._check_open()
        if len(payload) > self._settings.external_bytes:
            count, fields = _mark_external(count, fields)
        committer = self._committer
        sequence = committer.sequence
        entry = b"%b\x00%b%b%b\x04\x58\x20%b\x05%b%b" % (
            cbor.head(5, count + 6), cbor.uint(kind), self._origin, cbor.uint(sequence), committer.chain,
            cbor.uint(self._clock()), fields,
        )  # fmt: skip
        if len(entry) > MAX_ENTRY:
            raise FormatError(f"entry: {len(entry)} bytes, at most {MAX_ENTRY}")
        size = RECORD_OVERHEAD + len(entry) + len(payload)
        if committer.charged + size + FRAME_CHARGE > committer.limit:
            self._check_room(size)
        future: asyncio.Future[str] = self._loop.create_future()
        committer.add(entry, payload, ticket, (future, sequence, perf_counter()))
        return future

    def _resolve(self, waiters: Sequence[Waiter]) -> None:
        """Tell those whose records are durable (and acknowledged, where that is asked for)."""
        prefix = self._hex
        for future, sequence, _ in waiters:
            if not future.done():
                future.set_result(f"{prefix}-{sequence}")
        if self._observe is not None and waiters:
            now = perf_counter()
            self._observe([now - started for _, _, started in waiters])

    # -- checks off the hot path -----------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._committer.failure is not None:
            raise JournalFailed(str(self._committer.failure)) from self._committer.failure
        if self._closing:
            raise JournalFailed("the journal is closed")

    def _check_room(self, size: int) -> None:
        """Refuse what has no place, before any of it is written."""
        standard = self._settings.segment_bytes - HEADER_SIZE - RESERVE
        if size + FRAME_CHARGE > standard and self._committer.charged == 0:
            # A frame that is larger than a segment gets one of its own size.
            if self._segments.may_hold(size + FRAME_CHARGE):
                return
            raise JournalFull(f"a frame of {size} bytes does not fit within the journal's bound", 60.0)
        raise JournalFull(self._why_full(), 1.0 if not self._segments.problem else 5.0)

    def _why_full(self) -> str:
        return self._committer.problem or self._segments.problem or "the next segment is not ready yet"

    # -- what the gateway asks -------------------------------------------------------------------------

    def count(self, reason: str) -> None:
        """Count an exchange that is not recorded; the count stands in the next signed entry."""
        self._own.count(reason)

    def admission(self) -> Admission:
        """Whether the next request may come in. Cheap: MAY be called for each."""
        committer = self._committer
        if committer.failure is not None or self._closing:
            return Admission(Door.FAILED, retry_after=60.0, reason=committer.problem or "closed")
        if committer.problem or committer.charged + FRAME_CHARGE + RESERVE > committer.limit:
            return Admission(Door.FULL, retry_after=5.0, reason=self._why_full())
        return self._slow

    def _is_full(self) -> bool:
        """Not for the moment that a segment takes to be made: for as long as none can be."""
        return bool(self._segments.problem) and self.admission().door is Door.FULL

    def stats(self) -> JournalStats:
        """A look at the journal, for metrics."""
        held, bound = self._segments.held_bytes, self._settings.max_bytes
        return JournalStats(
            epoch=self.epoch,
            durable_group=self._committer.durable_group,
            durable_sequence=self._committer.durable_sequence,
            sequence=self._committer.sequence,
            acknowledged=self._sidecar.reached(ACKNOWLEDGED_NAME),
            sealed=self._sidecar.reached(SEALED_NAME),
            held_bytes=held,
            bound_bytes=bound,
            hours_to_full=self._filling.hours_to_full(held, full=self._is_full()),
            open_requests=len(self._committer.open_requests) + len(self._committer.requests),
            waiting_for_log=self._release.waiting if self._release else 0,
            problem=self._committer.problem or self._segments.problem,
        )

    async def close(self) -> None:
        """Wait for what is waiting, append the signed closing entry, and unlock.

        A journal that has failed is only let go of: its failure was told to everyone who waited.

        Raises:
            JournalFailed: the disk failed while it closed; there is no closing entry then.
        """
        if self._closed:
            return
        failed = self._committer.failure is not None
        self._closing = True
        try:
            if not failed:
                await self._committer.drained()
                if self._release is not None:
                    await self._release.drained()
                self._committer.add(self._own.counts(Kind.CLOSING, self._place), b"", 0, None)
                await self._committer.drained()
        finally:
            self._shut()

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = self._closing = True
        for timer in self._timers:
            timer.cancel()
        if self._release is not None:
            self._release.close()
        self._committer.close()
        self._worker.close()
        self._syncer.close()
        self._segments.close()
        self._mark.close()
        self._disk.close(self._lock)

    # -- the journal's own entries ---------------------------------------------------------------------

    @property
    def _place(self) -> tuple[int, bytes]:
        return self._committer.sequence, self._committer.chain

    def _beat(self) -> None:
        committer = self._committer
        if committer.failure is not None:
            return
        try:
            # With half of the reserve gone the counts wait: the closing entry must have its place.
            if committer.charged <= committer.limit + RESERVE // 2:
                committer.add(self._own.counts(Kind.HEARTBEAT, self._place), b"", 0, None)
        finally:
            # As in `_keep_house`: a journal without heartbeats looks like one that has lost its end.
            self._timers[1] = self._loop.call_later(0.9 * self._settings.heartbeat_seconds, self._beat)

    def _not_released(self, sequence: int) -> None:
        reason = f"not acknowledged in {self._settings.release_timeout_seconds:g} s"
        self._committer.add(self._own.not_released(self._place, sequence, reason), b"", 0, None)

    # -- housekeeping ----------------------------------------------------------------------------------

    def _segment_header(self, group: int, sequence: int, chain: bytes) -> SegmentHeader:
        return SegmentHeader(
            self._segments.current.number + 1, self.journal_id, group, sequence, chain,
            self.epoch, self._clock(), self._tickets, self._random(SEED_SIZE),
        )  # fmt: skip

    def _read_reached(self, name: str) -> int:
        return self._sidecar.read(name, self._committer.durable_sequence)

    def _keep_house(self) -> None:
        if self._committer.failure is not None:
            return
        try:
            self._segments.prepare()
            self._free()
        finally:
            # Whatever happened: where nobody looks again, the journal fills although everything is acknowledged.
            self._timers[0] = self._loop.call_later(HOUSEKEEPING, self._keep_house)

    def _free(self) -> None:
        """Free what is safe elsewhere, and see how full the journal is."""
        oldest = min(self._committer.open_requests.values(), default=1 << 64)
        acknowledged, sealed = self._read_reached(ACKNOWLEDGED_NAME), self._read_reached(SEALED_NAME)
        by_seal = self._settings.free_after == "sealed"
        self._segments.free(sealed if by_seal else acknowledged, oldest)
        held = self._segments.held_bytes
        self._segments.waits_for = self._waits_for(by_seal=by_seal, sealing=acknowledged > sealed)
        self._slow = slow_down(
            held, self._settings.max_bytes, self._settings.slow_at, self._segments.waits_for
        )
        self._filling.look(
            self._loop.time(), sequence=self._committer.durable_sequence, written=self._committer.written_bytes,
            reached=sealed if by_seal else acknowledged, held=held, largest=self._segments.largest_bytes,
        )  # fmt: skip

    def _waits_for(self, *, by_seal: bool, sealing: bool) -> str:
        """Whose word the oldest segments wait for, in words."""
        problem = self._sidecar.problem(SEALED_NAME if by_seal else ACKNOWLEDGED_NAME)
        who = "the notary's seal" if by_seal and sealing else "the log"
        return f"{who}, whose mark cannot be read: {problem}" if problem else who

    def _segments_changed(self) -> None:
        if self._closed or self._committer.failure is not None:
            return
        self._committer.refresh()
        if not self._segments.problem:  # else housekeeping tries again, after a while
            self._segments.prepare()
        self._committer.kick()

    def _broken(self, failure: JournalFailed) -> None:
        if self._release is not None:
            self._release.fail(failure)


def _mark_external(count: int, fields: bytes) -> tuple[int, bytes]:
    """Put key 20 among encoded ones."""
    marked = {**cbor2.loads(cbor.head(5, count) + fields), int(Key.EXTERNAL): True}
    return len(marked), cbor.encode(marked)[len(cbor.head(5, len(marked))) :]
