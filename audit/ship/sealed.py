"""What of a journal is sealed: proved entry by entry, before the gateway frees a segment by it.

One proved leaf would not be enough. The tree fixes what stands at that leaf's offset, and the chain fixes every
entry of the journal before it, but only as hashes: a broker that has lost one of them, or a head that was cut off
before the notary came by, leaves a hole at a lower offset, and the segment that is freed then was the last copy. So
each of our own leaves, made of the journal's bytes, is looked for in the tree, in order: offsets rise with sequences,
because a shipper sends in order and goes on from what its barrier found; a benign duplicate of an earlier entry
stands between and is passed over. It costs a hash or two a record, and tells each one's offset, which receipts need.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from audit.errors import SequenceGone
from audit.journal import Position
from audit.proof.errors import NotProved
from audit.proof.hashing import leaf_hash
from audit.proof.record import split_record

from .barrier import Contradiction
from .leaves import Leaves
from .offsets import Offsets
from .reached import SEALED, Reached, ReachedWriter, read_reached
from .shipper import Progress, Source, SourceRecord

_READ_BYTES: Final = 1 << 20


@dataclass(slots=True)
class SealProgress:
    """What is sealed of one journal; read by the metrics from another thread."""

    sequence: int = 0
    """Every entry below it is sealed."""
    position: Position | None = None
    """In the journal, behind the last sealed entry that this run has found."""
    refused: int = 0
    """Looks at a checkpoint or at tiles that were not believed."""
    problem: str | None = None
    """What was not believed at the last look."""
    alarm: str | None = None
    """What is sealed is not what was shipped: a person must look, nothing more is freed."""

    def reached(self) -> tuple[int, Position | None]:
        """See `lag.Reaching`."""
        return self.sequence, self.position


class _Ours(NamedTuple):
    """The next entry that is to be found in the tree."""

    sequence: int
    leaf: bytes
    position: Position


class SealedJournal:
    """One journal, followed through its tree. Used by one thread, another than the shipper's."""

    def __init__(
        self,
        journal: bytes,
        source: Callable[[], Source],
        directory: Path,
        shipped: Progress,
        keep: int,
        run: bytes,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`directory` is the journal's shipping directory; `shipped` its shipper's progress; `run` 16 bytes."""
        self.journal = journal
        self.directory = directory
        self.progress = SealProgress()
        self.offsets = Offsets(directory, keep)
        self._source = source
        self._shipped = shipped
        self._run = run
        self._clock = clock
        self._reader: Source | None = None
        self._ours: deque[_Ours] = deque()
        self._writer: ReachedWriter | None = None
        self._reached = read_reached(directory, SEALED) or Reached(0, 0)
        self._proved = self._reached.offset
        self.progress.sequence = self._reached.sequence

    @property
    def ready(self) -> bool:
        """Whether it may be followed.

        Not before the shipper's barrier stands: after a power failure the journal's mark may be old, and an entry that
        the log has would be missed in the tree, because the journal does not show it yet.
        """
        return self._shipped.within is not None and self.progress.alarm is None

    def begin(self, start: int, size: int) -> int:
        """The first offset to look at in a tree of `size` leaves; `start` is where the journal's route begins.

        Raises:
            NotProved: an earlier run has seen more leaves.
        """
        if size < self._proved:
            raise NotProved(f"rolled back: {size} leaves, where {self._proved} were sealed")
        if self._reached.offset < start:
            self._reached = Reached(self._reached.sequence, start)
        return self._reached.offset

    def take(self, leaves: Leaves) -> bool:
        """Look for the next entries among proved leaves, and say how far everything is sealed.

        Leaves before the offset that was reached are passed over. A crash between the two writes leaves offsets
        that the next run writes again.

        Returns:
            Whether the leaves that follow may be given. Not while the journal shows less than the log has (its mark is
            old after a power failure, until its gateway has recovered it): what it does not show would be missed.

        Raises:
            Contradiction: an entry that the log has acknowledged is not where it must be.
            OSError, JournalError: a disk fails; the next look goes on from the mark.
        """
        if leaves.end <= self._reached.offset:
            return True
        # Before the journal is read: what it says was shipped by now is shown by then.
        within = self._shipped.within
        try:
            found, place = self._match(leaves)
            ours = self._next()
            sequence = found[-1].sequence + 1 if found else self._reached.sequence
            wanted = within is not None and (sequence if ours is None else ours.sequence) < within.sequence
            behind = wanted and ours is None
            missing = wanted and ours is not None and within is not None and leaves.end >= within.offset
            for first, offsets in _runs(found):
                self.offsets.put(first, offsets)
            offset = leaves.end
            if missing or behind:  # looked for again from here
                offset = found[-1].offset + 1 if found else self._reached.offset
            self._write(Reached(sequence, offset), place)
        except BaseException:
            self.forget()
            raise
        if missing:
            assert ours is not None
            assert within is not None
            raise Contradiction(
                f"entry {ours.sequence} of journal {self.journal.hex()} was acknowledged below offset {within.offset}, "
                f"and what is sealed from offset {offset} on does not have it: nothing from there on is freed"
            )
        return not behind

    def forget(self) -> None:
        """Let go of the journal; the next look reads it from what was reached."""
        self._ours.clear()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        """Let go."""
        self.forget()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _match(self, leaves: Leaves) -> tuple[list[_Found], Position | None]:
        """Our entries among the leaves, in order, up to the first that is not there."""
        hashes, at = leaves.hashes, max(0, self._reached.offset - leaves.first)
        found: list[_Found] = []
        place = self.progress.position
        while (ours := self._next()) is not None:
            try:
                at = hashes.index(ours.leaf, at)
            except ValueError:
                break
            found.append(_Found(ours.sequence, leaves.first + at))
            place = ours.position
            at += 1
            self._ours.popleft()
        return found, place

    def _next(self) -> _Ours | None:
        """The next entry to look for; None when the journal has no more."""
        if not self._ours:
            self._ours.extend(map(_ours, self._read()))
        return self._ours[0] if self._ours else None

    def _read(self) -> Sequence[SourceRecord]:
        if self._reader is None:
            self._reader = self._source()
            try:
                self._reader.seek(self._reached.sequence)
            except SequenceGone:
                return self._read_oldest()
        try:
            return self._reader.read(_READ_BYTES)
        except SequenceGone:
            return self._read_oldest()

    def _read_oldest(self) -> Sequence[SourceRecord]:
        """What was freed was sealed, and its mark is lost; or the log's word was enough (free_after = acknowledged)."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._source()  # a reader that was sent nowhere begins with the oldest
        return self._reader.read(_READ_BYTES)

    def _write(self, reached: Reached, place: Position | None) -> None:
        if self._writer is None:
            self._writer = ReachedWriter(self.directory, SEALED, self._run, self._clock)
        self._writer.write(reached)
        self._reached, self._proved = reached, reached.offset
        self.progress.sequence, self.progress.position = reached.sequence, place


class _Found(NamedTuple):
    sequence: int
    offset: int


def _runs(found: Sequence[_Found]) -> Iterator[tuple[int, list[int]]]:
    """(first sequence, offsets) of neighbours: one run, but where something was freed by the log's word alone."""
    for _, run in groupby(enumerate(found), lambda each: each[1].sequence - each[0]):
        part = [one for _, one in run]
        yield part[0].sequence, [one.offset for one in part]


def _ours(record: SourceRecord) -> _Ours:
    return _Ours(record.sequence, leaf_hash(split_record(record.record)[0]), record.position)
