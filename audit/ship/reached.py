"""How far a journal has come: acknowledged by the log, sealed by the notary. The gateway reads it and frees segments.

One mark each (`audit.mark`), under the journal's shipping directory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from audit.files import make_directory
from audit.mark import Mark, MarkUnreadable, MarkWriter, read_mark

ACKNOWLEDGED: Final = "acknowledged"
"""Every entry below the sequence is in the log."""
SEALED: Final = "sealed"
"""Every entry below the sequence is under a checkpoint that the notary signed."""


class Reached(NamedTuple):
    """It holds of every entry below `sequence`; `offset` is the first one that was not looked at yet."""

    sequence: int
    offset: int


def read_reached(directory: Path, file: str) -> Reached | None:
    """None before the first time, or when a crash left half a file: looking again finds out."""
    try:
        mark = read_mark(directory / file)
    except MarkUnreadable:
        return None
    return None if mark is None else Reached(mark.first, mark.second)


class ReachedWriter:
    """The sidecar's side. MUST be told only what holds: segments are removed by it."""

    def __init__(
        self, directory: Path, file: str, shipper: bytes, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """`shipper` is the 16-byte id of this run of the sidecar."""
        make_directory(directory)
        self._path = directory / file
        self._writer = MarkWriter(self._path)
        self._shipper = shipper
        self._clock = clock

    def write(self, reached: Reached) -> None:
        """Publish to other processes at once."""
        self._writer.write(Mark(reached.sequence, reached.offset, self._clock(), self._shipper))

    def sync(self) -> None:
        """Make it durable: done at the end of a run. Without it the next run only looks further back."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap."""
        self._writer.close()
