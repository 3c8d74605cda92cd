"""Small files that must be whole or absent after a crash."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})
"""Not to be opened by us; a read-only file system; one that does not know fsync."""


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable: a file whose name is not synced can vanish with its content."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def parse_json(raw: bytes) -> Any:
    """JSON of a small file that anybody may have written to.

    Raises:
        ValueError: it is none, or nested too deep to be read.
    """
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def make_directory(
    path: Path,
    *,
    exists: Callable[[Path], bool] = Path.is_dir,
    mkdir: Callable[[Path], None] = Path.mkdir,
    sync: Callable[[Path], None] = sync_directory,
) -> None:
    """Make a directory, and those above it that are missing. Its name is durable when this returns, and theirs.

    A directory gets nothing into it before its own name is durable. So of those that are found, only the lowest
    can be one whose maker died before that; its name is synced as if it were ours.

    `exists`, `mkdir` and `sync` are for who has a disk of their own.

    Raises:
        OSError: as mkdir(2) and fsync(2) do; who calls again goes on where this ended.
    """
    path = path.absolute()
    above = path.parent
    if exists(path):
        _sync_found(above, sync)
        return
    if not exists(above):
        make_directory(above, exists=exists, mkdir=mkdir, sync=sync)
    else:
        _sync_found(above.parent, sync)
    with suppress(FileExistsError):  # another process was faster, and may not have synced it yet
        mkdir(path)
    sync(above)


def _sync_found(directory: Path, sync: Callable[[Path], None]) -> None:
    """Sync a directory that was there. Where nothing can be made by us, nothing of ours waits to be synced."""
    try:
        sync(directory)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise


def write_once(path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Create `path` with exactly this content, durably; False, and nothing changed, when it is there already.

    Of several processes that try, one succeeds: the whole file is linked into place.
    A crash leaves the file whole or absent, and perhaps a temporary one beside it.
    """
    if path.exists():
        sync_directory(path.parent)  # who made it may have died before this
        return False
    with _beside(path, content, mode) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            sync_directory(path.parent)
            return False
    sync_directory(path.parent)
    return True


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file, durably; a crash leaves the old content or the new, and perhaps a temporary file beside it."""
    with _beside(path, content, mode) as temporary:
        temporary.rename(path)
    # Until here a power failure may bring the old content back; nobody was told of the new one.
    sync_directory(path.parent)


@contextmanager
def _beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """A temporary file beside `path` whose content is durable; it goes, unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
