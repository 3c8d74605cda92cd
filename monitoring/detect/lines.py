"""Columns as lines: the bins of `Column.count` in one order, so that every column has a distribution function.

number: -inf, below, bin 0, bin 1, …, above, +inf, missing.
category: the codes by their share of the reference, the largest first, then unseen, then missing.

With missing as the largest value, a distance between two distribution functions is at least the difference
of the shares that are missing, and one construct serves numbers, categories and gaps in the data. An order
of categories by the reference alone is fixed before any live record is seen, so all that holds of
distribution functions (DKW, Kolmogorov's limit, as bounds) holds of it.

All columns lie in one flat array, so that a check of thirty features is a handful of calls of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import DetectError
from registry.reference import EXTRA, Column

Counts = NDArray[np.int64]
"""[sum of bins + 6], columns one after the other, each in the order of `Column.count`."""
Floats = NDArray[np.float64]


class Lines:
    """The columns of one reference, features or scores, and their reference counts in line order.

    Attributes:
        columns: whose counts are given, in this order.
        size: of the flat arrays of counts.
        starts, lengths: [columns] of each column's part of the flat arrays.
        order: [size] where the count of each cell of the line stands in the flat counts.
        reference: [size] the reference's counts in line order.
        rows: [columns] their sums; at least 1.
        share: [size] the reference's distribution function at the end of each cell.
        slack: [columns] the mass of the largest bin in which the reference holds more than one value.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.lengths = np.array([len(column.counts) + len(EXTRA) for column in self.columns], np.intp)
        self.starts = (np.cumsum(self.lengths) - self.lengths).astype(np.intp)
        self.size = int(self.lengths.sum())
        counts = [column.reference_counts() for column in self.columns]
        if empty := [column.name for column, own in zip(self.columns, counts, strict=True) if not own.any()]:
            raise DetectError(f"the reference of {empty[0]!r} counts no rows")
        parts = [
            start + _order(column) for start, column in zip(self.starts.tolist(), self.columns, strict=True)
        ]
        self.order = np.concatenate(parts or [np.empty(0, np.intp)]).astype(np.intp)
        self.reference = np.concatenate(counts or [np.empty(0, np.int64)])[self.order]
        self.rows = self.totals(self.reference)
        self.share = self.cumulative(self.reference) / np.repeat(self.rows, self.lengths)
        self.slack = np.array([_slack(column) for column in self.columns], np.float64) / self.rows

    def take(self, counts: Counts) -> Counts:
        """Counts in line order.

        Raises:
            DetectError: not int64 of this size, or a negative count.
        """
        if counts.dtype != np.int64 or counts.shape != (self.size,):
            raise DetectError(f"counts: {counts.dtype} {list(counts.shape)}, and not int64 [{self.size}]")
        if counts.size and counts.min() < 0:
            raise DetectError(f"counts: {counts.min()} is below zero")
        return counts.take(self.order)

    def totals(self, line: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sum [columns] of each column."""
        if not self.columns:
            return np.empty(0, np.int64)
        sums: NDArray[np.int64] = np.add.reduceat(line, self.starts)
        return sums

    def cumulative(self, line: NDArray[np.int64]) -> NDArray[np.int64]:
        """[size] how many are in this cell of the column and those before it; exact."""
        running = np.cumsum(line)
        before = running.take(self.starts) - line.take(self.starts)
        return running - np.repeat(before, self.lengths)

    def part(self, place: int) -> slice:
        """Where column `place` stands in the flat arrays."""
        start = int(self.starts[place])
        return slice(start, start + int(self.lengths[place]))


def _order(column: Column) -> NDArray[np.intp]:
    """The places of `Column.count` in line order."""
    bins = len(column.counts)
    missing, lowest, highest, below, above, unseen = range(bins, bins + len(EXTRA))
    if column.kind == "category":
        by_share = np.argsort(-column.counts.astype(np.int64), kind="stable")
        return np.concatenate([by_share, [lowest, below, above, highest, unseen, missing]]).astype(np.intp)
    return np.concatenate([[lowest, below], np.arange(bins), [above, highest, unseen, missing]]).astype(
        np.intp
    )


def _slack(column: Column) -> int:
    """The largest count of a bin that is no atom. A bin (edge before, edge] of one float32 is an atom."""
    if column.kind == "category" or not len(column.counts):
        return 0
    with np.errstate(over="ignore"):
        before = np.nextafter(column.edges, np.float32(-np.inf))
    atoms = np.concatenate([[column.minimum == column.edges[0]], column.edges[:-1] == before[1:]])
    return int(np.where(atoms, 0, column.counts.astype(np.int64)).max())
