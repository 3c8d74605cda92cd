"""Small files that must be whole or absent after a crash."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable: a file whose name is not synced can vanish with its content."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_once(path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Create `path` with exactly this content, durably; False, and nothing changed, when it is there already.

    Of several processes that try, one succeeds: the whole file is linked into place.
    A crash leaves the file whole or absent, and perhaps a temporary one beside it.
    """
    if path.exists():
        sync_directory(path.parent)  # who made it may have died before this
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            sync_directory(path.parent)
            return False
    finally:
        temporary.unlink()
    sync_directory(path.parent)
    return True
