"""How fast something grows, from samples of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's: the median of the slopes of all pairs (x, y).

    One late allocation does not make a leak, a steady rise does. 0 where no two points have different x.
    """
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in combinations(sorted(points), 2)
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else 0.0
