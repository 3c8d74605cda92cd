"""Which messages of a trouble that lasts say something new."""

from __future__ import annotations

import re
import threading
from typing import Final

MOST: Final = 32
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|\d+")
"""Sizes, times, pauses, ports, addresses of objects: no other trouble."""


class News:
    """Of one source. From any thread.

    MUST take messages that differ in their numbers alone for one, and MUST NOT grow with what the source says: the MOST
    newest are remembered, and one that was forgotten is news again.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._said: dict[str, None] = {}

    def __call__(self, message: str) -> bool:
        """Whether it was not said before. It is from now on."""
        kind = _NUMBER.sub("", message)
        with self._lock:
            known = kind in self._said
            self._said.pop(kind, None)
            self._said[kind] = None  # the newest
            if len(self._said) > MOST:
                del self._said[next(iter(self._said))]
            return not known

    def forget(self) -> bool:
        """What comes next is news. Whether there was any."""
        with self._lock:
            had = bool(self._said)
            self._said.clear()
            return had
