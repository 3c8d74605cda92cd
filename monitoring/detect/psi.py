"""The population stability index over about ten unions of the fine bins.

PSI = Σ (q - p) · ln(q / p), p of the reference and q of the window, each (count + ½) / (rows + B / 2): the
Jeffreys prior in place of an epsilon, so that one empty bin is no infinity and no constant to argue about.
Without drift PSI / (1 / n + 1 / m) is about chi-square with B - 1 degrees of freedom (Yurdakul and Naranjo 2020),
so its expectation is (B - 1) · (1 / n + 1 / m): the debiased one is less that, and may be negative.

Unions are made from the reference alone: neighbours on the line until they hold a tenth of the rows; a bin
with a tenth of its own stays alone; up to ten categories are a union each. Too low (below and -inf), too
high, unseen and missing are unions of their own. B counts the unions that hold anything in either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .lines import Counts, Floats, Lines

UNIONS: Final = 10
PRIOR: Final = 0.5


@dataclass(frozen=True, slots=True)
class Index:
    """[columns] each; zero where the window has no rows."""

    psi: Floats
    debiased: Floats


class Unions:
    """The unions of one reference's lines; made once."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        starts: list[NDArray[np.intp]] = []
        self._counts: list[int] = []
        for place, column in enumerate(lines.columns):
            part = lines.part(place)
            firsts = _firsts(lines.reference[part], column.kind == "category")
            starts.append(firsts + part.start)
            self._counts.append(len(firsts))
        self._starts = np.concatenate(starts or [np.empty(0, np.intp)]).astype(np.intp)
        self._lengths = np.array(self._counts, np.intp)
        self._columns = (np.cumsum(self._lengths) - self._lengths).astype(np.intp)
        self.reference = self.sums(lines.reference)

    def sums(self, line: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts of the unions of all columns, from counts in line order."""
        if not len(self._starts):
            return np.empty(0, np.int64)
        sums: NDArray[np.int64] = np.add.reduceat(line, self._starts)
        return sums

    def column(self, place: int, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """One column's part of `sums`."""
        start = int(self._columns[place])
        return sums[start : start + self._counts[place]]

    def index(self, counts: Counts) -> Index:
        """PSI [columns] between `counts` and the reference.

        Raises:
            DetectError: counts of another shape.
        """
        line = self.lines.take(counts)
        if not len(self._starts):
            return Index(np.empty(0), np.empty(0))
        live, rows = self.sums(line), self.lines.totals(line)
        used = (live > 0) | (self.reference > 0)
        unions = np.add.reduceat(used.astype(np.int64), self._columns)
        p = self._shares(self.reference, self.lines.rows, unions)
        q = self._shares(live, rows, unions)
        terms = np.where(used, (q - p) * np.log(q / p), 0.0)
        seen = rows > 0
        psi = np.where(seen, np.add.reduceat(terms, self._columns), 0.0)
        chance = (unions - 1) * (1 / np.maximum(rows, 1) + 1 / self.lines.rows)
        return Index(psi, np.where(seen, psi - chance, 0.0))

    def _shares(self, sums: NDArray[np.int64], rows: NDArray[np.int64], unions: NDArray[np.int64]) -> Floats:
        total = np.repeat(rows + PRIOR * unions, self._lengths)
        shares: Floats = (sums + PRIOR) / total
        return shares


def _firsts(line: NDArray[np.int64], category: bool) -> NDArray[np.intp]:
    """The first cell of each union of one column."""
    cells = len(line)
    if category:
        # codes …, four that categories do not have with unseen, missing
        own, lead, tail = cells - 6, [], [cells - 6, cells - 1]
        first = 0
    else:
        # -inf and below; bins …; above, +inf (and unseen, which numbers do not have); missing
        own, lead, tail = cells - 6, [0], [cells - 4, cells - 1]
        first = 2
    bins = line[first : first + own]
    each_alone = category and own <= UNIONS
    inner = list(range(own)) if each_alone else _greedy(bins.tolist(), int(bins.sum()) / UNIONS)
    return np.array([*lead, *(first + place for place in inner), *tail], np.intp)


def _greedy(counts: list[int], share: float) -> list[int]:
    """Where unions of neighbours begin that hold at least `share` each; the last one may hold less."""
    firsts: list[int] = []
    held = share  # as if a full one stood before the first
    for place, count in enumerate(counts):
        if held >= share or (count >= share and held > 0):
            firsts.append(place)
            held = 0
        held += count
    return firsts
