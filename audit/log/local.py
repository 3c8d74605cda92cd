"""The `local` log: a directory of partitions, each a sequence of segment files.

    topic.json              {"format":1,"name":…,"id":hex,"partitions":n,"created":ms}; written once. A copy of
                            another log (copy.py) has "copy_of": its backend, and the id is that log's
    <partition>/lock        flock(2) of the one writer
    <partition>/end         mark (audit/mark.py): next offset, base offset of the last segment, bytes in it
    <partition>/%020d.log   frames; the name is the offset of the first

The frames are in frames.py. The mark moves after fdatasync: readers do not read past it. A crash leaves whole
frames past the mark, which the next writer keeps, and at most one torn group, which it cuts.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from audit.errors import LogDamaged, LogUnavailable, NoSuchTopic
from audit.files import make_directory, parse_json, sync_directory, write_once
from audit.mark import Mark, MarkUnreadable, MarkWriter, read_mark

from .base import Delivered, Finding, Headers, LogEntry, Topic
from .frames import encode_frame, frames, seek, segments, translated
from .local_reader import LocalReader

SEGMENT_BYTES: Final = 64 << 20
WAITING_BYTES: Final = 64 << 20
_ID_SIZE: Final = 16
MOST_PARTITIONS: Final = 100_000
"""More is no topic that anybody made."""


class LocalLog:
    """A topic in a directory."""

    def __init__(
        self,
        directory: Path,
        name: str,
        partitions: int = 1,
        *,
        create: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open; the directory and its topic.json are made when absent, if `create`. Who only reads MUST NOT make them.

        Raises:
            LogUnavailable: the disk does not take them.
        """
        self._directory = directory
        self._name = name
        self._clock = clock
        if create:
            _create(directory, {"name": name, "id": os.urandom(16).hex(), "partitions": partitions}, clock)

    @classmethod
    def copy(cls, directory: Path, of: Topic, clock: Callable[[], int] = time.time_ns) -> LocalLog:
        """A directory that holds another log's entries; made when absent.

        Raises:
            LogUnavailable: the disk does not take it, or it is another log's copy.
        """
        told = {"name": of.name, "id": of.id.hex(), "partitions": of.partitions, "copy_of": of.backend}
        _create(directory, told, clock)
        found = cls(directory, of.name, create=False, clock=clock)
        if found.topic() != of:
            raise LogUnavailable(
                f"{directory}: is the copy of topic {found.topic().id.hex()}, and the log is {of.id.hex()} now; "
                "whoever means that removes the copy"
            )
        return found

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._directory

    def topic(self) -> Topic:
        """See `Log.topic`."""
        path = self._directory / "topic.json"
        try:
            topic = _parse_topic(path.read_bytes())
        except FileNotFoundError as error:
            raise NoSuchTopic(
                f"{self._directory}: there is no log yet; `affiant sidecar` (or `affiant up`) makes it"
            ) from error
        except (OSError, ValueError) as error:
            raise LogUnavailable(f"{path}: not a topic of a local log ({error})") from error
        if topic.name != self._name:
            raise LogUnavailable(f"{path}: holds topic {topic.name!r}, the settings say {self._name!r}")
        return topic

    def writer(self, partition: int) -> LocalWriter:
        """See `Log.writer`.

        Raises:
            LogUnavailable: another process writes this partition.
            LogDamaged: what was durable is not there any more; nothing was changed.
        """
        directory = self._partition(partition)
        with translated(directory):
            return LocalWriter(directory, self._clock)

    def reader(self) -> LocalReader:
        """See `Log.reader`."""
        return LocalReader(self._directory, self.topic())

    def check(self) -> list[Finding]:
        """See `Log.check`: a directory has nothing to set, but it is one disk."""
        self.topic()
        return [
            Finding("replication", "1", "3", "a local log is one disk; it dies with it", fatal=False),
        ]

    def _partition(self, partition: int) -> Path:
        if not 0 <= partition < self.topic().partitions:
            raise LogUnavailable(f"{self._directory}: has no partition {partition}")
        return self._directory / str(partition)


def _create(directory: Path, told: dict[str, object], clock: Callable[[], int]) -> None:
    created = {"format": 1, **told, "created": clock() // 1_000_000}
    with translated(directory):
        make_directory(directory)
        write_once(directory / "topic.json", json.dumps(created).encode())


def _parse_topic(raw: bytes) -> Topic:
    """Raises ValueError."""
    content = parse_json(raw)
    match content:
        case {"format": 1, "name": str(name), "id": str(identity), "partitions": int(partitions)}:
            topic = Topic(str(content.get("copy_of", "local")), name, bytes.fromhex(identity), partitions)
            if len(topic.id) == _ID_SIZE and 1 <= partitions <= MOST_PARTITIONS and partitions is not True:
                return topic
    raise ValueError(
        f"want format 1, a name, an id of {_ID_SIZE} bytes and 1 to {MOST_PARTITIONS} partitions"
    )


class LocalWriter:
    """One writer: a thread writes everything that waits, syncs once, and moves the mark."""

    def __init__(self, directory: Path, clock: Callable[[], int]) -> None:
        make_directory(directory)
        self._directory = directory
        self._clock = clock
        self._lock = _lock(directory / "lock")
        try:
            mark = _read_end(directory)  # before it is made: a new one is read as half-written, after a while
            self._mark = MarkWriter(directory / "end")
            try:
                self._next, self._base, self._size, self._file = self._recover(mark)
            except BaseException:
                self._mark.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise
        self._publish()
        self._changed = threading.Condition()
        self._waiting: list[tuple[bytes | None, bytes, int | None]] = []
        self._waiting_bytes = 0
        self._count = 0
        self._failed: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"local log {directory.name}", daemon=True)
        self._thread.start()

    def send(self, value: bytes, key: bytes, headers: Headers = ()) -> None:
        """See `LogWriter.send`: a directory has no place for headers."""
        self._take(value, key, None)

    def send_copy(self, entry: LogEntry) -> None:
        """Take an entry of another log with its time; its offset MUST be the next one.

        Raises:
            LogUnavailable: as `send`.
        """
        self._take(entry.value, entry.key or b"", entry.timestamp)

    def _take(self, value: bytes | None, key: bytes, timestamp: int | None) -> None:
        with self._changed:
            while self._waiting_bytes > WAITING_BYTES and self._failed is None:
                self._changed.wait()
            self._raise_failed()
            self._waiting.append((value, key, timestamp))
            self._waiting_bytes += len(value or b"")
            self._changed.notify_all()

    def delivered(self) -> Delivered:
        """See `LogWriter.delivered`."""
        with self._changed:
            self._raise_failed()
            return Delivered(self._count, self._next - 1)

    def wait(self, timeout: float) -> None:
        """See `LogWriter.wait`."""
        with self._changed:
            if self._failed is None:
                self._changed.wait(timeout)

    def close(self) -> None:
        """See `LogWriter.close`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._file.close()
        self._mark.close()
        os.close(self._lock)

    def _raise_failed(self) -> None:
        if self._failed is not None:
            raise LogUnavailable(f"{self._directory}: {self._failed}") from self._failed

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._waiting and not self._closing:
                        self._changed.wait()
                    batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
                if not batch:
                    return
                self._append(batch)
        except Exception as error:  # noqa: BLE001 — told to whoever sends or asks next
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _append(self, batch: list[tuple[bytes | None, bytes, int | None]]) -> None:
        """Write, sync, move the mark: in this order. A crash before the mark moves leaves frames past it."""
        if self._size >= SEGMENT_BYTES:
            self._roll()
        now = self._clock() // 1_000_000
        data = b"".join(
            encode_frame(offset, now if timestamp is None else timestamp, key, value)
            for offset, (value, key, timestamp) in enumerate(batch, self._next)
        )
        _write(self._file, data, self._size)
        os.fdatasync(self._file.fileno())
        with self._changed:
            self._size += len(data)
            self._next += len(batch)
            self._count += len(batch)
            self._publish()
            self._changed.notify_all()

    def _publish(self) -> None:
        self._mark.write(Mark(self._next, self._base, self._size))

    def _roll(self) -> None:
        """The next segment. A crash here leaves an empty file with the right name, which recovery takes."""
        self._file.close()
        self._base, self._size = self._next, 0
        self._file = _open_segment(self._directory, self._base)

    def _recover(self, mark: Mark | None) -> tuple[int, int, int, IO[bytes]]:
        """Next offset, base and size of the last segment, and its file open at its end.

        Whole frames past the mark were written before the crash and are kept; what follows them is cut.
        They are written once more: after a failed sync the page cache shows them as clean although the disk
        never took them, and a sync alone would promise what is not there.
        """
        known = segments(self._directory)
        base = known[-1][0] if known else 0
        if len(known) > 1:
            seek(known[-2][1], base - 1)  # it was whole when this one was begun: no gap between them
        file = _open_segment(self._directory, base)
        try:
            following, end = self._repair(file, base, mark)
        except BaseException:
            file.close()
            raise
        return following, base, end, file

    def _repair(self, file: IO[bytes], base: int, mark: Mark | None) -> tuple[int, int]:
        """Make the last segment end behind its last whole frame, durably; next offset, and bytes."""
        data = file.read()
        following, end = base, 0
        for entry, place in frames(data, 0, len(data)):
            if entry.offset != following:
                break
            following, end = following + 1, place
        if mark is not None and mark.first > following:
            raise LogDamaged(
                f"{self._directory}: damaged at byte {end} of {base:020d}.log (offset {following}); "
                f"offsets up to {mark.first - 1} were durable. Nothing was changed"
            )
        durable = mark.third if mark is not None and mark.second == base else 0
        if durable < end:
            file.seek(durable)
            _write(file, data[durable:end], durable)
        file.truncate(end)
        os.fsync(file.fileno())
        file.seek(end)
        return following, end


def _open_segment(directory: Path, base: int) -> IO[bytes]:
    """Open for reading and writing, unbuffered; its name is synced into the directory.

    Also when it is there already: who made it may have died in between.
    """
    path = directory / f"{base:020d}.log"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        sync_directory(directory)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "r+b", buffering=0)


def _write(file: IO[bytes], data: bytes, position: int) -> None:
    """Write all of it, or fail: a short write comes before an error, which the next attempt would meet."""
    written = file.write(data)
    if written != len(data):
        raise OSError(errno.ENOSPC, f"short write at {position}: {written} of {len(data)} bytes")


def _read_end(directory: Path) -> Mark | None:
    """The mark; None when it is new, or was half-written by a crash: the frames themselves tell."""
    try:
        return read_mark(directory / "end")
    except MarkUnreadable:
        return None


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LogUnavailable(f"{path.parent}: another process writes this partition") from error
    return descriptor
