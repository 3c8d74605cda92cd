"""The tolerance e-detector: a sequential test of "the distribution is within δ of the reference" that may be
looked at after every pane, for ever, without false alarms piling up.

For each edge with reference share r, each side and each alternative a in ALTERNATIVES: p = r ± δ is the
boundary of no drift that matters, q = p ± a what is looked for. With k of a pane's n rows at or below the
edge,

    L = (q / p)^k · ((1 - q) / (1 - p))^(n - k)          M ← (M + 1) · L

While the true share is on the reference's side of p, E[L] ≤ 1 and M is a Shiryaev–Roberts e-detector (Shin,
Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection"); so is the mean of
M over all edges, sides and alternatives of a column. When one column's mean reaches A · columns, the mean over
all columns, an e-detector too, reaches A: the mean run to a false alarm on any column is at least A panes,
whatever the dependence between columns.

log L is divided by the column's design effect (monitoring/detect/effect.py), which MUST be known before the
pane: L^(1/d) with d ≥ 1 keeps E ≤ 1 only then (Jensen). Everything is in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import DeltaRefused, DetectError
from registry.reference import Reference, dkw_radius

from .edges import Edges
from .lines import Floats

ALTERNATIVES: Final = (0.03, 0.08, 0.2)
NEAR_ZERO: Final = 0.001
"""An alternative with q outside (NEAR_ZERO, 1 - NEAR_ZERO) is left out: one row would decide."""


def choose_delta(wanted: float | Literal["auto"], default: float, reference: Reference) -> float:
    """The tolerance δ for this reference.

    A number MUST be at least the reference's DKW radius: below it, the reference itself may be further from
    the truth, and the detector would find that. `auto`: `default`, or the radius where that is larger, which
    is the smallest that the reference supports.

    Raises:
        DeltaRefused: the reference has too few rows for δ; the message says how many it takes.
        DetectError: δ is not between 0 and 0.5.
    """
    radius = reference.radius
    if wanted == "auto":
        return max(default, radius)
    if not 0 < wanted < 0.5:
        raise DetectError(f"delta is {wanted}; it is a distance of distributions, above 0 and below 0.5")
    if wanted < radius:
        rows = math.ceil((dkw_radius(1, reference.level) / wanted) ** 2)
        few = "training table" if reference.rows <= reference.scored else "hold-out"
        raise DeltaRefused(
            f"delta {wanted} is less than the reference knows its own distribution by (±{radius:.4f}): it takes "
            f"a {few} of {rows:,} rows; or a delta of at least {radius:.4f}, or `auto`"
        )
    return wanted


@dataclass(frozen=True, slots=True)
class Step:
    """What a pane did.

    Attributes:
        state: [pairs] log M after it; of columns with an alarm all -inf, which is M = 0: begun anew.
        log_e: [columns] natural logarithm of the mean of M, before that.
        alarm: [columns] whether it reached the threshold.
    """

    state: Floats
    log_e: Floats
    alarm: NDArray[np.bool_]


class EDetector:
    """One tolerance for all columns of one reference. Holds no state: that is an array which the caller keeps.

    Args:
        edges: of the columns.
        delta: δ, at least the reference's DKW radius (`choose_delta`).
        run: A, the mean number of panes between false alarms, over all columns together.
    """

    def __init__(self, edges: Edges, delta: float, run: float) -> None:
        if not 0 < delta < 0.5 or run < 1:
            raise DetectError(f"an e-detector of delta {delta} and run {run}")
        self.delta = delta
        self.threshold = math.log(run * max(1, len(edges.starts)))
        pairs = [
            pair for place in range(len(edges.share)) for pair in _pairs(place, edges.share[place], delta)
        ]
        self._edge = np.array([pair[0] for pair in pairs], np.intp)
        p, q = (np.array([pair[side] for pair in pairs], np.float64) for side in (1, 2))
        self._hit = np.log(q / p)
        self._miss = np.log((1 - q) / (1 - p))
        self._column = edges.column[self._edge]
        self._sizes = np.bincount(self._column, minlength=len(edges.starts)).astype(np.intp)
        self._starts = (np.cumsum(self._sizes) - self._sizes).astype(np.intp)
        if (self._sizes == 0).any():
            raise DetectError(f"delta {delta} leaves no alternative to look for")
        self._log_sizes = np.log(self._sizes)

    @property
    def size(self) -> int:
        """Numbers in the state."""
        return len(self._edge)

    def start(self) -> Floats:
        """The state before the first pane: M = 0."""
        return _frozen(np.full(self.size, -np.inf))

    def restore(self, numbers: Sequence[float] | Floats) -> Floats:
        """A state that was stored, bit by bit.

        Raises:
            DetectError: it is not one of this reference and δ, or no state at all.
        """
        state = np.array(numbers, np.float64)
        if state.shape != (self.size,) or np.isnan(state).any() or (state == np.inf).any():
            raise DetectError(f"a state of {list(state.shape)} numbers, and not of {self.size} log e-values")
        return _frozen(state)

    def step(self, state: Floats, below: NDArray[np.int64], rows: NDArray[np.int64], effect: Floats) -> Step:
        """Take one pane: `below` [edges] and `rows` [columns] as `Edges.below` gives them, `effect` [columns].

        An empty pane only ages the state by one look.
        """
        k, n = below[self._edge], rows[self._column]
        log_l = (k * self._hit + (n - k) * self._miss) / effect[self._column]
        # ln(M + 1) of ln M: as np.logaddexp(state, 0), and twice as fast.
        after = np.maximum(state, 0.0) + np.log1p(np.exp(-np.abs(state))) + log_l
        log_e = self._log_mean(after)
        alarm = log_e >= self.threshold
        after[alarm[self._column]] = -np.inf
        return Step(_frozen(after), log_e, alarm)

    def log_e(self, state: Floats) -> Floats:
        """Natural logarithm [columns] of the mean of M; -inf where nothing was seen."""
        return self._log_mean(state)

    def _log_mean(self, state: Floats) -> Floats:
        if not len(self._starts):
            return np.empty(0)
        most = np.maximum.reduceat(state, self._starts)
        safe = np.where(np.isfinite(most), most, 0.0)
        sums = np.add.reduceat(np.exp(state - safe[self._column]), self._starts)
        with np.errstate(divide="ignore"):
            means: Floats = np.log(sums) + safe - self._log_sizes
        return means


def _pairs(edge: int, share: float, delta: float) -> list[tuple[int, float, float]]:
    """(edge, p, q) of both sides and all alternatives."""
    pairs = []
    for side in (1, -1):
        p = share + side * delta
        for alternative in ALTERNATIVES:
            q = p + side * alternative
            if NEAR_ZERO < q < 1 - NEAR_ZERO:
                pairs.append((edge, p, q))
    return pairs


def _frozen(numbers: Floats) -> Floats:
    numbers.setflags(write=False)
    return numbers
