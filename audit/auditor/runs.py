"""What is to be said of many offsets alike, said once for those that follow each other."""

from __future__ import annotations

from typing import Final

from .verified import TreeVerified

MAX_RANGES: Final = 1000


class Ranges:
    """Offsets as ranges, up to a bound: they may come in any order, mostly in their own."""

    def __init__(self) -> None:
        self.count = 0
        self._found: list[tuple[int, int]] = []

    def add(self, offset: int) -> None:
        """One more; what begins a range beyond the bound is counted only."""
        self.count += 1
        if self._found and self._found[-1][1] + 1 == offset:
            self._found[-1] = self._found[-1][0], offset
        elif len(self._found) < MAX_RANGES:
            self._found.append((offset, offset))

    def all(self) -> list[tuple[int, int]]:
        """First and last of each, in their order."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(self._found):
            if merged and merged[-1][1] + 1 == first:
                merged[-1] = merged[-1][0], last
            else:
                merged.append((first, last))
        return merged


class Runs:
    """Remarks of offsets that come in their order."""

    def __init__(self, verified: TreeVerified, what: str, message: str) -> None:
        """`message` is what is said of each, before where and why."""
        self._verified = verified
        self._what = what
        self._message = message
        self._first = self._last = -1
        self._why = ""

    def add(self, offset: int, why: str) -> None:
        """One more: `why` MUST be the same for those that are told together."""
        if offset != self._last + 1 or why != self._why or self._first < 0:
            self.end()
            self._first, self._why = offset, why
        self._last = offset

    def end(self) -> None:
        """Tell of what was added, all but what was told."""
        if self._first < 0:
            return
        where = "here" if self._first == self._last else f"at the offsets {self._first} to {self._last}"
        self._verified.remark(self._what, f"{self._message} {where}: {self._why}", offset=self._first)
        self._first = self._last = -1
