"""The journal's durable mark, which it writes, and the sidecar's marks, which it reads.

All are mapped into memory and rewritten in place, and none is synced by itself: after a crash a mark
may be old, never ahead. A reader takes a mark only when both its versions are equal and even and its
checksum holds, and otherwise reads again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from audit.mark import SIZE as MARK_SIZE
from audit.mark import parse, seal, whole

from .disk import Disk, Mapping, read_file, write_all

MARK_NAME: Final = "mark"
ACKNOWLEDGED_NAME: Final = "acknowledged"
SEALED_NAME: Final = "sealed"
# A writer is in the middle of its 64 bytes for an instant only: after this many looks, a crash tore them.
_ATTEMPTS: Final = 64

_MARK: Final = Struct(">QQQQQ12x")


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to byte `end` of `segment`, and all segments before it, is on disk.

    `group` is the last durable group, 0 before the first; `sequence` is the next one.
    """

    version: int
    group: int
    segment: int
    end: int
    sequence: int

    def encode(self) -> bytes:
        """64 bytes."""
        return seal(_MARK.pack(self.version, self.group, self.segment, self.end, self.sequence))

    @classmethod
    def decode(cls, raw: bytes) -> Mark | None:
        """None when the bytes are half-written, torn or still zero."""
        return cls(*_MARK.unpack_from(raw)) if whole(raw) else None


def read_mark(disk: Disk, path: Path) -> Mark | None:
    """The durable mark in a file; None when it is absent, still zero, or was torn by a crash."""
    for _ in range(_ATTEMPTS):
        raw = read_file(disk, path, MARK_SIZE)
        if raw is None or not any(raw):
            return None
        if (mark := Mark.decode(raw)) is not None:
            return mark
    return None


def read_reached(disk: Disk, path: Path) -> int | None:
    """The sequence below which the log has everything (`acknowledged`), or the notary has sealed everything
    (`sealed`); None when the sidecar's mark is absent or torn.
    """
    for _ in range(_ATTEMPTS):
        raw = read_file(disk, path, MARK_SIZE)
        if raw is None or not any(raw):
            return None
        if (reached := parse(raw)) is not None:
            return reached.first
    return None


class MarkFile:
    """The writer's side of the durable mark."""

    def __init__(self, disk: Disk, path: Path) -> None:
        fd = disk.open(path, os.O_RDWR | os.O_CREAT)
        try:
            if disk.size(fd) != MARK_SIZE:
                write_all(disk, fd, (bytes(MARK_SIZE),), 0)
            self._map: Mapping = disk.map(fd, MARK_SIZE, writable=True)
        finally:
            disk.close(fd)
        before = Mark.decode(self._map.load())
        self._version = before.version if before else 0

    def publish(self, group: int, segment: int, end: int, sequence: int) -> None:
        """MUST be called after the fdatasync that it tells of has returned, never before."""
        self._version += 2
        self._map.store(Mark(self._version, group, segment, end, sequence).encode())

    def close(self) -> None:
        """Unmap."""
        self._map.close()
