"""Bounds of shares that hold at every moment at once: looking again and again costs nothing.

Robbins' mixture for Bernoulli trials ("Statistical methods related to the law of the iterated logarithm", 1970; Howard,
Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021): with k of n,
under a true share p, the ratio of the likelihood averaged over Beta(1/2, 1/2) to the likelihood at p is a martingale
that begins at 1. By Ville's inequality it ever reaches 1/α with probability at most α, so the p at which it has not are
a confidence set at all n together.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, xlog1py, xlogy

_PRIOR: Final = 0.5
_HALVINGS: Final = 40
"""Of an interval of at most 1: to 1e-12, on the safe side."""


def bounds(
    hits: ArrayLike, trials: ArrayLike, alpha: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of shares; each pair holds at all times with probability 1 − alpha.

    Args:
        hits: of each share, 0 to `trials`; not whole when a design effect has divided them.
        trials: of each share, ≥ 0; of none the bounds are 0 and 1.
        alpha: in (0, 1).
    """
    k, n, level = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(trials, np.float64), alpha)
    level = level.astype(np.float64)
    floor = betaln(k + _PRIOR, n - k + _PRIOR) - betaln(_PRIOR, _PRIOR) + np.log(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        peak = np.where(n > 0, k / np.where(n > 0, n, 1), 0.5)
    lower = _edge(k, n, floor, np.zeros_like(peak), peak)
    upper = _edge(k, n, floor, np.ones_like(peak), peak)
    none = n <= 0
    return np.where(none, 0.0, lower), np.where(none, 1.0, upper)


def _edge(
    k: NDArray[np.float64],
    n: NDArray[np.float64],
    floor: NDArray[np.float64],
    outside: NDArray[np.float64],
    inside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where the log likelihood falls to `floor` between `inside`, its maximum, and `outside`: on the safe side."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        within = xlogy(k, middle) + xlog1py(n - k, -middle) > floor
        inside = np.where(within, middle, inside)
        outside = np.where(within, outside, middle)
    return outside
