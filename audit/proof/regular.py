"""Reading a file of a folder that somebody else has filled: it MUST NOT hang the reader, nor take its memory.

A pipe waits for a writer that never comes, a device never ends, a file with holes is larger than any memory.
"""

from __future__ import annotations

import errno
import os
import stat
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
