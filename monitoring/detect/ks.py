"""The Kolmogorov–Smirnov distance between a window and the reference, as bounds that bins can give.

At the end of each cell of the line both distribution functions are known, so D ≥ lower = max |F - G| there.
Between two edges F rises by the bin's reference mass at most, and G is monotone, so D ≤ lower + the mass of
the largest bin that holds more than one reference value (≤ 1 / bins; atoms and empty bins add nothing).
The bounds are of the distance of the two samples. That the samples are not the distributions behind them
is what the reference's radius and the e-detector are for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .lines import Counts, Floats, Lines
from .tails import kolmogorov


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of D, for each column; [0, 1] where the window has no rows."""

    lower: Floats
    upper: Floats


def bounds(lines: Lines, counts: Counts) -> Bounds:
    """Bounds [columns] of D between `counts` and the reference, missing as the largest value.

    Raises:
        DetectError: counts of another shape.
    """
    line = lines.take(counts)
    rows = lines.totals(line)
    if not len(rows):
        return Bounds(np.empty(0), np.empty(0))
    # Integers are converted first: dividing them is several times slower. Exact up to 2^53 rows.
    share = lines.cumulative(line).astype(np.float64)
    share /= np.repeat(np.maximum(rows, 1).astype(np.float64), lines.lengths)
    lower = np.maximum.reduceat(np.abs(share - lines.share), lines.starts)
    seen = rows > 0
    return Bounds(
        lower=np.where(seen, lower, 0.0),
        upper=np.where(seen, np.minimum(lower + lines.slack, 1.0), 1.0),
    )


def p_value(distance: float, rows: int, reference_rows: int) -> float:
    """Of the two-sample test that both come from one continuous distribution: P(K > (√N + 0.12 + 0.11/√N) · D).

    N = n m / (n + m) (Smirnov 1939), with Stephens' correction for few rows (1970). With atoms it is too
    large: the test is conservative.
    """
    if rows < 1 or reference_rows < 1:
        return 1.0
    root = math.sqrt(rows * reference_rows / (rows + reference_rows))
    return kolmogorov((root + 0.12 + 0.11 / root) * distance)
