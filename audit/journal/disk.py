"""Every syscall of the journal, behind one protocol: tests can stand a simulated disk in its place."""

# ruff: noqa: D102, PTH104, PTH108, PTH208 — the protocol documents its methods; RealDisk is the bare syscalls

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from audit.errors import JournalLocked

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
PRIVATE: Final = 0o600
# The sidecar may run as another user of the same group: it reads segments, and never the key.
SHARED: Final = 0o640
_ZEROS: Final = bytes(1 << 20)


class Mapping(Protocol):
    """A few bytes of a file, mapped into memory and shared with other processes."""

    def load(self) -> bytes:
        """All mapped bytes. They may be half-written: the caller MUST check them."""

    def store(self, data: bytes) -> None:
        """Replace all mapped bytes. Not synced: after a power failure an older content may be there."""

    def close(self) -> None:
        """Unmap."""


class Disk(Protocol):
    """The syscalls that the journal makes. One method a syscall, hence more than the usual four.

    Every method raises OSError as the syscall does. Nothing is durable before `sync` (a file's content) or
    `sync_directory` (creations, renames, removals in it) has returned.
    """

    def open(self, path: Path, flags: int, mode: int = SHARED) -> int:
        """A descriptor; `mode` is that of a file that is created."""

    def close(self, fd: int) -> None:
        """Close a descriptor."""

    def size(self, fd: int) -> int:
        """The file's length in bytes."""

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        """At most `length` bytes; fewer at the file's end."""

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Bytes written, which may be fewer than given."""

    def sync(self, fd: int) -> None:
        """fdatasync(2). After an error the descriptor MUST NOT be trusted again."""

    def sync_directory(self, path: Path) -> None:
        """fsync(2) of a directory."""

    def rename(self, source: Path, target: Path) -> None:
        """Atomic within a directory; durable after `sync_directory`."""

    def unlink(self, path: Path) -> None:
        """Durable after `sync_directory`."""

    def list(self, path: Path) -> list[str]:
        """Names in a directory; empty when it does not exist."""

    def is_directory(self, path: Path) -> bool:
        """Whether there is a directory of that name."""

    def make_directory(self, path: Path) -> None:
        """mkdir(2); durable after `sync_directory` of the one above it, which MUST be there."""

    def mode(self, fd: int) -> int:
        """Permission bits of an open file."""

    def lock(self, fd: int) -> None:
        """flock(2), exclusive, until the descriptor is closed. Raises JournalLocked."""

    def map(self, fd: int, length: int, *, writable: bool) -> Mapping:
        """Map the first `length` bytes, which MUST be there."""


class _Mapped:
    """`Mapping` over mmap(2)."""

    def __init__(self, fd: int, length: int, access: int) -> None:
        self._map = mmap.mmap(fd, length, access=access)

    def load(self) -> bytes:
        return self._map[:]

    def store(self, data: bytes) -> None:
        self._map[:] = data

    def close(self) -> None:
        self._map.close()


class RealDisk:
    """`Disk` over the operating system."""

    def open(self, path: Path, flags: int, mode: int = SHARED) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        os.close(fd)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        return os.pwritev(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def sync_directory(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def list(self, path: Path) -> list[str]:
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def is_directory(self, path: Path) -> bool:
        return path.is_dir()

    def make_directory(self, path: Path) -> None:
        path.mkdir()

    def mode(self, fd: int) -> int:
        return os.fstat(fd).st_mode & 0o777

    def lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalLocked("another process writes this journal") from error

    def map(self, fd: int, length: int, *, writable: bool) -> Mapping:
        return _Mapped(fd, length, mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)


REAL_DISK: Final[Disk] = RealDisk()


def write_all(disk: Disk, fd: int, buffers: Sequence[bytes], offset: int) -> None:
    """Write every byte, going on after short writes.

    Raises:
        OSError: as pwritev does; what was written before it is not undone.
    """
    written = disk.pwritev(fd, buffers, offset)
    total = sum(map(len, buffers))
    if written == total:
        return
    data = b"".join(buffers)
    while written < total:
        count = disk.pwritev(fd, (data[written:],), offset + written)
        if count <= 0:
            raise OSError(errno.EIO, "pwritev wrote nothing")
        written += count


def write_zeros(disk: Disk, fd: int, start: int, end: int) -> None:
    """Fill with written zeros: blocks that exist need no metadata when they are synced later."""
    while start < end:
        count = min(len(_ZEROS), end - start)
        write_all(disk, fd, (_ZEROS if count == len(_ZEROS) else _ZEROS[:count],), start)
        start += count


def read_all(disk: Disk, fd: int, length: int, offset: int = 0) -> bytes:
    """`length` bytes, or fewer only where the file ends."""
    parts: list[bytes] = []
    while length > 0:
        part = disk.pread(fd, length, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_file(disk: Disk, path: Path, limit: int) -> bytes | None:
    """A small file's content, at most `limit` bytes of it; None when it does not exist."""
    try:
        fd = disk.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return read_all(disk, fd, limit)
    finally:
        disk.close(fd)


def create_file(disk: Disk, path: Path, content: bytes, mode: int = SHARED) -> None:
    """Create a small file, whole or not at all: written beside, synced, then renamed.

    A crash before the rename leaves `NAME.new`, which the next call replaces.
    """
    beside = path.with_name(path.name + ".new")
    if beside.name in disk.list(path.parent):
        disk.unlink(beside)
    fd = disk.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        write_all(disk, fd, (content,), 0)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(beside, path)
    disk.sync_directory(path.parent)
