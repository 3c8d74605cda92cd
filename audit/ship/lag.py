"""How far shipping and sealing are behind: asked of the journal itself, so that it is true also while nothing moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audit.errors import JournalError
from audit.journal import JournalReader, Mark, Position
from audit.proof.entry import Key, parse_entry
from audit.proof.record import split_record


class Reaching(Protocol):
    """Something that goes through a journal: its shipper, or who proves that it is sealed."""

    def reached(self) -> tuple[int, Position | None]:
        """Everything below that sequence is done; the place behind it in the journal, where it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Lag:
    """What is durable and not done.

    `records` and `bytes` of them; headers, group heads and padding are counted: it is what stands on the
    disk. `oldest` is when the first of them was committed, in ns since 1970 UTC; None when there is none, or
    when it cannot be read: then this journal has an alarm.
    """

    records: int
    bytes: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class _First:
    """The first of these records, and the start of its group."""

    sequence: int
    committed: int
    position: Position


class LagWatch:
    """Watches one journal and how far one goes through it, from another thread."""

    def __init__(self, directory: Path, progress: Reaching) -> None:
        """`directory` is the journal's."""
        self._directory = directory
        self._progress = progress
        self._first: _First | None = None

    def lag(self) -> Lag:
        """Now. Looks into the journal only when something is behind, and once for each record that is first."""
        mark = JournalReader(self._directory).mark()
        # Read after the mark: a lag that is told was there.
        sequence, position = self._progress.reached()
        if mark is None or mark.sequence <= sequence:
            return Lag(0, 0, None)
        first = self._find(sequence, position)
        place = position if first is None else first.position
        return Lag(
            mark.sequence - sequence,
            bytes_behind(self._directory, place, mark),
            None if first is None else first.committed,
        )

    def _find(self, sequence: int, place: Position | None) -> _First | None:
        known = self._first
        if known is not None and known.sequence == sequence:
            return known
        start = place if place is not None and place.sequence == sequence else None
        reader = JournalReader(self._directory, start)
        try:
            if start is None:
                reader.seek(sequence)
            records = reader.read(1)
        except JournalError:
            # Freed in between, so it was done meanwhile; or damaged, which the shipper's alarm tells.
            return None
        finally:
            reader.close()
        if not records or records[0].sequence != sequence:
            return None
        entry = parse_entry(split_record(records[0].record)[0])
        self._first = _First(sequence, int(entry.fields[Key.COMMITTING]), records[0].position)
        return self._first


def bytes_behind(directory: Path, position: Position | None, mark: Mark) -> int:
    """Bytes of the journal between `position` and the durable mark; all of it without a position."""
    first, offset = (0, 0) if position is None else (position.segment, position.offset)
    if first == mark.segment:
        return max(0, mark.end - offset)
    size = mark.end - offset
    for path in directory.glob("*.seg"):
        if first <= int(path.stem, 16) < mark.segment:
            size += _size(path)
    return max(0, size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # freed in between
        return 0
