"""A small memory-mapped ring by which a gateway tells the sidecar which records belong to sampled requests.

    header   magic "AFTRACE1" ‖ slots:u64 ‖ written:u64 ‖ zero:40
    slot     ticket:u64 ‖ trace id:16 ‖ span id:8 ‖ crc32c:u32 of the 32 bytes before ‖ zero:4

Put number n (from 1) is in slot (n − 1) mod slots; `written` is the last n. A request's ticket is in its record's entry
(key 22), so the record itself says nothing of traces. The ring is a hint: it is never synced, newer puts overwrite
older ones, and what cannot be read is passed over. Nobody's record waits for it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final

import google_crc32c

from audit.files import make_directory

from .context import Context

MAGIC: Final = b"AFTRACE1"
SLOTS: Final = 4096
_HEADER: Final = Struct(">8sQQ40x")
_BODY: Final = Struct(">Q16s8s")
_SLOT: Final = Struct(">Q16s8sI4x")
_WRITTEN: Final = Struct(">Q")
_AT: Final = 16
"""Where `written` stands."""
SIZE: Final = _HEADER.size + SLOTS * _SLOT.size


def place(data: Path, journal: bytes) -> Path:
    """The ring of a journal, by its id."""
    return data / "traces" / journal.hex()


class RingWriter:
    """The gateway's end; one for each journal."""

    def __init__(self, path: Path) -> None:
        """Opens the ring, or makes it; one that is no ring of this form is begun anew.

        Raises:
            OSError: the disk does not take it.
        """
        make_directory(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SIZE)
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        magic, slots, self._written = _HEADER.unpack_from(self._map)
        if (magic, slots) != (MAGIC, SLOTS):
            self._written = 0
            _HEADER.pack_into(self._map, 0, MAGIC, SLOTS, 0)

    def put(self, ticket: int, context: Context) -> None:
        """Say that the request of this ticket is sampled. MUST come before its record is given to the journal."""
        body = _BODY.pack(ticket, context.trace, context.span)
        at = _HEADER.size + self._written % SLOTS * _SLOT.size
        _SLOT.pack_into(self._map, at, ticket, context.trace, context.span, google_crc32c.value(body))
        self._written += 1
        # Behind the slot: who sees the number finds the slot whole, or one that was overwritten since.
        _WRITTEN.pack_into(self._map, _AT, self._written)

    def close(self) -> None:
        """Let go."""
        self._map.close()


class RingReader:
    """The sidecar's end: sees what was put since it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError: there is none, or none of this form (yet)."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
        magic, slots, self._seen = _HEADER.unpack_from(self._map)
        if (magic, slots) != (MAGIC, SLOTS):
            self._map.close()
            raise ValueError(f"{path} is no ring of traces")
        # What was put before this: its records may wait to be shipped, too.
        self._seen = max(0, self._seen - SLOTS)

    def fresh(self) -> Iterator[tuple[int, Context]]:
        """Ticket and context of what was put since the last look; empty, and next to free, when there is nothing."""
        (written,) = _WRITTEN.unpack_from(self._map, _AT)
        if written == self._seen:
            return
        if written < self._seen:  # begun anew
            self._seen = 0
        for number in range(max(self._seen, written - SLOTS), written):
            at = _HEADER.size + number % SLOTS * _SLOT.size
            raw = self._map[at : at + _SLOT.size]
            ticket, trace, span, checksum = _SLOT.unpack(raw)
            if google_crc32c.value(raw[: _BODY.size]) == checksum and any(trace) and any(span):
                yield ticket, Context(trace, span)
        self._seen = written

    def close(self) -> None:
        """Let go."""
        self._map.close()
