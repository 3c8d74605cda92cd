"""Reading a file of a folder that somebody else has filled: it MUST NOT hang the reader, nor take its memory.

A pipe waits for a writer that never comes, a device never ends, a file with holes is larger than any memory.

And writing files into a folder of their own, where nothing was before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from .errors import FormatError

_ODD: Final = frozenset({errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV})
"""A directory, links in a circle, a socket or a pipe without a peer."""


def open_regular(path: Path, limit: int) -> BinaryIO:
    """Open a regular file of at most `limit` bytes, or a link to one, without ever waiting for it.

    Raises:
        FormatError: something else lies there, or it is larger.
        OSError: as open(2).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _ODD:
            raise FormatError("is not a regular file") from error
        raise
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise FormatError("is not a regular file")
        if about.st_size > limit:
            raise FormatError(f"{about.st_size} bytes, at most {limit} belong there")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """The content of such a file: never more than `limit` bytes are read, and one to see that there are more.

    Raises:
        FormatError: something else lies there, or it is larger.
        OSError: as open(2) and read(2).
    """
    with open_regular(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
        if len(content) > size:  # it grows, or its file system does not say how long it is
            content += file.read(limit + 1 - len(content))
    if len(content) > limit:
        raise FormatError(f"more than {limit} bytes, which is the most that belongs there")
    return content


def check_free(folder: Path) -> None:
    """See that it is an empty directory, or nothing.

    Raises:
        OSError: it is something else, or its parent is no directory.
    """
    if folder.is_dir():
        if any(folder.iterdir()):
            raise OSError(errno.ENOTEMPTY, "is not empty; name an empty directory or a new one", str(folder))
    elif folder.exists() or folder.is_symlink():
        raise OSError(errno.ENOTDIR, "is not a directory", str(folder))
    elif not folder.parent.is_dir():
        raise OSError(errno.ENOENT, "is not there", str(folder.parent))


def write_new(folder: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files into an empty directory, or one that is made; how many. Only their owner may read them.

    MUST NOT replace or follow what is there. What was written before an error stays.

    Raises:
        OSError: as open(2) and write(2).
    """
    check_free(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    count = 0
    for name, content in files:
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        count += 1
    return count
