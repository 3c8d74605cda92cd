"""How far the command is, for who waits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final, Self, TypeVar

_Each = TypeVar("_Each")
_STEP: Final = 100
"""It is said again after so many."""


class Progress:
    """How far it is, on a terminal's last line, which is cleared at the end; nothing where there is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._shown = sys.stderr.isatty()

    def __call__(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._shown and (self._done % _STEP < count or self._done == self._total):
            sys.stderr.write(f"\r{self._what} {self._done:,} of {self._total:,}")
            sys.stderr.flush()

    def of(self, each: Iterable[_Each]) -> Iterator[_Each]:
        """The same, each of them counted."""
        for one in each:
            yield one
            self(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
