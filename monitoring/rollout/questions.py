"""By how much a canary is worse than live, at least and at most, by bounds that hold at all times (`sequence`). Pure.

Shares differ by at least the one slot's lower bound less the other's upper one, and at most the other way round. A
quantile lies between the edges of two bins; a ratio of quantiles is of such edges, so that it is known to the bins'
width alone. What is quicker than the first bound counts as that.

Levels. A quantile needs none for each bin: its bound is wrong only when that of the one bin which holds it is. Nor does
an upper bound of a distance for each cut: it is too small only when that at the cut of the largest distance is. A lower
one is the largest of many, each of which may be wrong, and shares the level between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .sequence import bounds

Counts = NDArray[np.int64]
Cumulated = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Levels:
    """Probabilities that one slot's bounds are ever wrong: of the lower end of a difference, and of its upper one."""

    back: float
    move: float


@dataclass(frozen=True, slots=True)
class Found:
    """A difference, from `at_least` to `at_most`; infinite where nothing is known of its size."""

    at_least: float
    at_most: float


NOTHING: Final = Found(0.0, float("inf"))


def share(hits: tuple[float, float], trials: tuple[float, float], levels: Levels) -> Found:
    """By how much the canary's share is larger. Pairs are (canary, live)."""
    lower, upper = bounds(hits, trials, levels.back)
    at_least = max(0.0, float(lower[0] - upper[1]))
    lower, upper = bounds(hits, trials, levels.move)
    return Found(at_least, max(0.0, float(upper[0] - lower[1])))


def distance(canary: Counts, live: Counts, effect: float, levels: Levels, columns: int) -> Found:
    """Of two distributions at the bins' edges: the largest difference of shares below one, either way.

    Args:
        canary: [bins] rows.
        live: [bins] rows.
        effect: by which rows are fewer than they seem.
        levels: see there.
        columns: that are compared, and share the lower end's level.
    """
    cuts = len(canary) - 1
    if cuts < 1:
        return Found(0.0, 0.0)  # one bin holds everything: there is nowhere to differ
    hits = np.stack([np.cumsum(canary)[:-1], np.cumsum(live)[:-1]]) / effect
    rows = np.array([[canary.sum()], [live.sum()]]) / effect
    lower, upper = bounds(hits, rows, levels.back / cuts / columns)
    at_least = max(0.0, float((lower[0] - upper[1]).max()), float((lower[1] - upper[0]).max()))
    lower, upper = bounds(hits, rows, levels.move)
    return Found(at_least, float(np.maximum(upper[0] - lower[1], upper[1] - lower[0]).max()))


def slower(
    canary: Counts, live: Counts, seconds: tuple[float, ...], quantile: float, effect: float, levels: Levels
) -> Found:
    """How many times live's quantile of latency the canary's is.

    `seconds`: upper bounds of the bins, ascending; one bin more is above all of them.
    """
    hits = np.stack([np.cumsum(canary)[:-1], np.cumsum(live)[:-1]]) / effect
    rows = np.array([[canary.sum()], [live.sum()]]) / effect
    low, high = _between(*bounds(hits, rows, levels.back), seconds, quantile)
    at_least = low[0] / high[1]
    low, high = _between(*bounds(hits, rows, levels.move), seconds, quantile)
    # Of two infinite ends nothing is known, either.
    return Found(at_least, high[0] / max(low[1], seconds[0]) if np.isfinite(high[0]) else float("inf"))


def resolution(seconds: tuple[float, ...]) -> float:
    """Below which no ratio can be shown: of two slots that are alike each may lie in either of two bins."""
    return max((later / first for first, later in zip(seconds, seconds[2:], strict=False)), default=1.0)


def _between(
    lower: NDArray[np.float64], upper: NDArray[np.float64], seconds: tuple[float, ...], quantile: float
) -> tuple[list[float], list[float]]:
    """Between which edges each slot's quantile lies, whatever is still to come."""
    low, high = [], []
    for beneath, above in zip(lower, upper, strict=True):
        beyond, reached = np.flatnonzero(above < quantile), np.flatnonzero(beneath >= quantile)
        low.append(seconds[beyond[-1]] if len(beyond) else 0.0)
        high.append(seconds[reached[0]] if len(reached) else float("inf"))
    return low, high
