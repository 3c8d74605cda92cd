"""A process whose descriptors run out, for a moment."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice


@contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """This process can open `number` more files, and no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = list(islice((each for each in count() if not _is_open(each)), number + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
