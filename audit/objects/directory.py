"""Objects in a directory of a local file system: one file each, whole or absent whatever crashes.

The version that `swap` compares is the SHA-256 of the content. It needs nothing beside the file, which others read as
it is; it is what a bucket's e_tag is, too; and that an object which was changed and changed back counts as unchanged
harms nobody, as content is all that an object has. Sizes and times would tell less: two writes can share both.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.files import make_directory, replace_file, sync_directory, write_once
from audit.proof.errors import FormatError
from audit.proof.regular import open_regular, read_regular

from .base import Stored
from .limits import NoObject, limit_of
from .names import check_name, check_prefix

_REMEMBERED: Final = 1024
_DRAFT: Final = re.compile(r"\..+\.[0-9]{1,10}\.[0-9a-f]{8}", re.ASCII)
"""As audit/files.py names what is not whole yet."""
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


class DirectoryObjects:
    """See `Objects`. Any number of threads and processes may use one directory, if its flock(2) is a real one.

    A file whose name begins with a dot is a lock, or what a killed process left of a write: no object.

    A copy of a store may have been filled by somebody else. What is no regular file, is larger than an object of its
    name can be, or is a folder that was gone through already (links in a circle) raises `NoObject`, and is never
    waited for.
    """

    def __init__(self, root: Path) -> None:
        """The directory is made at the first write."""
        self._root = root.absolute()
        self._durable: set[Path] = set()

    @property
    def place(self) -> str:
        """What no other store has."""
        return repr(self)

    def __repr__(self) -> str:
        return f"directory {self._root}"

    def get(self, name: str) -> Stored | None:
        """See `Objects.get`."""
        path = self._path(name)
        with _told(path):
            content = _read(path, name)
        return None if content is None else Stored(content, _version(content))

    def create(self, name: str, content: bytes) -> bool:
        """See `Objects.create`: a temporary file, synced, linked into place; then the directory is synced."""
        path = self._path(name)
        with _told(path):
            self._make_parents(path.parent)
            return write_once(path, content)

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        """See `Objects.swap`: compared and replaced under a lock that the kernel frees when its holder dies."""
        path = self._path(name)
        with _told(path):
            self._make_parents(path.parent)
            with _locked(path.with_name(f".{path.name}.lock")):
                found = _read(path, name)
                if (None if found is None else _version(found)) != version:
                    raise ObjectChanged(f"{path}: another process has written it")
                replace_file(path, content)
        return _version(content)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Objects.list`."""
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        with _told(self._root / folder):
            yield from _walk(self._root / folder, f"{folder}/" if folder else "", prefix, set())

    def marks(self, prefix: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """See `Marking.marks`: size and times. That of the last change of the file's state nobody sets by a call."""
        for name in self.list(prefix):
            if not wanted(name):
                continue
            path = self._root / name
            with _told(path):
                try:
                    about = path.stat()
                except OSError as error:
                    if error.errno not in _GONE:
                        raise
                    continue  # removed since it was listed
            yield name, f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}"

    def remove(self, name: str) -> None:
        """See `Removes.remove`: the directory is synced, so that no power failure brings it back."""
        path = self._path(name)
        with _told(path):
            try:
                path.unlink()
            except OSError as error:
                if error.errno not in _GONE:
                    raise
            else:
                sync_directory(path.parent)
        self.tidy(name)

    def tidy(self, name: str) -> None:
        """Remove what killed writers of an object left beside it: a draft holds what the object held once.

        It MUST NOT be called while somebody writes this object: they would begin again with an error.

        Raises:
            ObjectsUnavailable: the directory does not let us.
        """
        path = self._path(name)
        with _told(path):
            try:
                drafts = [each for each in path.parent.iterdir() if _DRAFT.fullmatch(each.name)]
            except OSError as error:
                if error.errno in _GONE:
                    return
                raise
            left = [each for each in drafts if each.name.rsplit(".", 2)[0] == f".{path.name}"]
            for each in left:
                each.unlink(missing_ok=True)
            if left:
                sync_directory(path.parent)

    def hidden(self, prefix: str) -> Iterator[str]:
        """Names below a folder that `list` leaves out, as a part of them begins with a dot; of a folder its own name.

        Who reads the directory with other tools may find them all the same (DuckDB's globs do).

        Args:
            prefix: a folder's, with a slash at its end.

        Raises:
            ObjectsUnavailable: the directory cannot be read.
        """
        check_prefix(prefix)
        with _told(self._root / prefix):
            yield from _hidden(self._root / prefix, prefix, set())

    def open(self, name: str) -> BinaryIO | None:
        """See `Seekable.open`."""
        path = self._path(name)
        with _told(path):
            try:
                return open_regular(path, limit_of(name))
            except OSError as error:
                if error.errno in _GONE:
                    return None
                raise

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _make_parents(self, directory: Path) -> None:
        """Make a directory whose name, and those above it, are durable; once each."""
        if directory in self._durable:
            return
        make_directory(directory)
        if len(self._durable) >= _REMEMBERED:
            self._durable = set()
        self._durable.add(directory)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The system's errors as the store's."""
    try:
        yield
    except ObjectsUnavailable:
        raise
    except FormatError as error:
        raise NoObject(f"{path}: {error}") from error
    except OSError as error:
        raise ObjectsUnavailable(f"{error.filename or path}: {error.strerror or error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock; the file stays, as removing it would let two hold it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path, name: str) -> bytes | None:
    try:
        return read_regular(path, limit_of(name))
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _version(content: bytes) -> str:
    return sha256(content).hexdigest()


def _walk(folder: Path, name: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Names below a folder, in the order of their bytes: a folder sorts as its name with a slash.

    `seen` are the folders that were gone through: by links there could be more ways than anybody can go.
    """
    try:
        about = folder.stat()
        if (about.st_dev, about.st_ino) in seen:
            raise NoObject(f"{folder}: is a link to a folder that has its place elsewhere in the store")
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(folder) as scan:
            entries = sorted(
                (f"{name}{entry.name}/" if entry.is_dir() else f"{name}{entry.name}", entry.name)
                for entry in scan
                if not entry.name.startswith(".")
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for full, part in entries:
        if full.endswith("/"):
            if full.startswith(prefix) or prefix.startswith(full):
                yield from _walk(folder / part, full, prefix, seen)
        elif full.startswith(prefix):
            yield full


def _hidden(folder: Path, name: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """See `hidden`; folders are gone through as `_walk` does."""
    try:
        about = folder.stat()
        if (about.st_dev, about.st_ino) in seen:
            raise NoObject(f"{folder}: is a link to a folder that has its place elsewhere in the store")
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(folder) as scan:
            entries = sorted((entry.name, entry.is_dir()) for entry in scan)
    except (FileNotFoundError, NotADirectoryError):
        return
    for part, is_folder in entries:
        if part.startswith("."):
            yield f"{name}{part}/" if is_folder else f"{name}{part}"
        elif is_folder:
            yield from _hidden(folder / part, f"{name}{part}/", seen)
