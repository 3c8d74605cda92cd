"""Pearson's chi-square test that a window's categories come from the reference's distribution.

The two-sample test of homogeneity over the cells of one column (codes, unseen, missing); cells in which the
window is expected to hold fewer than 5 rows are taken together, the common rule under which the limit may be
trusted (Cochran 1954). Order plays no part. For the classic rules; the default is the e-detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .tails import chi_square

EXPECTED: Final = 5.0


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """Of one column: the statistic, its degrees of freedom, and P(at least this | no drift)."""

    statistic: float
    degrees: int
    p: float


def homogeneity(live: NDArray[np.int64], reference: NDArray[np.int64]) -> Homogeneity:
    """Compare counts [cells] of a window with the reference's. Without rows, or with one cell: p = 1."""
    rows, reference_rows = int(live.sum()), int(reference.sum())
    if not rows or not reference_rows:
        return Homogeneity(0.0, 0, 1.0)
    both = live + reference
    small = both * (rows / (rows + reference_rows)) < EXPECTED
    table = np.stack([np.append(each[~small], each[small].sum()) for each in (live, reference)]).astype(
        np.float64
    )
    table = table[:, table.sum(axis=0) > 0]
    degrees = table.shape[1] - 1
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return Homogeneity(statistic, degrees, chi_square(statistic, degrees))
