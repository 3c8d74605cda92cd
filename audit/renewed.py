"""What is made of files that are renewed while we run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from .errors import AuditError

T = TypeVar("T")

_AGAIN: Final = 1.0
"""Seconds between two tries of files that are no others than at the last one."""


def stamp(path: Path | None) -> Hashable:
    """What changes when a file's content does, also behind a link that was changed; None when it is not there."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class Renewed(Generic[T]):
    """What files make now. From any thread; each call costs a stat(2) of each.

    MUST take files that were renewed without a restart, and MUST go on with what was good last while those that are
    there are none: they are not put there at one moment. MUST try again what has failed, though no file changes: there
    was no descriptor, or a disk did not answer. Who calls does so at each connection, so that is done once a second.
    A reason is told once, until there is another one.
    """

    def __init__(
        self,
        files: Sequence[Path],
        make: Callable[[], T],
        tell: Callable[[str | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """It is made now.

        Args:
            files: what it is made of.
            make: reads them. Raises AuditError: they are none, or are not to be read.
            tell: hears why it stays as before; None: it was renewed.
            clock: in seconds.

        Raises:
            AuditError: as `make` does.
        """
        self._files: Final = tuple(files)
        self._make: Final = make
        self._tell: Final = tell
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._good = self._failed = self._look()
        self._tried = clock()
        self._why = ""
        self._now = make()

    def __call__(self) -> T:
        """See the class."""
        with self._lock:
            seen = self._look()
            if seen == self._good:
                self._why = ""
            elif seen != self._failed or self._clock() - self._tried >= _AGAIN:
                self._renew(seen)
            return self._now

    def _renew(self, seen: Hashable) -> None:
        try:
            self._now = self._make()
        except AuditError as error:
            self._failed, self._tried, before = seen, self._clock(), self._why
            self._why = str(error)
            if self._why != before:
                self._tell(self._why)
        else:
            self._good, self._failed, self._why = seen, seen, ""
            self._tell(None)

    def _look(self) -> Hashable:
        return tuple(map(stamp, self._files))
