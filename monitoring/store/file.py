"""The monitor's state over a `local` log: one file a partition, frames behind each other.

file   = magic "AFFPANE1" ‖ topic id:16 ‖ offsets of a pane:u64 ‖ crc32c:u32 of the 32 bytes before ‖ frames
frame  = length:u32 ‖ crc32c:u32 of what follows ‖ a pane and what is after it (docs/pane-format.md, section 3)

A frame is appended and synced. A crash leaves whole frames and at most a torn one, which the next process cuts. With
twice as many frames as are to be kept, the newest are written to a new file, in the old one's place.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import google_crc32c
import structlog

from audit.errors import LogUnavailable
from audit.files import make_directory, replace_file
from audit.proof.errors import FormatError
from monitoring.panes.codec import decode_finished, encode_finished
from monitoring.panes.collector import Finished

from .base import KEEP, Restored

MAGIC: Final = b"AFFPANE1"
_HEAD: Final = struct.Struct(">8s16sQ")
_CHECK: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">II")
_MOST: Final = 1 << 30
"""Bytes of a frame: what says more is no frame."""


class FileStore:
    """In a directory, which one process has at a time."""

    def __init__(self, directory: Path, topic: bytes, size: int, *, keep: int = KEEP) -> None:
        """Make the directory, and take it.

        Args:
            directory: of this store alone.
            topic: id of the log's topic.
            size: offsets of a pane.
            keep: newest panes of a partition that are kept.

        Raises:
            LogUnavailable: another process has it, or the disk does not take it.
        """
        self._directory: Final = directory
        self._keep: Final = keep
        self._size: Final = size
        head = _HEAD.pack(MAGIC, topic, size)
        self._head: Final = head + _CHECK.pack(google_crc32c.value(head))
        self._say: Final = structlog.get_logger("monitor")
        self._files: dict[int, _File] = {}
        with _translated(directory):
            make_directory(directory)
            self._lock = _locked(directory)

    def restore(self, partition: int) -> Restored:
        """See `PaneStore.restore`."""
        with _translated(self._directory):
            file = self._files.get(partition)
            if file is None:
                path = self._directory / f"{partition}.panes"
                file = self._files[partition] = _File(path, self._head, partition, self._size)
                if file.lost:
                    self._say.warning("panes are counted again", partition=partition, reason=file.lost)
            return file.restored(self._keep)

    def put(self, partition: int, finished: Sequence[Finished]) -> None:
        """See `PaneStore.put`."""
        with _translated(self._directory):
            if partition not in self._files:
                self.restore(partition)
            self._files[partition].append([encode_finished(one) for one in finished])
            self._files[partition].shorten(self._keep)

    def close(self) -> None:
        """See `PaneStore.close`."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        os.close(self._lock)


class _File:
    """One partition's."""

    def __init__(self, path: Path, head: bytes, partition: int, size: int) -> None:
        self._path = path
        self._head = head
        self._newest: deque[bytes] = deque()
        self._end = len(head)
        self.lost = ""
        """Why something that is there does not count."""
        content = path.read_bytes() if path.exists() else b""
        if content[: len(head)] != head:
            # Replaced whole: a crash leaves the old file or the new one.
            replace_file(path, head)
            self.lost = "what is kept is of another log, or of panes of another size" if content else ""
        else:
            for body in _frames(content, len(head)):
                if not _is_of(body, partition, size):
                    break
                self._newest.append(body)
                self._end += _FRAME.size + len(body)
            if self._end < len(content):
                self.lost = f"bytes from {self._end} on are no whole panes"
        self._descriptor = self._open()

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        if os.fstat(descriptor).st_size > self._end:
            os.ftruncate(descriptor, self._end)
        return descriptor

    def restored(self, keep: int) -> Restored:
        """The newest."""
        found = [decode_finished(body) for body in list(self._newest)[-keep:]]
        return Restored(found[-1].after if found else None, tuple(one.pane for one in found))

    def append(self, bodies: Sequence[bytes]) -> None:
        """Durable when this returns; after an error nothing of it counts."""
        data = b"".join(
            part for body in bodies for part in (_FRAME.pack(len(body), google_crc32c.value(body)), body)
        )
        at = self._end
        while data:
            written = os.pwrite(self._descriptor, data, at)
            data, at = data[written:], at + written
        os.fdatasync(self._descriptor)
        self._end = at
        self._newest.extend(bodies)

    def shorten(self, keep: int) -> None:
        """Once the file has twice as many as are kept: write the newest anew."""
        if len(self._newest) < 2 * keep:
            return
        while len(self._newest) > keep:
            self._newest.popleft()
        parts = [self._head]
        for body in self._newest:
            parts += [_FRAME.pack(len(body), google_crc32c.value(body)), body]
        content = b"".join(parts)
        replace_file(self._path, content)
        # The old file has no name any more; what was to be kept is in the new one.
        os.close(self._descriptor)
        self._end = len(content)
        self._descriptor = self._open()

    def close(self) -> None:
        os.close(self._descriptor)


def _frames(data: bytes, at: int) -> Iterator[bytes]:
    """Bodies, up to the first frame that is not whole or not right."""
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if length > _MOST or len(body) < length or google_crc32c.value(body) != checksum:
            return
        yield body
        at += _FRAME.size + length


def _is_of(body: bytes, partition: int, size: int) -> bool:
    try:
        pane = decode_finished(body).pane
    except FormatError:
        return False
    return pane.partition == partition and pane.end - pane.first == size


def _locked(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LogUnavailable(f"{directory}: another monitor has the panes of this log") from error
    return descriptor


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    """The disk's errors become the log's, with the cause kept."""
    try:
        yield
    except OSError as error:
        raise LogUnavailable(f"{directory}: {error}") from error
