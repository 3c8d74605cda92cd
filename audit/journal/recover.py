"""What a journal holds when it is opened, and the repair of its torn tail.

Only the lock's holder recovers. A crash at any point of a recovery leaves what the next one understands:

1. the segments are read in order and each group is checked; damage stops here, with nothing changed;
2. files without a name of their own (`spare`, `copy.new`) hold nothing that was promised: they are removed;
3. what survives of the last segment is copied to `copy.new`, synced, and renamed to the next number:
   a crash before the rename leaves a file that step 2 removes;
4. the directory is synced, the old segment removed, and the directory synced again: a crash in between
   leaves two segments with the same first group, of which step 1 takes the younger.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from audit.errors import JournalDamaged
from audit.proof.errors import FormatError
from audit.proof.hashing import ZERO_HASH
from audit.proof.record import split_record

from .disk import Disk, read_all, write_all, write_zeros
from .layout import (
    ALIGNMENT,
    GROUP_MAGIC,
    HEADER_SIZE,
    REQUEST_FRAME,
    SEED_SIZE,
    Group,
    RequestFrame,
    SegmentHeader,
    align,
    decode_record,
    decode_request,
    read_entry_head,
    read_frames,
    read_group,
    segment_name,
    segment_number,
)
from .mark import Mark

SPARE_NAME: Final = "spare"
COPY_NAME: Final = "copy.new"


@dataclass(slots=True)
class Segment:
    """A segment on disk: `end` is the offset after its last group, `size` the file's length, in bytes."""

    number: int
    sequence: int
    end: int
    size: int


@dataclass(slots=True)
class Recovered:
    """What the journal holds, and where it goes on.

    `group`, `sequence` and `chain` are those of the next group and entry; `epoch` the last one opened, 0 if
    none; `tickets` the highest ticket given; `requests` the request frames without a record frame, by ticket.
    """

    segments: list[Segment] = field(default_factory=list)
    group: int = 1
    sequence: int = 0
    chain: bytes = ZERO_HASH
    epoch: int = 0
    tickets: int = 0
    requests: dict[int, RequestFrame] = field(default_factory=dict)
    groups: int = 0
    torn: int = 0
    seed: bytes = b""
    """Of the last segment."""


def recover(
    directory: Path,
    journal_id: bytes,
    *,
    disk: Disk,
    mark: Mark | None,
    acknowledged: int,
    segment_bytes: int,
    spare_bytes: int,
    clock: Callable[[], int],
    random: Callable[[int], bytes],
) -> Recovered:
    """Read, check and repair; afterwards the last segment is a synced one that groups may be appended to.

    It has room for `spare_bytes`, and for the aborted entries of the requests that were left over.

    `acknowledged`: every sequence below it is in the log, so the journal MUST still know that it gave it.

    Raises:
        JournalDamaged: with segment, offset and reason; no segment has been touched.
        OSError: the disk failed; opening again repeats the recovery.
    """
    names = disk.list(directory)
    numbers = sorted(number for name in names if (number := segment_number(name)) is not None)
    state = Recovered()
    scan = _Scan(directory, journal_id, disk, state)
    last = b""
    headers = [scan.header(number) for number in numbers]
    copied = len(headers) > 1 and headers[-1].group == headers[-2].group
    for place, header in enumerate(headers):
        if copied and place == len(headers) - 2:
            scan.superseded(header)
            continue
        following = headers[place + 1] if place + 1 < len(headers) else None
        last = scan.segment(header, following)
    scan.check_complete(mark, acknowledged)
    for name in (SPARE_NAME, COPY_NAME):
        if name in names:
            disk.unlink(directory / name)
    if headers:
        if copied:
            # Before the next copy: three segments with one first group are more than step 4 can tell apart.
            remove_segment(directory, disk, numbers[-2])
        room = spare_bytes + sum(
            len(request.header) + len(request.request) + spare_bytes for request in state.requests.values()
        )
        _copy_last(directory, disk, state, headers[-1], last, segment_bytes, room, clock)
        remove_segment(directory, disk, numbers[-1])
    else:
        _create_first(directory, journal_id, disk, state, segment_bytes, clock, random)
    return state


def remove_segment(directory: Path, disk: Disk, number: int) -> None:
    """Remove a segment for good. MUST be called again after an error, before anything else is removed.

    The directory is synced before anything else is removed from it: removals that reached the disk in another
    order would leave a gap between segments, which is damage.
    """
    with suppress(FileNotFoundError):  # an earlier try removed it, and failed to sync the directory
        disk.unlink(directory / segment_name(number))
    disk.sync_directory(directory)


class _Scan:
    """Reads segments in order into a `Recovered`."""

    def __init__(self, directory: Path, journal_id: bytes, disk: Disk, state: Recovered) -> None:
        self._directory = directory
        self._journal_id = journal_id
        self._disk = disk
        self._state = state
        self._fresh = True
        self._superseded = 0

    def header(self, number: int) -> SegmentHeader:
        """A segment's header. It was synced before the segment got its name: a bad one is damage."""
        raw = self._read(number, HEADER_SIZE)
        try:
            header = SegmentHeader.decode(raw)
        except FormatError as error:
            raise _damage(number, 0, str(error)) from error
        if header.segment != number or header.journal != self._journal_id:
            raise _damage(number, 0, "the header of another segment or journal")
        return header

    def superseded(self, header: SegmentHeader) -> None:
        """The last but one segment of a recovery that did not come to its end: its copy is complete.

        Its groups are counted, so that a copy that has fewer is damage and not a torn tail.
        """
        data = self._read(header.segment, None)
        offset, count = HEADER_SIZE, 0
        while isinstance(group := read_group(data, offset, header.seed), Group):
            offset, count = align(group.end), count + 1
        self._superseded = header.group + count

    def segment(self, header: SegmentHeader, following: SegmentHeader | None) -> bytes:
        """Check one segment's groups; returns its bytes."""
        state = self._state
        number = header.segment
        if self._fresh:
            # Everything before the first segment was acknowledged and freed.
            state.group, state.sequence, state.chain = header.group, header.sequence, header.chain
            state.epoch, state.tickets = header.epoch, header.tickets
            self._fresh = False
        elif (header.group, header.sequence, header.chain) != (state.group, state.sequence, state.chain):
            raise _damage(number, 0, f"its header goes on from group {header.group}, not {state.group}")
        data = self._read(number, None)
        offset = end = HEADER_SIZE
        while True:
            group = read_group(data, offset, header.seed)
            if not isinstance(group, Group) or group.number != state.group:
                break
            self._group(number, data, group)
            end = group.end
            offset = align(end)
        reason = group if isinstance(group, str) else f"group {group.number} in place of {state.group}"
        if following is not None and following.group != state.group:
            raise _damage(number, offset, f"{reason}, before segment {following.segment}")
        if (later := _later_group(data, offset, header.seed)) is not None:
            raise _damage(number, offset, f"{reason}, before a valid group at {later}")
        if following is None:
            torn = len(data.rstrip(b"\x00")) - end
            state.torn = max(torn, 0)
            if state.group < self._superseded:
                raise _damage(number, offset, f"{reason}, but the segment it was copied from has more")
        state.segments.append(Segment(number, header.sequence, end, len(data)))
        return data

    def check_complete(self, mark: Mark | None, acknowledged: int) -> None:
        """Nothing may be missing that was told to be durable or acknowledged."""
        state = self._state
        number, end = (state.segments[-1].number, state.segments[-1].end) if state.segments else (0, 0)
        if mark is not None and (mark.group >= state.group or mark.sequence > state.sequence):
            raise _damage(
                number, end, f"ends before group {state.group}, the mark says that {mark.group} is durable"
            )
        if acknowledged > state.sequence:
            raise _damage(
                number, end, f"ends before entry {state.sequence}, the log acknowledged up to {acknowledged}"
            )

    def _group(self, number: int, data: bytes, group: Group) -> None:
        state = self._state
        try:
            for frame in read_frames(data, group):
                content = data[frame.start : frame.end]
                if frame.type == REQUEST_FRAME:
                    request = decode_request(content)
                    state.requests[request.ticket] = request
                    state.tickets = max(state.tickets, request.ticket)
                else:
                    self._record(content)
        except FormatError as error:
            raise _damage(number, group.start, str(error)) from error
        state.group += 1
        state.groups += 1

    def _record(self, content: bytes) -> None:
        state = self._state
        ticket, record = decode_record(content)
        entry, _ = split_record(record)
        head = read_entry_head(entry)
        if head.journal != self._journal_id:
            raise FormatError("entry: of another journal")
        if head.sequence != state.sequence:
            raise FormatError(f"entry: sequence {head.sequence} in place of {state.sequence}")
        if head.chain != state.chain:
            raise FormatError(f"entry {head.sequence}: its chain is not the previous entry's hash")
        state.sequence += 1
        state.chain = sha256(b"\x00" + entry).digest()
        state.epoch = max(state.epoch, head.epoch)
        if ticket:
            state.tickets = max(state.tickets, ticket)
            state.requests.pop(ticket, None)

    def _read(self, number: int, length: int | None) -> bytes:
        fd = self._disk.open(self._directory / segment_name(number), os.O_RDONLY)
        try:
            return read_all(self._disk, fd, self._disk.size(fd) if length is None else length)
        finally:
            self._disk.close(fd)


def _later_group(data: bytes, offset: int, seed: bytes) -> int | None:
    """The offset of a valid group at or after `offset`: what is bad before it was durable once."""
    at = data.find(GROUP_MAGIC, offset)
    while at >= 0:
        if at % ALIGNMENT == 0 and isinstance(read_group(data, at, seed), Group):
            return at
        at = data.find(GROUP_MAGIC, at + 1)
    return None


def _damage(segment: int, offset: int, reason: str) -> JournalDamaged:
    return JournalDamaged(f"segment {segment_name(segment)}, offset {offset}: {reason}")


def _copy_last(
    directory: Path,
    disk: Disk,
    state: Recovered,
    header: SegmentHeader,
    data: bytes,
    segment_bytes: int,
    room: int,
    clock: Callable[[], int],
) -> None:
    """Copy the surviving groups to a fresh segment with the next number, at the same offsets.

    The page cache of the old one may hold what a failed sync never wrote: the copy is synced anew.
    """
    last = state.segments[-1]
    fresh = replace(header, segment=last.number + 1, created=clock())
    size = max(segment_bytes, align(last.end) + room)
    _write_segment(directory, disk, (fresh.encode(), data[HEADER_SIZE : last.end]), size, fresh.segment)
    state.segments[-1] = Segment(fresh.segment, header.sequence, last.end, size)
    state.seed = header.seed


def _create_first(
    directory: Path,
    journal_id: bytes,
    disk: Disk,
    state: Recovered,
    segment_bytes: int,
    clock: Callable[[], int],
    random: Callable[[int], bytes],
) -> None:
    header = SegmentHeader(1, journal_id, 1, 0, ZERO_HASH, 0, clock(), 0, random(SEED_SIZE))
    _write_segment(directory, disk, (header.encode(),), segment_bytes, 1)
    state.segments.append(Segment(1, 0, HEADER_SIZE, segment_bytes))
    state.seed = header.seed


def _write_segment(directory: Path, disk: Disk, content: tuple[bytes, ...], size: int, number: int) -> None:
    fd = disk.open(directory / COPY_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(disk, fd, content, 0)
        write_zeros(disk, fd, sum(map(len, content)), size)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(directory / COPY_NAME, directory / segment_name(number))
    disk.sync_directory(directory)
