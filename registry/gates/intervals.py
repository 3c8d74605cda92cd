"""The interval of a difference of two shares, so that a reader sees how much of it chance may have made."""

from __future__ import annotations

from math import hypot
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
"""Of the two-sided interval."""


class Share(NamedTuple):
    """`hits` of `rows`; `rows` MUST NOT be 0."""

    hits: int
    rows: int


def difference(larger: Share, smaller: Share) -> tuple[float, float]:
    """Of `larger` minus `smaller`, both of independent rows; its ends lie within -1 and 1.

    Newcombe 1998, Statistics in Medicine 17:873, method 10: from the Wilson intervals of the two, so that shares of 0
    and 1, and small groups, have one too.
    """
    from scipy.stats import binomtest

    a, b = (
        binomtest(each.hits, each.rows).proportion_ci(CONFIDENCE, method="wilson")
        for each in (larger, smaller)
    )
    p, q = larger.hits / larger.rows, smaller.hits / smaller.rows
    low = p - q - hypot(p - a.low, b.high - q)
    high = p - q + hypot(a.high - p, q - b.low)
    return float(max(-1.0, low)), float(min(1.0, high))
