"""One group after another: written, synced, marked, told.

    filling ──▶ sealed ──▶ pwritev ──▶ fdatasync (elsewhere) ──▶ mark ──▶ futures
                  ▲ the next group fills meanwhile; it is not written before the sync has returned

All state is on the loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from audit.errors import JournalFailed
from audit.proof.record import FORMAT

from .disk import DISK_FULL, Disk, write_all
from .layout import (
    GROUP_HEAD,
    RECORD_FRAME,
    RECORD_OVERHEAD,
    SegmentHeader,
    align,
    encode_group_head,
    pack_record_head,
)
from .mark import MarkFile
from .recover import Recovered
from .segments import Segments
from .syncer import Syncer

# A batch is sealed when it has this many bytes: what waits behind one sync stays short.
GROUP_BYTES: Final = 4 << 20
# What a frame may add to its group beside its own bytes: the group's head and the gap before it.
FRAME_CHARGE: Final = GROUP_HEAD + 8
# Request frames ride with the next group of records; alone they wait this long for one, in seconds.
REQUEST_PATIENCE: Final = 0.05
# A group waits so many turns of the loop, at most, for the records of requests that are on the way: larger groups
# cost less, and a request frame whose record is in the same group is not written at all.
TURNS: Final = 4
# Room that only the journal's own entries may use, so that a full journal can still be closed: bytes.
RESERVE: Final = 16 << 10
# A full disk is looked at again after this many seconds.
FULL_PATIENCE: Final = 0.25

Waiter = tuple["asyncio.Future[str]", int, float]
"""The future, the sequence, and when the append began (seconds of a monotonic clock)."""


@dataclass(slots=True)
class Batch:
    """Frames that will be one group; `sequence` and `chain` are those of its first entry."""

    sequence: int
    chain: bytes
    parts: list[bytes] = field(default_factory=list)
    frames: int = 0
    size: int = 0
    waiters: list[Waiter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch with its request frames, as it will be written."""

    batch: Batch
    body: bytes
    frames: int


class Committer:
    """Writes batches as groups, and tells when they are durable.

    Args:
        durable: called with a batch's waiters when its group is on disk and the mark says so.
        broken: called once with the failure, when nothing more can become durable.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        found: Recovered,
        segments: Segments,
        mark: MarkFile,
        syncer: Syncer,
        *,
        disk: Disk,
        header: Callable[[int, int, bytes], SegmentHeader],
        durable: Callable[[Sequence[Waiter]], None],
        broken: Callable[[JournalFailed], None],
    ) -> None:
        self._loop = loop
        self._segments = segments
        self._mark = mark
        self._syncer = syncer
        self._disk = disk
        self._header = header
        self._durable = durable
        self._broken = broken
        self._queue: deque[Batch] = deque()
        self._filling = Batch(found.sequence, found.chain)
        self._held: Sealed | None = None  # sealed, and waiting for a segment or for space
        self._writing: Sealed | None = None
        self._scheduled = False
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None
        self._group = found.group
        self._durable_sequence = found.sequence
        self.sequence = found.sequence
        """Of the next entry."""
        self.chain = found.chain
        """Leaf hash of the last entry."""
        self.requests: dict[int, tuple[tuple[bytes, ...], int]] = {}
        """Parts of the request frames that no group has taken yet, by ticket."""
        self.open_requests: dict[int, int] = {}
        """Segment of each written request frame whose request has no record frame yet, by ticket."""
        self.charged = 0
        """Upper bound of what the frames not yet written will take in segments, in bytes."""
        self.limit = 0
        """What `charged` may reach, so that everything accepted is sure to find a place."""
        self.written_bytes = 0
        self._closed = False
        self.failure: JournalFailed | None = None
        self.problem = ""
        """Why nothing can be written at the moment; empty when it can."""

    @property
    def durable_group(self) -> int:
        """The last group that is on disk, 0 before the first."""
        return self._group - 1

    @property
    def durable_sequence(self) -> int:
        """Every entry below it is on disk."""
        return self._durable_sequence

    # -- filling ---------------------------------------------------------------------------------------

    def add(self, entry: bytes, payload: bytes, ticket: int, waiter: Waiter | None) -> None:
        """Add the record frame of the next entry, whose keys 3 and 4 MUST be `sequence` and `chain`.

        A request frame with the same ticket that no group has taken yet is dropped: it would say, in the same
        group, what this record says.
        """
        if ticket:
            request = self.requests.pop(ticket, None)
            if request is None:
                self.open_requests.pop(ticket, None)
            else:
                self.charged -= request[1] + FRAME_CHARGE
        size = RECORD_OVERHEAD + len(entry) + len(payload)
        batch = self._filling
        if batch.size + size > GROUP_BYTES and batch.frames:
            self._queue.append(batch)
            batch = self._filling = Batch(self.sequence, self.chain)
        batch.parts += (
            pack_record_head(RECORD_FRAME, size - 8, ticket, FORMAT, len(entry)),
            entry,
            payload,
        )
        batch.frames += 1
        batch.size += size
        if waiter is not None:
            batch.waiters.append(waiter)
        self.charged += size + FRAME_CHARGE
        self.sequence += 1
        self.chain = sha256(b"\x00" + entry).digest()
        if not self._scheduled:
            self.kick()

    def add_request(self, ticket: int, parts: tuple[bytes, ...], size: int) -> None:
        """Add a request frame of `size` bytes: it rides with the next group, or goes alone when none comes
        for a while.
        """
        self.requests[ticket] = parts, size
        self.charged += size + FRAME_CHARGE
        if self._timer is None:
            self._timer = self._loop.call_later(REQUEST_PATIENCE, self._patience_over)

    def kick(self) -> None:
        """Commit at the end of this turn of the loop: everything that arrived in it rides together."""
        if not self._scheduled and self._writing is None and not self._segments.rotating:
            self._scheduled = True
            self._loop.call_soon(self._commit)

    def refresh(self) -> None:
        """The segments changed: what may be accepted has, too."""
        self.limit = self._segments.room - RESERVE

    def _patience_over(self) -> None:
        self._timer = None
        if self.requests:
            self.kick()

    async def drained(self) -> None:
        """Wait until no frame waits for the disk.

        Raises:
            JournalFailed: something never got there.
        """
        while self.failure is None and (self._pending or self._writing or self._segments.rotating):
            self.kick()
            if self._idle is None:
                self._idle = self._loop.create_future()
            await self._idle
        if self.failure is not None:
            raise self.failure

    @property
    def _pending(self) -> bool:
        return bool(self._held or self._queue or self._filling.frames or self.requests)

    # -- committing ------------------------------------------------------------------------------------

    def commit_now(self) -> None:
        """Write and sync everything that waits, blocking: for the opening, before anything is served.

        Raises:
            OSError: the disk failed; nothing that waited may be taken as durable.
        """
        while (sealed := self._take()) is not None:
            assert self._segments.fits(GROUP_HEAD + len(sealed.body))
            self._write(sealed)
            self._disk.sync(self._segments.fd)
            self._complete(sealed)
            self._durable(sealed.batch.waiters)

    def close(self) -> None:
        """Stop; what has not been written never will be."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _commit(self) -> None:
        self._scheduled = False
        if self._writing is not None or self.failure or self._closed or self._segments.rotating:
            return
        if self.requests and self._turns < TURNS and self._held is None:
            self._turns += 1
            self.kick()
            return
        self._turns = 0
        sealed = self._held or self._take()
        if sealed is None:
            return
        self._held = sealed
        if not self._segments.fits(GROUP_HEAD + len(sealed.body)):
            self._rotate(sealed)
            return
        try:
            self._write(sealed)
        except OSError as error:
            if error.errno in DISK_FULL:
                # Nothing was promised for these bytes: the same group is written again, at the same place.
                self.problem = f"the disk is full: {error}"
                self._loop.call_later(FULL_PATIENCE, self.kick)
            else:
                self.fail(f"writing group {self._group} failed", error)
            return
        except Exception as error:
            # A fault of ours. Nobody may wait for ever for a group that nobody will write.
            self.fail(f"making group {self._group} failed", error)
            raise
        self.problem = ""
        self._held, self._writing = None, sealed
        self._syncer.sync(self._segments.fd, self._synced)

    def _take(self) -> Sealed | None:
        """The oldest batch, and with it the request frames that wait."""
        if self._queue:
            batch = self._queue.popleft()
        elif self._pending:
            batch, self._filling = self._filling, Batch(self.sequence, self.chain)
        else:
            return None
        room = GROUP_BYTES - batch.size
        frames: list[bytes] = []
        tickets: list[int] = []
        for ticket, (parts, size) in self.requests.items():
            room -= size
            if room < 0 and (batch.frames or tickets):
                break
            frames += parts
            tickets.append(ticket)
        for ticket in tickets:
            del self.requests[ticket]
            # Entered now: the record may come while this group is on its way. If a segment is begun for it,
            # the one before is kept a little longer than it must.
            self.open_requests[ticket] = self._segments.current.number
        return Sealed(batch, b"".join(frames + batch.parts), batch.frames + len(tickets))

    def _rotate(self, sealed: Sealed) -> None:
        need = GROUP_HEAD + len(sealed.body)
        if self._segments.spare_size < need:
            self._segments.prepare(need)  # and kick() comes when there is one
            return
        header = self._header(self._group, sealed.batch.sequence, sealed.batch.chain)
        self._segments.rotate(header, self._rotated)

    def _rotated(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail("beginning a segment failed", error)
            return
        if self._closed:
            return
        self.refresh()
        self._segments.prepare()
        self._commit()

    def _write(self, sealed: Sealed) -> None:
        """Write the next group at the open segment's end. A crash here leaves a torn tail."""
        head = encode_group_head(self._segments.seed, self._group, sealed.frames, sealed.body)
        write_all(self._disk, self._segments.fd, (head, sealed.body), align(self._segments.current.end))

    def _synced(self, error: BaseException | None) -> None:
        sealed = self._writing
        if sealed is None or self._closed:
            return
        if error is not None:
            # The page cache may now say what the disk does not: this descriptor is never trusted again.
            self.fail(f"the sync of group {self._group} failed", error)
            return
        self._writing = None
        self._complete(sealed)
        # The disk is given the next group before those who wait are woken: they run in a later turn anyway.
        if self._held or self._queue or self._filling.frames:
            self._commit()
        self._durable(sealed.batch.waiters)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
            self._idle = None

    def _complete(self, sealed: Sealed) -> None:
        """The group is on disk: say so in the mark. A crash before that leaves an old mark, as it may."""
        current, batch = self._segments.current, sealed.batch
        start = align(current.end)
        current.end = start + GROUP_HEAD + len(sealed.body)
        self.written_bytes += current.end - start
        self._durable_sequence = batch.sequence + batch.frames
        self._mark.publish(self._group, current.number, current.end, self._durable_sequence)
        self._group += 1
        self.charged -= len(sealed.body) + sealed.frames * FRAME_CHARGE
        self.refresh()

    def fail(self, what: str, cause: BaseException) -> None:
        """Fail closed: everything that waits, and everything after it."""
        if self.failure is not None:
            return
        self.failure = JournalFailed(f"{what}: {cause}")
        self.failure.__cause__ = cause
        self.problem = str(self.failure)
        batches = [self._filling, *self._queue]
        batches += [sealed.batch for sealed in (self._held, self._writing) if sealed is not None]
        for batch in batches:
            for future, _, _ in batch.waiters:
                if not future.done():
                    future.set_exception(self.failure)
        self._broken(self.failure)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
            self._idle = None
