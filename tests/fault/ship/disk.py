"""The system calls of the sidecar's bookkeeping and of the local log, counted, failing, and kept account of.

For each byte of each file it is known whether a power failure may take it: written and not synced, or given up by
a sync that failed (the page cache shows such a byte as clean, and a second sync says nothing of it).
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import IO, Any, Final, Self

MODULES: Final = ("audit.files", "audit.mark", "audit.log.local", "audit.ship.reached")
_DURABLE, _DIRTY, _LOST = 0, 1, 2


class FaultyOs:
    """Stands in for `os` in the modules above. `faults`: number of the call → an errno, or "short"."""

    def __init__(self) -> None:
        self.faults: dict[int, int | str] = {}
        self.calls: list[str] = []
        self.failed: list[str] = []
        self.content: dict[Path, bytearray] = {}
        self.unsynced_names: set[Path] = set()
        self._paths: dict[int, Path] = {}
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def at_risk(self, path: Path, length: int | None = None) -> str | None:
        """Why a power failure now could take bytes of `path`; None when it could not."""
        with self._lock:
            if path in self.unsynced_names:
                return f"the name {path.name} is not durable"
            content = self.content.get(path, bytearray())
            part = content if length is None else content[:length]
            if length is not None and len(content) < length:
                return f"{path.name} has {len(content)} bytes of {length}"
            bad = [place for place, state in enumerate(part) if state != _DURABLE]
            return f"byte {bad[0]} of {path.name} is not durable" if bad else None

    # -- system calls ----------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        with self._lock:
            path = Path(path)
            made = not path.exists()
            self._call("open")
            descriptor = os.open(path, flags, mode)
            self._paths[descriptor] = path
            if made:
                self.unsynced_names.add(path)
                self.content[path] = bytearray()
            return descriptor

    def ftruncate(self, descriptor: int, length: int) -> None:
        with self._lock:
            self._call("ftruncate")
            os.ftruncate(descriptor, length)
            self._resize(self._paths[descriptor], length)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        with self._lock:
            data = self._cut(self._call("pwrite"), data)
            written = os.pwrite(descriptor, data, offset)
            self._dirty(self._paths[descriptor], offset, written)
            return written

    def fsync(self, descriptor: int) -> None:
        self._sync("fsync", descriptor)

    def fdatasync(self, descriptor: int) -> None:
        self._sync("fdatasync", descriptor)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            self._call("link")
            os.link(source, target)
            self.content[target] = self.content[source]
            self.unsynced_names.add(target)

    def fdopen(self, descriptor: int, mode: str, buffering: int = -1) -> Any:
        file = os.fdopen(descriptor, mode, buffering=0)
        return _File(self, file, self._paths[descriptor], again=buffering != 0)

    # --------------------------------------------------------------------------------------------------

    def write(self, file: IO[bytes], path: Path, data: bytes) -> int:
        """A file object's write, unbuffered."""
        with self._lock:
            position = file.tell()
            data = self._cut(self._call("write"), data)
            written = file.write(data)
            self._dirty(path, position, written)
            return written

    def truncate(self, file: IO[bytes], path: Path, length: int) -> None:
        """A file object's truncate."""
        with self._lock:
            self._call("ftruncate")
            file.truncate(length)
            self._resize(path, length)

    def read(self, file: IO[bytes]) -> bytes:
        """A file object's read."""
        with self._lock:
            self._call("read")
            return file.read()

    def _sync(self, name: str, descriptor: int) -> None:
        with self._lock:
            path = self._paths[descriptor]
            try:
                self._call(name)
            except OSError:
                content = self.content.get(path, bytearray())
                content[:] = content.replace(bytes([_DIRTY]), bytes([_LOST]))
                raise
            getattr(os, name)(descriptor)
            if path.is_dir():
                self.unsynced_names = {name for name in self.unsynced_names if name.parent != path}
            else:
                content = self.content.get(path, bytearray())
                content[:] = content.replace(bytes([_DIRTY]), bytes([_DURABLE]))

    def _call(self, name: str) -> int | str | None:
        fault = self.faults.get(len(self.calls))
        self.calls.append(name)
        if isinstance(fault, int):
            self.failed.append(name)
            raise OSError(fault, os.strerror(fault))
        return fault

    def _cut(self, fault: int | str | None, data: bytes) -> bytes:
        if fault != "short":
            return data
        self.failed.append("short")
        return data[: len(data) // 2]

    def _dirty(self, path: Path, offset: int, length: int) -> None:
        content = self.content.setdefault(path, bytearray())
        content.extend(bytes([_DIRTY]) * (offset + length - len(content)))
        content[offset : offset + length] = bytes([_DIRTY]) * length

    def _resize(self, path: Path, length: int) -> None:
        content = self.content.setdefault(path, bytearray())
        del content[length:]
        content.extend(bytes([_DIRTY]) * (length - len(content)))


class _File:
    """A file object that makes its calls through the disk."""

    def __init__(self, disk: FaultyOs, file: IO[bytes], path: Path, *, again: bool) -> None:
        """`again`: as buffered files do, go on after a short write."""
        self._disk, self._file, self._path, self._again = disk, file, path, again

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        written = self._disk.write(self._file, self._path, data)
        while self._again and written < len(data):
            written += self._disk.write(self._file, self._path, data[written:])
        return written

    def read(self) -> bytes:
        return self._disk.read(self._file)

    def truncate(self, length: int) -> None:
        self._disk.truncate(self._file, self._path, length)


SHORT: Final = "short"
FAULTS: Final = (errno.EIO, errno.ENOSPC, SHORT)
