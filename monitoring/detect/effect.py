"""Design effects: how much more a column's panes vary than panes of independent records would.

Records that come in bursts, twice, or from few callers carry less than they count; taken as independent, any
detector alarms on them. At each edge of a column the shares of two panes that follow each other differ by a
variance of s (1 - s) (1/n₁ + 1/n₂) if the records are independent, s the share of both together. The squared
difference over that variance, averaged over the edges and with exponential weights over the panes, is the
design effect (Kish 1965: the variance over that of a simple random sample), and at least 1.

A mean below CHANCE counts as 1: independent records come to it too, and dividing by it would only cost delay.

Differences of neighbours, and not deviations from the reference or a mean: a drift that stays is then in one
difference only, and cannot excuse itself as variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import DetectError

from .edges import Edges
from .lines import Floats

MEMORY: Final = 64
"""Panes that the mean remembers: the newest difference has a weight of 1 / MEMORY at least."""
PRIOR: Final = 8
"""Panes of independent records that the mean begins with: one odd first pair decides nothing."""

CHANCE: Final = 1.25
"""What the mean of MEMORY panes of independent records exceeds one time in twenty (its deviation is 0.14)."""


@dataclass(frozen=True, slots=True)
class EffectState:
    """Bounded: what one pane leaves to the next.

    Attributes:
        below: [edges] of the newest pane with rows of that column.
        rows: [columns] of it; 0 before the first.
        mean: [columns] of the ratios; 1 before the first.
        panes: [columns] that the mean is of, PRIOR and MEMORY at most included.
    """

    below: Floats
    rows: Floats
    mean: Floats
    panes: Floats


class Effects:
    """The design effects of one reference's columns. Holds no state: the caller keeps it."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self.columns = len(edges.starts)

    @property
    def size(self) -> int:
        """Numbers in a state."""
        return len(self._edges.cells) + 3 * self.columns

    def start(self) -> EffectState:
        """Before the first pane: no burst was seen, the effect is 1."""
        zeros, ones = np.zeros(self.columns), np.ones(self.columns)
        return EffectState(np.zeros(len(self._edges.cells)), zeros, ones, PRIOR * ones)

    def effect(self, state: EffectState) -> Floats:
        """[columns] 1, or at least CHANCE."""
        return np.where(state.mean < CHANCE, 1.0, state.mean)

    def step(self, state: EffectState, below: NDArray[np.int64], rows: NDArray[np.int64]) -> EffectState:
        """Take one pane, as `Edges.below` gives it. A column without rows in it stays as it is."""
        edges = self._edges
        if not self.columns:
            return state
        old, new = state.rows, rows.astype(np.float64)
        comparable = (old > 0) & (new > 0)
        n1, n2 = np.maximum(old, 1)[edges.column], np.maximum(new, 1)[edges.column]
        pooled = (state.below + below) / (n1 + n2)
        variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2)
        varies = variance > 0  # an edge with nothing, or all, at or below it says nothing
        squares = np.where(varies, (state.below / n1 - below / n2) ** 2 / np.where(varies, variance, 1), 0.0)
        edges_that_vary = np.add.reduceat(varies.astype(np.float64), edges.starts)
        ratio = np.add.reduceat(squares, edges.starts) / np.maximum(edges_that_vary, 1)
        learns = comparable & (edges_that_vary > 0)
        panes = np.where(learns, np.minimum(state.panes + 1, MEMORY), state.panes)
        mean = np.where(learns, state.mean + (ratio - state.mean) / panes, state.mean)
        keep = new[edges.column] > 0
        return EffectState(
            np.where(keep, below.astype(np.float64), state.below), np.where(new > 0, new, old), mean, panes
        )

    def numbers(self, state: EffectState) -> Floats:
        """One array [size] to be stored."""
        return np.concatenate([state.below, state.rows, state.mean, state.panes])

    def restore(self, numbers: Sequence[float] | Floats) -> EffectState:
        """A state that was stored, bit by bit.

        Raises:
            DetectError: it is not one of these columns, or no state at all.
        """
        flat = np.array(numbers, np.float64)
        if flat.shape != (self.size,) or not np.isfinite(flat).all() or (flat < 0).any():
            raise DetectError(f"a state of {list(flat.shape)} numbers, and not of {self.size}, zero or more")
        below, rows, mean, panes = np.split(flat, len(self._edges.cells) + self.columns * np.arange(3))
        return EffectState(below, rows, mean, panes)
