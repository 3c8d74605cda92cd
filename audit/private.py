"""Files that only their owner may read: keys, to which one process at a time adds, and those of other libraries."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ConfigError
from .proof.errors import FormatError
from .proof.regular import open_regular


def read_private(path: Path, most: int, make: str, advice: str = "") -> bytes:
    """The content of a regular file of at most `most` bytes, which nobody but its owner may read.

    Args:
        path: of the file.
        most: bytes.
        make: the command that makes it, for whoever has none yet.
        advice: what else to do when others could read it.

    Raises:
        ConfigError: it is not there, no such file, larger, or for others to read.
    """
    try:
        with open_regular(path, most) as file:
            mode = stat.S_IMODE(
                os.fstat(file.fileno()).st_mode
            )  # of what is read, whatever the name leads to by now
            raw = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; `{make}` makes it") from error
    except FormatError as error:
        raise ConfigError(f"{path}: {error}") from error
    if mode & 0o077:
        raise ConfigError(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}{advice}")
    if len(raw) > most:  # it grew meanwhile
        raise ConfigError(f"{path}: over {most} bytes")
    return raw


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Of two that add to the file at once each finds the other's: a key that was lost would open nothing ever again."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def owner_only() -> Iterator[None]:
    """Whatever is made meanwhile only its owner may read: for a library that names no mode.

    The mask is the process's: MUST NOT be entered by two threads at once.
    """
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
