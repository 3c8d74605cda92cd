"""The files of a partition of the `local` log: frames, one behind the other, in segments named by their first offset.

    frame = length:u32 ‖ crc32c:u32 ‖ offset:u64 ‖ timestamp:u64 ms ‖ key length:u16 ‖ key ‖ value

`length` counts what follows the checksum, which covers it. The timestamp's highest bit is set of an entry without a
value, which only a copy of another log has (copy.py).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import google_crc32c

from audit.errors import LogDamaged, LogUnavailable

from .base import LogEntry

HEAD: Final = struct.Struct(">II")
FIXED: Final = struct.Struct(">QQH")
_NO_VALUE: Final = 1 << 63
_HEADER: Final = struct.Struct(">IIQ")
"""A frame's first fields, up to its offset."""
_STRIDE: Final = 256 << 10
"""Bytes read at once while looking for a frame: many small ones, or little of a large one."""
_SEGMENT: Final = re.compile(r"0[0-9]{19}\.log", re.ASCII)


def encode_frame(offset: int, timestamp: int, key: bytes, value: bytes | None) -> bytes:
    """One frame."""
    if value is None:
        timestamp, value = timestamp | _NO_VALUE, b""
    body = b"".join((FIXED.pack(offset, timestamp, len(key)), key, value))
    return HEAD.pack(len(body), google_crc32c.value(body)) + body


def decode_frame(data: bytes | memoryview, start: int, end: int) -> tuple[LogEntry, int] | None:
    """The entry at `start` and where the next one begins; None when the frame is not whole or not right."""
    if start + HEAD.size + FIXED.size > end:
        return None
    length, checksum = HEAD.unpack_from(data, start)
    first = start + HEAD.size
    if length < FIXED.size or first + length > end:
        return None
    body = bytes(data[first : first + length])
    if google_crc32c.value(body) != checksum:
        return None
    offset, timestamp, size = FIXED.unpack_from(body)
    if FIXED.size + size > length:
        return None
    place = FIXED.size + size
    key, value = body[FIXED.size : place], body[place:]
    if timestamp & _NO_VALUE:
        return LogEntry(offset, timestamp ^ _NO_VALUE, key, None), first + length
    return LogEntry(offset, timestamp, key, value), first + length


def frames(data: bytes, start: int, end: int) -> Iterator[tuple[LogEntry, int]]:
    """Entries from `start` on, each with the place behind it, up to the first that is not whole or not right."""
    while (found := decode_frame(data, start, end)) is not None:
        yield found
        start = found[1]


def segments(directory: Path) -> list[tuple[int, Path]]:
    """(base offset, path) of a partition's segments, in order. What has another name is none."""
    return sorted((int(path.stem), path) for path in directory.glob("*.log") if _SEGMENT.fullmatch(path.name))


def seek(path: Path, offset: int) -> int:
    """The position of the frame with that offset, by the headers; bodies are not looked at.

    A full segment has a hundred thousand frames, and each command that opens a log looks for its end: so the way from
    one frame to the next has as little in it as can be.
    """
    unpack, head = _HEADER.unpack_from, _HEADER.size
    start = at = 0
    with path.open("rb", buffering=0) as file:
        while True:
            file.seek(start)
            part = file.read(_STRIDE)
            last = len(part) - head
            if last < 0:
                break
            while at <= last:
                length, _, found = unpack(part, at)
                if found == offset:
                    return start + at
                if found > offset or length < FIXED.size:
                    raise _misplaced(path, start + at, offset)
                at += HEAD.size + length
            start, at = start + at, 0
    raise _misplaced(path, start, offset)


def _misplaced(path: Path, position: int, offset: int) -> LogDamaged:
    return LogDamaged(f"{path}: damaged before byte {position}: offset {offset} is not where it should be")


@contextmanager
def translated(directory: Path) -> Iterator[None]:
    """The disk's errors become the log's, with the cause kept."""
    try:
        yield
    except OSError as error:
        raise LogUnavailable(f"{directory}: {error}") from error
