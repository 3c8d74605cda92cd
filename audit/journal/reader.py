"""Reading a journal that another process writes: never beyond the durable mark, and never writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from audit.errors import JournalDamaged, JournalError, SequenceGone
from audit.proof.errors import FormatError

from .disk import REAL_DISK, Disk, read_all, read_file
from .identity import JOURNAL_NAME, read_journal_id
from .layout import (
    GROUP_HEAD,
    HEADER_SIZE,
    RECORD_FRAME,
    Group,
    SegmentHeader,
    align,
    read_frames,
    read_group,
    segment_name,
    segment_number,
)
from .mark import MARK_NAME, Mark, read_mark

_TICKET_SIZE: Final = 8
# What is read from a segment at once; a larger group is read whole.
_WINDOW: Final = 1 << 20


class Position(NamedTuple):
    """A place between two records.

    `sequence` is the next record's; it lies in or after the group at `offset` of `segment`, whose first entry
    is `first`. Only `sequence` keeps its meaning when segments are freed or recovered.
    """

    segment: int
    offset: int
    first: int
    sequence: int


class JournalRecord(NamedTuple):
    """A record, its sequence, and the position after it."""

    sequence: int
    record: bytes
    position: Position


class JournalReader:
    """Reads records in sequence order.

    Survives the freeing of segments that it has read and the writer's restarts. Records are not parsed:
    a segment's header says its first sequence, and record frames count on from there.
    """

    def __init__(self, directory: Path, position: Position | None = None, *, disk: Disk = REAL_DISK) -> None:
        self._directory = directory
        self._disk = disk
        self._fd: int | None = None
        self._header: SegmentHeader | None = None
        self._offset = HEADER_SIZE
        self._first = 0  # sequence of the first entry of the group at the offset
        self._sequence: int | None = None  # next to return; None: the oldest there is
        if position is not None:
            self._sequence = position.sequence
            self._open_at(position)

    @property
    def sequence(self) -> int | None:
        """The next record's; None before the first read of a reader that was given no position."""
        return self._sequence

    def journal_id(self) -> bytes | None:
        """The journal's 16 bytes; None while the writer has not made it yet.

        Raises:
            JournalDamaged: its description is malformed.
        """
        raw = read_file(self._disk, self._directory / JOURNAL_NAME, 4096)
        return None if raw is None else read_journal_id(raw, self._directory / JOURNAL_NAME)

    def mark(self) -> Mark | None:
        """The durable mark; None before the first group."""
        return read_mark(self._disk, self._directory / MARK_NAME)

    def read(self, max_bytes: int) -> list[JournalRecord]:
        """Durable records from here on; empty when there are none now.

        Whole groups are read until `max_bytes` of records are there, so it may be passed by one group.

        Raises:
            SequenceGone: the next record was in a segment that was freed.
            JournalDamaged: a durable group is not what was written.
        """
        records: list[JournalRecord] = []
        mark = self.mark()
        if mark is None:
            return records
        taken = 0
        finished: int | None = None  # number of the segment that was read to its end
        while taken < max_bytes and (self._sequence is None or self._sequence < mark.sequence):
            if self._fd is None:
                self._locate(mark)
            header = self._header
            assert header is not None
            if header.segment == finished:
                raise self._damage("a durable group is not there")
            end = mark.end if mark.segment == header.segment else None
            count = self._read_window(records, max_bytes - taken, end)
            if count is None:
                if mark.segment == header.segment:
                    raise self._damage("a durable group is not there")
                finished = header.segment
                self._close()
                continue
            taken += count
        return records

    def seek(self, sequence: int) -> None:
        """Go on with that sequence.

        Raises:
            SequenceGone: it was freed.
        """
        self._close()
        self._sequence = sequence
        mark = self.mark()
        if mark is not None and sequence < mark.sequence:
            self._locate(mark)

    def close(self) -> None:
        """Close the segment."""
        self._close()

    # -- segments --------------------------------------------------------------------------------------

    def _open_at(self, position: Position) -> None:
        """Go back to a group by its place; when its segment is gone, the sequence is looked up instead."""
        header = self._open(position.segment)
        if header is not None and header.sequence <= position.first <= position.sequence:
            self._offset, self._first = position.offset, position.first
        else:
            self._close()

    def _locate(self, mark: Mark) -> None:
        """Open the segment that holds the next sequence, at its first group."""
        numbers = sorted(
            number
            for name in self._disk.list(self._directory)
            if (number := segment_number(name)) is not None and number <= mark.segment
        )
        if self._sequence is None:
            for number in numbers:
                if (header := self._open(number)) is not None:
                    self._sequence = header.sequence
                    return
        # From the youngest: a recovery leaves, for a moment, two segments with the same groups.
        oldest = mark.sequence
        for number in reversed(numbers):
            if (header := self._open(number)) is None:
                continue
            if self._sequence is not None and header.sequence <= self._sequence:
                return
            oldest = header.sequence
        self._close()
        raise SequenceGone(f"entry {self._sequence} was freed, the oldest is {oldest}")

    def _open(self, number: int) -> SegmentHeader | None:
        self._close()
        try:
            fd = self._disk.open(self._directory / segment_name(number), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            header = SegmentHeader.decode(self._disk.pread(fd, HEADER_SIZE, 0))
        except BaseException as error:
            # Also one of the disk: who tries again all through its trouble would run out of descriptors.
            self._disk.close(fd)
            if isinstance(error, FormatError):
                raise JournalDamaged(f"segment {segment_name(number)}, offset 0: {error}") from error
            raise
        self._fd, self._header = fd, header
        self._offset, self._first = HEADER_SIZE, header.sequence
        return header

    def _close(self) -> None:
        if self._fd is not None:
            self._disk.close(self._fd)
        self._fd = self._header = None

    # -- groups ----------------------------------------------------------------------------------------

    def _read_window(self, records: list[JournalRecord], max_bytes: int, end: int | None) -> int | None:
        """Append the records of the next groups; their bytes, or None when there is no further group."""
        assert self._fd is not None
        assert self._header is not None
        size = self._disk.size(self._fd)
        end = size if end is None else min(end, size)
        if self._offset + GROUP_HEAD > end:
            return None
        length = min(_WINDOW, end - self._offset)
        data = read_all(self._disk, self._fd, length, self._offset)
        group = read_group(data, 0, self._header.seed)
        if not isinstance(group, Group) and (need := _group_size(data)) > length:
            data = read_all(self._disk, self._fd, min(need, end - self._offset), self._offset)
            group = read_group(data, 0, self._header.seed)
        base, taken = self._offset, 0
        if not isinstance(group, Group):
            return None
        while isinstance(group, Group):
            taken += self._take(data, group, records)
            self._offset = base + align(group.end)
            if taken >= max_bytes:
                break
            group = read_group(data, align(group.end), self._header.seed)
        return taken

    def _take(self, data: bytes, group: Group, records: list[JournalRecord]) -> int:
        header, wanted = self._header, self._sequence
        assert header is not None
        assert wanted is not None
        segment, offset, first = header.segment, self._offset, self._first
        sequence, taken = first, 0
        try:
            for kind, start, end in read_frames(data, group):
                if kind != RECORD_FRAME:
                    continue
                if sequence >= wanted:
                    position = Position(segment, offset, first, sequence + 1)
                    records.append(JournalRecord(sequence, data[start + _TICKET_SIZE : end], position))
                    taken += end - start
                sequence += 1
        except FormatError as error:
            raise self._damage(str(error)) from error
        self._first = sequence
        self._sequence = max(wanted, sequence)
        return taken

    def _damage(self, reason: str) -> JournalError:
        name = segment_name(self._header.segment) if self._header else "none"
        return JournalDamaged(f"segment {name}, offset {self._offset}, entry {self._sequence}: {reason}")


def _group_size(data: bytes) -> int:
    """The length that a group's head at the start of `data` gives, or 0."""
    return GROUP_HEAD + int.from_bytes(data[12:16], "big") if len(data) >= GROUP_HEAD else 0
