"""A small memory-mapped file by which one process tells others how far it has come.

    version:u64 ‖ first:u64 ‖ second:u64 ‖ third:u64 ‖ tag:16 ‖ zero:4
    ‖ crc32c:u32 of the 52 bytes before ‖ version:u64

64 bytes. It is rewritten in place by one writer and never synced by itself: after a crash of the machine it
may be old, never ahead of what was durable when it was written.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import google_crc32c

from .errors import AuditError

SIZE: Final = 64
_BODY: Final = struct.Struct(">QQQQ16s4x")
_TAIL: Final = struct.Struct(">IQ")
_ATTEMPTS: Final = 200
_PAUSE: Final = 0.001


class MarkUnreadable(AuditError):  # noqa: N818 — says what happened
    """The file never showed a whole value: foreign, truncated, or left half-written by a crash."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Three numbers and a tag; what they mean is their file's business."""

    first: int
    second: int
    third: int
    tag: bytes = bytes(16)

    def encode(self, version: int) -> bytes:
        """64 bytes; `version` is even, positive and greater than the one before."""
        return seal(_BODY.pack(version, self.first, self.second, self.third, self.tag))


def seal(body: bytes) -> bytes:
    """52 bytes that begin with the version → 64 bytes: a checksum of them, and the version once more."""
    return body + _TAIL.pack(google_crc32c.value(body), int.from_bytes(body[:8], "big"))


def whole(raw: bytes) -> bool:
    """Whether the bytes are what `seal` gives; not when they are half-written, torn or still zero."""
    if len(raw) != SIZE:
        return False
    checksum, again = _TAIL.unpack_from(raw, SIZE - _TAIL.size)
    version = int.from_bytes(raw[:8], "big")
    return bool(
        version == again
        and version % 2 == 0
        and version > 0
        and checksum == google_crc32c.value(raw[: SIZE - _TAIL.size])
    )


class MarkWriter:
    """The one writer of a mark."""

    def __init__(self, path: Path) -> None:
        """Create or open the file; its content stays as it is until `write`.

        Raises:
            OSError: the disk does not take it; what a failure here leaves is made anew by the next writer.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(descriptor).st_size != SIZE:
                # Written, not only made long: storing into a hole of a mapped file on a full disk is SIGBUS.
                os.ftruncate(descriptor, 0)
                if os.pwrite(descriptor, bytes(SIZE), 0) != SIZE:
                    raise OSError(errno.ENOSPC, "short write", str(path))
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        # A version left behind by an earlier writer must not come again with another content.
        self._version = (int.from_bytes(self._map[:8], "big") + 2) & ~1

    def write(self, mark: Mark) -> None:
        """Publish: one copy of 64 bytes. Who reads half of it sees unequal versions or a bad checksum."""
        self._version += 2
        self._map[:] = mark.encode(self._version)

    def close(self) -> None:
        """Unmap."""
        self._map.close()


class MarkReader:
    """Any number of readers, in any process."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            FileNotFoundError: it is not there yet.
            MarkUnreadable: it is too short to be one.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < SIZE:
                raise MarkUnreadable(f"{path}: shorter than {SIZE} bytes")
            self._map = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
        self._path = path

    def read(self, pause: Callable[[float], None] = time.sleep) -> Mark:
        """The newest value.

        Raises:
            MarkUnreadable: no whole value was seen in 200 looks, a millisecond apart.
        """
        for _ in range(_ATTEMPTS):
            mark = parse(self._map[:])
            if mark is not None:
                return mark
            pause(_PAUSE)
        raise MarkUnreadable(f"{self._path}: no whole value")

    def close(self) -> None:
        """Unmap."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse(raw: bytes) -> Mark | None:
    """The mark, or None when the bytes are a half-written or no mark."""
    if not whole(raw):
        return None
    _, first, second, third, tag = _BODY.unpack_from(raw)
    return Mark(first, second, third, tag)


def read_mark(path: Path) -> Mark | None:
    """The mark in `path`, or None when there is no file yet.

    Raises:
        MarkUnreadable: there is a file, and no whole value in it.
    """
    try:
        with MarkReader(path) as reader:
            return reader.read()
    except FileNotFoundError:
        return None
