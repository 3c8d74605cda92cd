"""How far the log has acknowledged a journal; the gateway frees segments and releases answers by it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.mark import Mark, MarkUnreadable, MarkWriter, read_mark

FILE: Final = "acknowledged"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Every entry below `sequence` is in the log; `offset` is the first one that was not looked at yet."""

    sequence: int
    offset: int


def read_acknowledged(directory: Path) -> Acknowledged | None:
    """None before the first acknowledgement, or when a crash left half a file: the barrier finds out."""
    try:
        mark = read_mark(directory / FILE)
    except MarkUnreadable:
        return None
    return None if mark is None else Acknowledged(mark.first, mark.second)


class AcknowledgedWriter:
    """The sidecar's side. MUST be told only what the log has acknowledged."""

    def __init__(self, directory: Path, shipper: bytes, clock: Callable[[], int] = time.time_ns) -> None:
        """`shipper` is the 16-byte id of this run of the sidecar."""
        directory.mkdir(parents=True, exist_ok=True)
        self._writer = MarkWriter(directory / FILE)
        self._shipper = shipper
        self._clock = clock
        self._path = directory / FILE

    def write(self, acknowledged: Acknowledged) -> None:
        """Publish to other processes at once."""
        self._writer.write(Mark(acknowledged.sequence, acknowledged.offset, self._clock(), self._shipper))

    def sync(self) -> None:
        """Make it durable: done at the end of a run. Without it the next run only scans further back."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap."""
        self._writer.close()
