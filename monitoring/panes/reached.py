"""How far each journal has come, so that an entry that stands in the log twice is counted once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MOST: Final = 1024
"""Journals that are known at once. Of more, the one that was not met for the longest time is forgotten."""
BEHIND: Final = 65_536
"""An entry so far behind its journal's newest one is no second delivery: what is in flight is far less. It is counted,
and the journal goes on from it. Else a forged entry with the highest of all sequences would make every later one of
that journal look as if it had been there before."""


class Reached:
    """For one partition. Entries MUST be taken in the log's order."""

    def __init__(self, reached: Iterable[tuple[bytes, int]] = ()) -> None:
        """Go on from there: as `state` gives it."""
        self._newest: OrderedDict[bytes, int] = OrderedDict(reached)

    def __getitem__(self, journal: bytes) -> int | None:
        """Its newest sequence, as far as it is known."""
        return self._newest.get(journal)

    def take(self, journal: bytes, sequence: int) -> bool:
        """The next entry; whether it is new."""
        newest = self._newest
        reached = newest.get(journal)
        if reached is None:
            if len(newest) >= MOST:
                newest.popitem(last=False)
            newest[journal] = sequence
            return True
        newest.move_to_end(journal)
        if reached - BEHIND < sequence <= reached:
            return False
        newest[journal] = sequence
        return True

    def state(self) -> tuple[tuple[bytes, int], ...]:
        """All that is known: who was not met for the longest time comes first."""
        return tuple(self._newest.items())
