"""The edges at which the e-detector and the design effect look: about 19 quantiles of each column's reference.

For each of 0.05, 0.10, …, 0.95 the end of a cell whose share r of the reference is nearest; where an atom
jumps over it, both ends of the atom. r is the share that the edge has, not the one that was aimed at, and an
edge that is chosen twice counts once. 0 (before the first atom) and 1 (after the last) are edges too, so that
a constant column that goes up, down or missing is seen, and a large category that becomes an unseen one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .lines import Counts, Floats, Lines

QUANTILES: Final = tuple(place / 20 for place in range(1, 20))
JUMP: Final = 1 / 40
"""A cell with more of the reference than this has both its ends chosen."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Of all columns, one after the other.

    Attributes:
        cells: [edges] at whose ends they are, in the flat line order.
        share: [edges] of the reference's rows at or below each.
        column: [edges] whose edge it is.
        starts: [columns] each column's first edge.
        segments: [edges + columns] where the stretches of the line begin that edges divide each column into.
    """

    cells: NDArray[np.intp]
    share: Floats
    column: NDArray[np.intp]
    starts: NDArray[np.intp]
    segments: NDArray[np.intp]

    def below(self, lines: Lines, counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many rows of `counts` are at or below each edge, and how many rows each column has.

        Raises:
            DetectError: counts of another shape.
        """
        if not len(self.starts):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # Summing stretches is ten times faster than a cumulative sum over all cells, and as exact.
        sums = np.add.reduceat(lines.take(counts), self.segments)
        first = self.starts + np.arange(len(self.starts))  # of each column's segments
        running = np.cumsum(sums)
        before = running[first] - sums[first]
        rows = np.add.reduceat(sums, first)
        return running[np.arange(len(self.cells)) + self.column] - before[self.column], rows


def choose_edges(lines: Lines) -> Edges:
    """The edges of these columns; at least one each."""
    cells: list[NDArray[np.intp]] = []
    segments: list[NDArray[np.intp]] = []
    for place in range(len(lines.columns)):
        part = lines.part(place)
        cells.append(_nearest(lines.share[part]) + part.start)
        segments.append(np.concatenate([[part.start], cells[-1] + 1]).astype(np.intp))
    sizes = np.array([len(each) for each in cells], np.intp)
    flat = np.concatenate(cells or [np.empty(0, np.intp)]).astype(np.intp)
    return Edges(
        cells=flat,
        share=lines.share[flat],
        column=np.repeat(np.arange(len(cells)), sizes).astype(np.intp),
        starts=(np.cumsum(sizes) - sizes).astype(np.intp),
        segments=np.concatenate(segments or [np.empty(0, np.intp)]).astype(np.intp),
    )


def _nearest(share: Floats) -> NDArray[np.intp]:
    """The cells of one column, ascending. Of cells of one share the first; of those with none of it the last."""
    chosen = set()
    for wanted in QUANTILES:
        after = int(np.searchsorted(share, wanted, side="left"))
        before = after - 1  # the last cell whose share is smaller
        if before < 0:
            chosen.add(after)
            continue
        if share[before] > 0:
            before = int(np.searchsorted(share, share[before], side="left"))
        if share[after] - share[before] > JUMP:
            chosen |= {before, after}
        else:
            chosen.add(before if wanted - share[before] < share[after] - wanted else after)
    # At the end of the line everything is at or below, drifted or not.
    return np.array(sorted(chosen - {len(share) - 1}), np.intp)
