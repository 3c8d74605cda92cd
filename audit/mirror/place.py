"""How far a journal is mirrored: kept over restarts.

    <shipping>/mirrored     a mark (`audit.mark`): next sequence, 0, when; tagged with the journal's id

Never synced: a power failure may leave an old one, and then entries are sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.files import make_directory
from audit.mark import Mark, MarkUnreadable, MarkWriter, read_mark

FILE: Final = "mirrored"


def read_place(shipping: Path, journal: bytes) -> int | None:
    """Every entry below this sequence was acknowledged by a receiver, or told to it as freed.

    None before the first time, of another journal's file, or when a crash left half a file.
    """
    try:
        mark = read_mark(shipping / FILE)
    except MarkUnreadable:
        return None
    return mark.first if mark is not None and mark.tag == journal else None


class PlaceWriter:
    """The mirror's side."""

    def __init__(self, shipping: Path, journal: bytes, clock: Callable[[], int] = time.time_ns) -> None:
        make_directory(shipping)
        self._writer = MarkWriter(shipping / FILE)
        self._journal = journal
        self._clock = clock

    def write(self, sequence: int) -> None:
        """MUST be called after the receiver has acknowledged what it tells of."""
        self._writer.write(Mark(sequence, 0, self._clock(), self._journal))

    def close(self) -> None:
        """Unmap."""
        self._writer.close()
