"""A disk in memory that knows what it has promised.

Content is durable after `sync`, names after `sync_directory`; until then each 512-byte sector and each
directory operation may or may not reach the disk, in any order, at any age. `crash` builds the disk that a
power failure at this moment could leave.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


@dataclass
class File:
    """`durable`: what a crash leaves at least; `cache`: what reads see; `dirty`: sector → versions since the sync."""

    durable: bytearray = field(default_factory=bytearray)
    cache: bytearray = field(default_factory=bytearray)
    dirty: dict[int, list[bytes]] = field(default_factory=dict)
    mode: int = 0o600

    def write(self, data: bytes, offset: int) -> None:
        """Change the cache and remember every sector version that may reach the disk from now on."""
        end = offset + len(data)
        if len(self.cache) < end:
            self.cache.extend(bytes(end - len(self.cache)))
        self.cache[offset:end] = data
        for sector in range(offset // SECTOR, -(-end // SECTOR)):
            version = bytes(self.cache[sector * SECTOR : (sector + 1) * SECTOR])
            self.dirty.setdefault(sector, []).append(version)

    def sync(self) -> None:
        """All of the cache is durable."""
        self.durable = bytearray(self.cache)
        self.dirty = {}

    def after_crash(self, keep: Callable[[list[bytes]], bytes | None]) -> File:
        """Durable content, and of each dirty sector the version that `keep` picks (None: the durable one)."""
        content = bytearray(self.durable)
        for sector, versions in self.dirty.items():
            version = keep(versions)
            if version is not None:
                start = sector * SECTOR
                if len(content) < start + len(version):
                    content.extend(bytes(start + len(version) - len(content)))
                content[start : start + len(version)] = version
        return File(bytearray(content), content, {}, self.mode)


@dataclass(frozen=True)
class Change:
    """An unsynced directory operation: names that went, and a name that came."""

    gone: Path | None
    came: Path | None
    file: int


class _Mapped:
    def __init__(self, disk: SimulatedDisk, file: File, length: int) -> None:
        self._disk, self._file, self._length = disk, file, length

    def load(self) -> bytes:
        return bytes(self._file.cache[: self._length])

    def store(self, data: bytes) -> None:
        self._file.write(data, 0)
        self._disk.operated("store")

    def close(self) -> None:
        pass


class SimulatedDisk:
    """`audit.journal.Disk` in memory. `watch(name)` is called after every operation that changes something.

    `faults`: number of the operation → what it does instead (an errno, or "short" for a short write).
    """

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.names: dict[Path, int] = {}
        self.durable_names: dict[Path, int] = {}
        self.directories: set[Path] = set()
        self.changes: list[Change] = []
        self.descriptors: dict[int, int] = {}
        self.watch: Callable[[str], None] | None = None
        self.faults: dict[int, int | str] = {}
        self.operations: list[str] = []
        self.capacity: int | None = None
        self._next = 3

    # -- what the test does ----------------------------------------------------------------------------

    def operated(self, name: str) -> None:
        """A changing operation is over."""
        if self.watch is not None:
            self.watch(name)

    def crash(self, rng: random.Random, keep: float) -> SimulatedDisk:
        """A disk after a power failure: each unsynced thing survives with probability `keep`."""

        def pick(versions: list[bytes]) -> bytes | None:
            if rng.random() >= keep:
                return None
            return versions[-1] if keep == 1 else rng.choice(versions)

        names = dict(self.durable_names)
        for change in self.changes:
            if rng.random() < keep:
                if change.gone is not None:
                    names.pop(change.gone, None)
                if change.came is not None:
                    names[change.came] = change.file
        # What stands in a directory that is lost is lost with it.
        for name in sorted(names):
            if name.parent != name.parent.parent and name.parent not in names:
                del names[name]
        after = SimulatedDisk()
        after.directories = self.directories & names.keys()
        after.files = {number: self.files[number].after_crash(pick) for number in sorted(set(names.values()))}
        after.names, after.durable_names = names, dict(names)
        after._next = self._next
        return after

    def put(self, path: Path, content: bytes) -> None:
        """A durable file, made from outside, in durable directories."""
        for above in [*path.parents][:-1]:
            if above not in self.names:
                self.directories.add(above)
                self._name(above)
        if path not in self.names:
            self._name(path)
        file = self.files[self.names[path]]
        file.cache = bytearray(content)
        file.sync()

    def get(self, path: Path) -> bytes:
        """What a reader sees."""
        return bytes(self.files[self.names[path]].cache)

    # -- the protocol ----------------------------------------------------------------------------------

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        created = path not in self.names
        if created:
            self._above(path)
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self._fault("open")
            number = self._number()
            self.files[number] = File(mode=mode)
            self.names[path] = number
            self.changes.append(Change(None, path, number))
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        fd = self._number()
        self.descriptors[fd] = self.names[path]
        if created:
            self.operated("create")
        return fd

    def close(self, fd: int) -> None:
        del self.descriptors[fd]

    def size(self, fd: int) -> int:
        return len(self._file(fd).cache)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        self._fault("pread")
        return bytes(self._file(fd).cache[offset : offset + length])

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        data = b"".join(buffers)
        file = self._file(fd)
        if self.capacity is not None:
            grown = max(0, offset + len(data) - len(file.cache))
            if grown and self.used + grown > self.capacity:
                raise OSError(errno.ENOSPC, "no space left")
        if self._fault("pwritev") == "short":
            data = data[: max(1, len(data) // 2)]
        file.write(data, offset)
        self.operated("pwritev")
        return len(data)

    @property
    def used(self) -> int:
        """Bytes of all files that have a name."""
        return sum(len(self.files[number].cache) for number in set(self.names.values()))

    def sync(self, fd: int) -> None:
        self._fault("sync")
        self._file(fd).sync()
        self.operated("sync")

    def sync_directory(self, path: Path) -> None:
        self._fault("sync_directory")
        mine = [c for c in self.changes if (c.came or c.gone or path).parent == path]
        self.changes = [c for c in self.changes if c not in mine]
        for change in mine:
            if change.gone is not None:
                self.durable_names.pop(change.gone, None)
            if change.came is not None:
                self.durable_names[change.came] = change.file
        self.operated("sync_directory")

    def rename(self, source: Path, target: Path) -> None:
        self._fault("rename")
        number = self.names.pop(source)
        self.names[target] = number
        self.changes.append(Change(source, target, number))
        self.operated("rename")

    def unlink(self, path: Path) -> None:
        self._fault("unlink")
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        number = self.names.pop(path)
        self.changes.append(Change(path, None, number))
        self.operated("unlink")

    def list(self, path: Path) -> list[str]:
        return [name.name for name in self.names if name.parent == path]

    def is_directory(self, path: Path) -> bool:
        return path == path.parent or path in self.directories

    def make_directory(self, path: Path) -> None:
        self._above(path)
        if path in self.names:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        self._fault("make_directory")
        self.directories.add(path)
        number = self._number()
        self.files[number] = File()
        self.names[path] = number
        self.changes.append(Change(None, path, number))
        self.operated("make_directory")

    def mode(self, fd: int) -> int:
        return self._file(fd).mode

    def lock(self, fd: int) -> None:
        pass

    def map(self, fd: int, length: int, *, writable: bool) -> _Mapped:
        return _Mapped(self, self._file(fd), length)

    # --------------------------------------------------------------------------------------------------

    def _file(self, fd: int) -> File:
        return self.files[self.descriptors[fd]]

    def _above(self, path: Path) -> None:
        if not self.is_directory(path.parent):
            raise FileNotFoundError(errno.ENOENT, "no such directory", str(path.parent))

    def _name(self, path: Path) -> None:
        number = self._number()
        self.files[number] = File()
        self.names[path] = self.durable_names[path] = number

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _fault(self, name: str) -> int | str | None:
        fault = self.faults.get(len(self.operations))
        self.operations.append(name)
        if isinstance(fault, int):
            raise OSError(fault, os.strerror(fault))
        return fault


class InlineSyncer:
    """Syncs in a later turn of the loop, on its thread: every order of events can be replayed."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._disk = disk

    def sync(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        asyncio.get_running_loop().call_soon(self._now, fd, done)

    def _now(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        try:
            self._disk.sync(fd)
        except OSError as error:
            done(error)
        else:
            done(None)

    def close(self) -> None:
        pass


class InlineWorker:
    """Runs housekeeping in a later turn of the loop, on its thread."""

    def __init__(self) -> None:
        self._closed = False

    def run(self, work: Callable[[], object], done: Callable[[object, BaseException | None], None]) -> None:
        asyncio.get_running_loop().call_soon(self._now, work, done)

    def _now(self, work: Callable[[], object], done: Callable[[object, BaseException | None], None]) -> None:
        if self._closed:
            return
        try:
            result = work()
        except OSError as error:
            done(None, error)
        else:
            done(result, None)

    def close(self) -> None:
        self._closed = True
