"""Two-sided intervals.

    proportions   Wilson, Journal of the American Statistical Association 22 (1927)
    estimates     normal, by the influence of each row (the delta method; van der Vaart, Asymptotic Statistics, 1998,
                  chapters 3 and 20): the standard error is that of the mean of the influences
    resampled     percentile bootstrap, Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3;
                  where resamples are too few for it, normal, by their bias and standard error (chapters 6 and 10)

    at all times  any of them at `at_all_times`: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central
                  limit theory and asymptotic confidence sequences, Annals of Statistics 52 (2024), theorem 2.2

All take rows for independent. Rows of one request, and of one person, are not: their intervals are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED: Final = 0
"""Of resampling: the same rows give the same interval."""
RESAMPLES: Final = 200
FEWEST_BEYOND: Final = 2
"""Resamples on either side of an interval that is between two of them."""
MOST_RESAMPLED: Final = 20_000
"""Rows; of more the interval is that of so many, and too wide."""


class Interval(NamedTuple):
    """Both ends."""

    low: float
    high: float


def quantile(confidence: float) -> float:
    """Of the standard normal distribution, for a two-sided interval."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def at_all_times(confidence: float, rows: int, fewest: int) -> float:
    """At which confidence an interval of so many rows holds together with those of all other numbers of rows.

    Who looks again with every row leaves an interval of one look sooner or later. These are left, at any number of rows
    from `fewest` on, with probability 1 - `confidence` at most: so far as the estimate is normal by then.

    Args:
        confidence: of all of them together, two-sided.
        rows: that there are now, at least 1.
        fewest: rows from which on it is looked at; there they are narrowest.
    """
    alpha = 1 - confidence
    seen = rows / fewest * (-2 * log(alpha) + log(1 - 2 * log(alpha)))
    z = sqrt((1 + 1 / seen) * log((seen + 1) / alpha**2))
    # A level that a float can tell from 1: beyond eight standard errors nothing is said of more.
    return 1 - 2 * NormalDist().cdf(-min(z, 8.0))


def wilson(count: int, rows: int, confidence: float) -> Interval:
    """Of the share `count` / `rows`; `rows` MUST NOT be 0."""
    z = quantile(confidence)
    share, weight = count / rows, z * z / rows
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * sqrt(share * (1 - share) / rows + weight / rows / 4)
    return Interval(
        0.0 if count == 0 else max(0.0, middle - half), 1.0 if count == rows else min(1.0, middle + half)
    )


def normal(
    value: float, influence: NDArray[np.float64], confidence: float, least: float, most: float
) -> Interval:
    """Of an estimate whose rows have these influences; within [least, most]."""
    rows = len(influence)
    if rows < 2:
        return Interval(least, most)
    half = quantile(confidence) * float(influence.std(ddof=1)) / sqrt(rows)
    return Interval(max(least, value - half), min(most, value + half))


def resampled(statistic: Callable[[NDArray[np.intp]], float], rows: int, confidence: float) -> Interval:
    """Of a statistic of rows, which are given to it by their places, some more than once.

    Of a confidence that fewer than FEWEST_BEYOND resamples would lie beyond on either side, their ends say nothing:
    then it is by their standard error, and from as far below the value as they lie above it, on average. A statistic
    that chance makes larger, as a distance, is larger than the truth by about as much as theirs are larger than it.
    """
    random = np.random.default_rng(SEED)
    size = min(rows, MOST_RESAMPLED)
    found = [statistic(random.integers(0, rows, size)) for _ in range(RESAMPLES)]
    if RESAMPLES * (1 - confidence) / 2 < FEWEST_BEYOND:
        value, half = statistic(np.arange(rows)), quantile(confidence) * float(np.std(found, ddof=1))
        less = 2 * value - float(np.mean(found))
        return Interval(min(value, less) - half, max(value, less) + half)
    low, high = np.quantile(found, (0.5 - confidence / 2, 0.5 + confidence / 2))
    return Interval(float(low), float(high))
