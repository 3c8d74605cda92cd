"""By how much a canary is worse than live, at least and at most, by bounds that hold at all times (`sequence`). Pure.

Shares differ by at least the one slot's lower bound less the other's upper one, and at most the other way round. A
quantile lies between the edges of two bins; a ratio of quantiles is of such edges, so that it is known to the bins'
width alone. What is quicker than the first bound counts as that.

Levels. A quantile needs none for each bin: its bound is wrong only when that of the one bin which holds it is. Nor does
an upper bound of a distance for each cut: it is too small only when that at the cut of the largest distance is. A lower
one is the largest of many, each of which may be wrong, and shares the level between them.

Between two cuts nothing is known: at most all of the one slot's scores there lie below all of the other's. So the upper
bound is of a part's upper end for the one, and of its lower end for the other. A part of one value has no inside.
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


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of one score by the parts [parts] in which their bins lie, each in one or more (`leading.scores`)."""

    begins: Counts
    """By the part in which a row's bin begins …"""
    ends: Counts
    """… and by that in which it ends."""


def apart(
    canary: Parts, live: Parts, single: NDArray[np.bool_], effect: float, levels: Levels, columns: int
) -> Found:
    """Of two distributions of which parts are known: the largest difference of shares below any value, either way.

    Args:
        canary: its rows.
        live: its rows.
        single: [parts], which of them hold one value alone.
        effect: by which rows are fewer than they seem.
        levels: see there.
        columns: that are compared, and share the lower end's level.
    """
    cuts = len(single) - 1
    surely = np.stack([np.cumsum(each.ends)[:-1] for each in (canary, live)]) / effect
    perhaps = np.stack([np.cumsum(each.begins)[:-1] for each in (canary, live)]) / effect
    rows = np.array([[canary.ends.sum()], [live.ends.sum()]]) / effect
    at_least = 0.0
    if cuts:
        share = levels.back / cuts / columns
        lower, upper = bounds(surely, rows, share)[0], bounds(perhaps, rows, share)[1]
        at_least = max(0.0, float((lower[0] - upper[1]).max()), float((lower[1] - upper[0]).max()))
    lower, upper = bounds(surely, rows, levels.move)[0], bounds(perhaps, rows, levels.move)[1]
    # The shares below each part's lower end, and up to its upper one.
    beneath = np.pad(lower, ((0, 0), (1, 0)))
    up_to = np.pad(upper, ((0, 0), (0, 1)), constant_values=1.0)
    inside = np.maximum(up_to[0] - beneath[1], up_to[1] - beneath[0])[~single].max()
    at_cuts = np.maximum(upper[0] - lower[1], upper[1] - lower[0]).max(initial=0.0)
    return Found(at_least, float(max(inside, at_cuts)))


def distance(canary: Counts, live: Counts, effect: float, levels: Levels, columns: int) -> Found:
    """Of two distributions at the bins' edges alone: the largest difference of shares below one, either way.

    What lies between two edges it does not see, so that it is no bound of the whole difference: as comparisons have it
    that were signed before there was `apart`.

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
