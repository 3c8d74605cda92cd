"""The archive's writer: sealed records are gathered, and written as Parquet files of ranges that are decided once.

For each range, in this order, and what a crash after each step leaves:

1. `begin_archive(end)`: the state names the range; the next run writes exactly this one;
2. payloads, checkpoints, entries are created; one that is there already is found to hold the same rows;
3. `finish_archive()`: the range is archived, and never looked at again by the notary.

So each offset is in exactly one entries file, and when that file is there, those beside it are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Protocol

import pyarrow as pa

from audit.errors import NotaryRefuses, ObjectsUnavailable
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint, parse_checkpoint
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.note import parse_note

from .agree import Agrees, create_or_agree, same, same_entries, same_payloads
from .columns import entries_table
from .files import encode_checkpoints, encode_entries, encode_payloads, payloads_table
from .names import ArchiveFile, Part, files_of
from .schema import CHECKPOINTS

_DAY: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_LAST_DAY: Final = 253_402_300_799_999
_FULL: Final = 2
"""Files' worth of records that may wait here; then the log is not read on until one is written."""
_MOMENT: Final = 0.2
"""Seconds that a call waits for a file while too much waits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a file is cut, besides a day's end ([notary] archive_…)."""

    records: int = 65_536
    bytes: int = 64 << 20
    seconds: float = 300.0
    entries: int = 128 << 20
    """Bytes of entries: each stands in its own column and in parts in the others, and a reader takes no file of more
    than `bounds.MAX_BYTES` when it is decoded."""


class SealedState(Protocol):
    """The part of `audit.notary.state.State` that is needed here."""

    @property
    def size(self) -> int:
        """Leaves that are sealed: nothing beyond them is archived."""
        ...

    def archive_heads(self) -> Sequence[bytes]:
        """Checkpoints that go with the file that is begun: the same until it is finished."""
        ...


class Sealing(Protocol):
    """The part of `audit.notary.seal.Seal` that moves the archive on (docs/sealed-log.md, "State")."""

    @property
    def state(self) -> SealedState:
        """As the store has it."""
        ...

    def begin_archive(self, end: int) -> None:
        """Decide that the next file ends before `end`; MUST be durable when it returns."""
        ...

    def finish_archive(self) -> None:
        """The file that was begun is written."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What a range became."""

    first: int
    end: int
    files: int
    bytes: int


class Archiver:
    """The archive of one partition. Used by one thread."""

    def __init__(
        self,
        objects: Objects,
        topic: bytes,
        partition: int,
        archived: int,
        archiving: int,
        limits: Limits = Limits(),
        payload_objects: Objects | None = None,
        *,
        background: bool = False,
    ) -> None:
        """Go on where the state says.

        Args:
            objects: the store.
            topic: the topic's id.
            partition: of it.
            archived: offsets below it are archived; the first `add` is of this one.
            archiving: the state's; when it is more than `archived`, a run died between steps 1 and 3.
            limits: of a file.
            payload_objects: where payload files go, when elsewhere: with Object Lock on `objects`, payloads in
                clear MUST lie in a store without it, so that they can be erased.
            background: write files in a thread of its own, so that sealing goes on meanwhile. `close` ends it.
        """
        self._objects = objects
        self._payload_objects = payload_objects or objects
        self._topic = topic
        self._partition = partition
        self._limits = limits
        self._first = archived
        self._decided = archiving if archiving > archived else None
        self._resumed = self._decided is not None
        self._thread = ThreadPoolExecutor(1, f"archive-{partition}") if background else None
        self._running: Future[Written] | None = None
        self._logged: list[int | None] = []
        self._entries: list[bytes] = []
        self._payloads: list[bytes] = []
        self._leaves: list[bytes] = []
        self._held = 0
        self._begin_open(archived)
        self._cuts: deque[int] = deque()
        self._since: float | None = None

    def _begin_open(self, start: int) -> None:
        """The range that is not cut yet begins at `start`."""
        self._open, self._open_bytes, self._open_entries, self._open_day = start, 0, 0, -1

    @property
    def first(self) -> int:
        """Offsets below it are archived."""
        return self._first

    @property
    def next(self) -> int:
        """The offset that `add` takes next."""
        return self._first + len(self._entries)

    @property
    def full(self) -> bool:
        """Whether the log should not be read on until something is written."""
        return self._held >= _FULL * self._limits.bytes or len(self._entries) >= _FULL * self._limits.records

    def add(self, offset: int, logged: int | None, entry: bytes, payload: bytes) -> None:
        """Take what stands at the next offset.

        Args:
            offset: MUST be `next`.
            logged: the log's timestamp, ms since 1970 UTC; None for what the log lost before it was archived.
            entry: the leaf's entry: a record's, or a hole.
            payload: as the log carried it; empty when it carried none.
        """
        self.add_all(offset, [logged], [entry], [payload], [leaf_hash(entry)])

    def add_all(
        self,
        first: int,
        logged: Sequence[int | None],
        entries: Sequence[bytes],
        payloads: Sequence[bytes],
        leaves: Sequence[bytes],
    ) -> None:
        """Take what stands at the offsets from `first` on, as `add`; `leaves` are the entries' hashes."""
        if first != self.next:
            raise ValueError(f"archive: offset {first} given, {self.next} wanted")
        self._logged += logged
        self._entries += entries
        self._payloads += payloads
        self._leaves += leaves
        sizes = zip(logged, map(len, payloads), map(len, entries), strict=True)
        for offset, (time, size, entry) in enumerate(sizes, first):
            self._held += size
            self._cut(offset, time, size, entry)

    def _cut(self, offset: int, logged: int | None, size: int, entry: int) -> None:
        """Where the files end, as far as it is known at this offset."""
        day = logged // _DAY if logged is not None and 0 <= logged <= _LAST_DAY else self._open_day
        if offset > self._open and day != self._open_day >= 0:
            self._close(offset)
        self._open_day = day
        self._open_bytes += size
        self._open_entries += entry
        limits = self._limits
        if (
            offset + 1 - self._open >= limits.records
            or self._open_bytes >= limits.bytes
            or self._open_entries >= limits.entries
        ):
            self._close(offset + 1)

    def _close(self, end: int) -> None:
        self._cuts.append(end)
        self._begin_open(end)

    def due(self, now: float, size: int) -> int | None:
        """The end of the file that is to be written now, or None.

        Args:
            now: seconds of a monotonic clock; a record waits `limits.seconds` after the first call that sees it.
            size: leaves that are sealed.
        """
        sealed = min(size, self.next)
        if sealed <= self._first:
            return None
        if self._since is None:
            self._since = now
        if self._decided is not None:  # by a run that died, or by a write that failed
            return self._decided if self._decided <= sealed else None
        if self._cuts:
            return self._cuts[0] if self._cuts[0] <= sealed else None
        if now - self._since < self._limits.seconds:
            return None
        return sealed

    def archive(self, seal: Sealing, now: float, *, flush: bool = False) -> Written | None:
        """Write one file if one is due, or if there is anything sealed and `flush` is set; what was written.

        In the background the file is begun now, and finished by a later call; `flush` waits for it, and so, for a
        moment, does a call that finds more waiting than should.

        A failure changes nothing here, and the same is tried again at the next call. Who opens another `Seal` makes
        another Archiver of its state: whether this one's file was finished is not known then.

        Raises:
            ObjectsUnavailable: the store does not answer.
            NotaryRefuses: a file of the range is there with other rows, or another notary swapped the state.
        """
        if self._running is None:
            end = self._end(now, seal.state.size, flush=flush)
            if end is None:
                return None
            if end != self._decided:
                seal.begin_archive(end)
                self._decided = end
            self._running = self._begin(end, tuple(seal.state.archive_heads()))
        if not self._running.done():
            wait((self._running,), None if flush else _MOMENT if self.full else 0)
        if not self._running.done():
            return None
        running, self._running = self._running, None
        written = running.result()
        seal.finish_archive()
        self.done(written.end)
        return written

    def _end(self, now: float, size: int, *, flush: bool) -> int | None:
        end = self.due(now, size)
        if end is None and flush and not self._cuts and self._decided is None:
            end = min(size, self.next)
        return end if end is not None and end > self._first else None

    def _begin(self, end: int, heads: Sequence[bytes]) -> Future[Written]:
        if self._thread is not None:
            return self._thread.submit(self.write, end, heads)
        done: Future[Written] = Future()
        try:
            done.set_result(self.write(end, heads))
        except (ObjectsUnavailable, NotaryRefuses, FormatError) as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        """Let go. A file that is being written in the background is written: the next run finds that it is right."""
        if self._thread is not None:
            self._thread.shutdown()

    def write(self, end: int, heads: Sequence[bytes]) -> Written:
        """Create the files of [archived, end), whose end the state MUST hold as `archiving` already.

        Raises:
            ObjectsUnavailable, NotaryRefuses: as `archive`.
        """
        first, count = self._first, end - self._first
        day = self._day(end)
        entries = entries_table(
            range(first, end), self._logged[:count], self._entries[:count], leaves=self._leaves[:count]
        )
        payloads = self._payload_rows(entries, count)
        checkpoints = _checkpoints(heads, first, end)
        sizes = []

        def create(
            part: Part, table: pa.Table, encode: Callable[[pa.Table], bytes], agrees: Agrees = same
        ) -> None:
            file = ArchiveFile(part, self._topic, day, self._partition, first, end)
            objects = self._payload_objects if part is Part.PAYLOADS else self._objects
            # Of payloads that the log has lost, a run that died may have left the file.
            if table.num_rows or (self._resumed and objects.get(file.name) is not None):
                sizes.append(create_or_agree(objects, file, encode(table), table, agrees))

        create(
            Part.PAYLOADS, payloads, encode_payloads, lambda there, ours: same_payloads(there, ours, entries)
        )
        create(Part.CHECKPOINTS, checkpoints, encode_checkpoints)
        # Last: a reader that finds it finds the others.
        create(Part.ENTRIES, entries, encode_entries, same_entries)
        return Written(first, end, len(sizes), sum(sizes))

    def done(self, end: int) -> None:
        """[archived, end) is archived, and the state says so: let go of it."""
        count = end - self._first
        self._held -= sum(map(len, self._payloads[:count]))
        del self._logged[:count], self._entries[:count], self._payloads[:count], self._leaves[:count]
        self._first, self._decided, self._since, self._resumed = end, None, None, False
        self._begin_open(end)
        self._cuts.clear()
        for at, (logged, payload, entry) in enumerate(
            zip(self._logged, self._payloads, self._entries, strict=True)
        ):
            self._cut(end + at, logged, len(payload), len(entry))

    def _payload_rows(self, entries: pa.Table, count: int) -> pa.Table:
        digests = entries.column("payload_digest").to_pylist()
        rows = [
            (self._first + at, digests[at], payload)
            for at, payload in enumerate(self._payloads[:count])
            if payload and digests[at] is not None
        ]
        return payloads_table([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def _day(self, end: int) -> date:
        """The day in the files' names: of the first record whose time is known.

        A run that died may have begun the range when the log still told a time that it tells no more.
        """
        for part in Part if self._resumed else ():
            objects = self._payload_objects if part is Part.PAYLOADS else self._objects
            for file in files_of(objects, part, self._topic, self._partition):
                if (file.first, file.end) == (self._first, end):
                    return file.day
        for logged in self._logged[: end - self._first]:
            if logged is not None and 0 <= logged <= _LAST_DAY:
                return datetime.fromtimestamp(logged // 1000, UTC).date()
        return _EPOCH


def _checkpoints(heads: Sequence[bytes], first: int, end: int) -> pa.Table:
    """Heads of more than `first` leaves, up to `end`: which those are no later head can change."""
    kept: list[tuple[Checkpoint, bytes]] = []
    for raw in heads:
        head = parse_checkpoint(parse_note(raw).text)
        if first < head.size <= end:
            kept.append((head, raw))
    columns = [
        pa.array([head.size for head, _ in kept], pa.int64()),
        pa.array([head.root for head, _ in kept], pa.binary(32)),
        pa.array([raw for _, raw in kept], pa.binary()),
    ]
    return pa.Table.from_arrays(columns, schema=CHECKPOINTS)
