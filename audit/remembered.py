"""Leaf hashes of the newest entries, by journal and sequence: they tell a benign duplicate from a second history."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TOGETHER: Final = 256
"""Entries of one journal that may be forgotten before older ones of another."""


@dataclass(slots=True)
class _Stretch:
    """Leaf hashes of entries that follow each other."""

    journal: bytes
    first: int
    leaves: list[bytes]


class Remembered:
    """At most `most` leaf hashes, of all journals together; the oldest are forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._order: deque[_Stretch] = deque()
        self._journals: dict[bytes, deque[_Stretch]] = {}

    def keep(self, journal: bytes, first: int, leaves: Sequence[bytes]) -> None:
        """Remember the leaf hashes of the entries with the sequences from `first` on."""
        mine = self._journals.setdefault(journal, deque())
        last = mine[-1] if mine else None
        if (
            last is not None
            and first == last.first + len(last.leaves)
            and len(last.leaves) + len(leaves) <= _TOGETHER
        ):
            last.leaves.extend(leaves)
        else:
            stretch = _Stretch(journal, first, list(leaves))
            mine.append(stretch)
            self._order.append(stretch)
        self._count += len(leaves)
        while self._count > self._most:
            self._forget_oldest()

    def find(self, journal: bytes, sequence: int) -> bytes | None:
        """The leaf hash of an entry, if it is remembered; of two with one sequence, the first."""
        for stretch in self._journals.get(journal, ()):
            if 0 <= sequence - stretch.first < len(stretch.leaves):
                return stretch.leaves[sequence - stretch.first]
        return None

    def forget(self, journal: bytes) -> None:
        """Everything of a journal."""
        for stretch in self._journals.pop(journal, ()):
            self._count -= len(stretch.leaves)
            stretch.leaves = []
        self._order = deque(each for each in self._order if each.leaves)

    def _forget_oldest(self) -> None:
        stretch = self._order[0]
        surplus = min(self._count - self._most, len(stretch.leaves))
        del stretch.leaves[:surplus]
        stretch.first += surplus
        self._count -= surplus
        if not stretch.leaves:
            self._order.popleft()
            mine = self._journals[stretch.journal]
            mine.popleft()
            if not mine:
                del self._journals[stretch.journal]
