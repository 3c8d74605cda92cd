"""All figures of one reference's columns: `Detector` takes panes and windows, `ColumnFigures` come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitoring.errors import DetectError
from registry.reference import Column, Reference

from .chi2 import homogeneity
from .edetector import EDetector, choose_delta
from .edges import choose_edges
from .effect import Effects, EffectState
from .ks import bounds, p_value
from .limits import Limits
from .lines import Counts, Floats, Lines
from .psi import Unions

WARN_DELTA, PAGE_DELTA = 0.03, 0.05
"""What `auto` takes where the reference supports it."""


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """One column: of its window, and of all panes so far.

    Attributes:
        name: of the feature or score.
        rows: of the window.
        ks_lower, ks_upper: bounds of the distance between window and reference, 0 … 1.
        psi, psi_debiased: of the window; the second less its expectation without drift, may be negative.
        log_e_warn, log_e_page: natural logarithms of the e-values after the newest pane, before a restart;
            -inf before the first pane.
        effect: design effect that the newest pane was judged with, at least 1.
        missing, out_of_range, unseen: shares of the window's rows. Out of range is below the reference's
            least or above its greatest number, or an infinity that the reference does not have.
        p: of the classic test (KS of a number, chi-square of a category); 1 where no rule asks for it.
    """

    name: str
    rows: int
    ks_lower: float
    ks_upper: float
    psi: float
    psi_debiased: float
    log_e_warn: float
    log_e_page: float
    effect: float
    missing: float
    out_of_range: float
    unseen: float
    p: float = 1.0


@dataclass(frozen=True, slots=True)
class DetectorState:
    """What goes from pane to pane: bounded, immutable, the same bits after `encode` and `decode`.

    Attributes:
        warn, page: of the two e-detectors.
        effects: of the design effects.
        log_e_warn, log_e_page, effect: [columns] what the newest pane gave; in the figures.
    """

    warn: Floats
    page: Floats
    effects: EffectState
    log_e_warn: Floats
    log_e_page: Floats
    effect: Floats


class Detector:
    """The detectors of one reference's columns. Holds no state between calls; safe to share.

    Args:
        columns: the features or the scores of `reference`, or some of them.
        reference: whose rows decide what tolerance is possible.
        limits: tolerances and thresholds.

    Raises:
        DeltaRefused: the reference has too few rows for the limits' deltas.
    """

    def __init__(self, columns: Sequence[Column], reference: Reference, limits: Limits) -> None:
        self.columns = tuple(columns)
        self.limits = limits
        self.lines = Lines(self.columns)
        self.unions = Unions(self.lines)
        self._edges = choose_edges(self.lines)
        self._effects = Effects(self._edges)
        self.warn = EDetector(self._edges, choose_delta(limits.warn_delta, WARN_DELTA, reference), limits.run)
        self.page = EDetector(self._edges, choose_delta(limits.page_delta, PAGE_DELTA, reference), limits.run)
        extra = self.lines.starts + np.array([len(column.counts) for column in self.columns], np.intp)
        self._extra = extra[:, None] + np.arange(6)
        finite = [[not column.negative_infinity, not column.positive_infinity] for column in self.columns]
        self._strange = np.array(finite, np.int64).reshape(-1, 2)

    @property
    def threshold(self) -> float:
        """Of log_e_warn and log_e_page: ln(run · columns)."""
        return self.warn.threshold

    def start(self) -> DetectorState:
        """Before the first pane."""
        none = np.full(len(self.columns), -np.inf)
        return DetectorState(
            self.warn.start(),
            self.page.start(),
            self._effects.start(),
            none,
            none,
            np.ones(len(self.columns)),
        )

    def primed(self, panes: Iterable[Counts]) -> DetectorState:
        """Before the first of these panes, with the design effects that all of them together show.

        A start that knows nothing takes bursts for drift until it has seen them for a while.
        """
        effects = self._effects.start()
        for pane in panes:
            effects = self._effects.step(effects, *self._edges.below(self.lines, pane))
        began = self._effects.start()
        return replace(self.start(), effects=replace(began, mean=effects.mean, panes=effects.panes))

    def step(self, state: DetectorState, pane: Counts) -> DetectorState:
        """Take the counts of the next pane. MUST be given each pane once, in the order of its stream.

        Raises:
            DetectError: counts of another shape.
        """
        below, rows = self._edges.below(self.lines, pane)
        effect = self._effects.effect(state.effects)
        warn = self.warn.step(state.warn, below, rows, effect)
        page = self.page.step(state.page, below, rows, effect)
        effects = self._effects.step(state.effects, below, rows)
        return DetectorState(warn.state, page.state, effects, warn.log_e, page.log_e, effect)

    def figures(self, state: DetectorState, window: Counts) -> tuple[ColumnFigures, ...]:
        """The figures after the newest pane, and of a window: the sum of panes that the caller chooses.

        Raises:
            DetectError: counts of another shape.
        """
        distance, index = bounds(self.lines, window), self.unions.index(window)
        rows = self.lines.totals(window)
        extra = window.take(self._extra) / np.maximum(rows, 1)[:, None]
        outside = extra[:, 3] + extra[:, 4] + (extra[:, 1:3] * self._strange).sum(axis=1)
        p = self._p_values(window, distance.lower, rows)
        table = zip(
            rows.tolist(), distance.lower.tolist(), distance.upper.tolist(), index.psi.tolist(),
            index.debiased.tolist(), state.log_e_warn.tolist(), state.log_e_page.tolist(),
            state.effect.tolist(), extra[:, 0].tolist(), outside.tolist(), extra[:, 5].tolist(), p.tolist(),
            strict=True,
        )  # fmt: skip
        return tuple(
            ColumnFigures(column.name, *row) for column, row in zip(self.columns, table, strict=True)
        )

    def _p_values(self, window: Counts, distance: Floats, rows: Counts) -> Floats:
        """[columns] where a classic rule asks for them."""
        values = np.ones(len(self.columns))
        if not self.limits.rule.startswith("ks"):
            return values
        line = self.lines.take(window)
        for place, column in enumerate(self.columns):
            if column.kind == "category":
                part = self.lines.part(place)
                values[place] = homogeneity(line[part], self.lines.reference[part]).p
            else:
                values[place] = p_value(float(distance[place]), int(rows[place]), int(self.lines.rows[place]))
        return values

    def encode(self, state: DetectorState) -> bytes:
        """The state as little-endian float64, to be kept beside the offsets that it covers."""
        parts = [
            state.warn, state.page, self._effects.numbers(state.effects), state.log_e_warn, state.log_e_page,
            state.effect,
        ]  # fmt: skip
        return np.concatenate(parts).astype("<f8").tobytes()

    def decode(self, data: bytes) -> DetectorState:
        """Read what `encode` wrote, bit by bit.

        Raises:
            DetectError: not a state of these columns and limits.
        """
        columns = len(self.columns)
        sizes = [self.warn.size, self.page.size, self._effects.size, columns, columns, columns]
        if len(data) != 8 * sum(sizes):
            raise DetectError(f"a detector's state of {len(data)} bytes, and not of {8 * sum(sizes)}")
        flat = np.frombuffer(data, "<f8").astype(np.float64)
        warn, page, effects, log_warn, log_page, effect = np.split(flat, np.cumsum(sizes)[:-1])
        if np.isnan(flat).any() or not (effect >= 1).all():
            raise DetectError("a detector's state holds what no pane gives: NaN, or a design effect below 1")
        return DetectorState(
            self.warn.restore(warn), self.page.restore(page), self._effects.restore(effects),
            log_warn, log_page, effect,
        )  # fmt: skip
