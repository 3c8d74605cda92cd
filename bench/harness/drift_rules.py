"""Policies on one stream of thirty features: ours, the classic rules on windows of 1,000, and Evidently's."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from monitoring.detect.classic import benjamini_hochberg, bonferroni, psi_over
from monitoring.detect.count import Counter
from monitoring.detect.figures import Detector
from monitoring.detect.judge import Standing, judge
from monitoring.detect.ks import bounds, p_value
from monitoring.detect.limits import Limits
from monitoring.settings import MonitorSettings
from registry.policy import Rule as PolicyRule
from registry.reference import Column, Reference, number_column

WIDTH, PANE, WINDOW = 30, 250, 1_000
DEFAULT_PANE: int = MonitorSettings.model_fields["pane_records"].default
DEFAULT_WINDOW: int = PolicyRule.model_fields["window_rows"].default
ROWS = 50_000


@dataclass(frozen=True)
class Watched:
    """A reference of 50,000 rows of thirty independent normal features, and what counts with it."""

    table: np.ndarray
    columns: tuple[Column, ...]
    reference: Reference
    counter: Counter
    detector: Detector


def normal(seed: int, rows: int) -> np.ndarray:
    """[rows, 30] float32."""
    return np.random.default_rng(seed).standard_normal((rows, WIDTH), dtype=np.float32)


def watched(seed: int) -> Watched:
    """The reference that all policies have."""
    table = normal(seed, ROWS)
    columns = tuple(number_column(f"x{place}", table[:, place]) for place in range(WIDTH))
    reference = Reference(ROWS, columns, ())
    return Watched(table, columns, reference, Counter(columns), Detector(columns, reference, Limits()))


class Policy(Protocol):
    """Takes panes of 250 records. `take` MUST answer which features alarm, or None where it does not check yet."""

    name: str
    every: int

    def take(self, block: np.ndarray) -> np.ndarray | None:
        """The next pane [250, 30]."""


Rule = Callable[[Watched, np.ndarray], np.ndarray]


def _p_values(of: Watched, counts: np.ndarray) -> np.ndarray:
    lower = bounds(of.detector.lines, counts).lower
    return np.array([p_value(float(distance), WINDOW, ROWS) for distance in lower])


def _psi(of: Watched, counts: np.ndarray) -> np.ndarray:
    return of.detector.unions.index(counts).psi


def fixed_rules() -> dict[str, Rule]:
    """The classic ones, by what they are called in the table."""
    return {
        "KS p < 0.05": lambda of, counts: _p_values(of, counts) < 0.05,
        "KS p, Bonferroni": lambda of, counts: bonferroni(_p_values(of, counts), 0.05),
        "KS p, Benjamini–Hochberg": lambda of, counts: benjamini_hochberg(_p_values(of, counts), 0.05),
        "PSI ≥ 0.1": lambda of, counts: psi_over(_psi(of, counts), 0.1),
        "PSI ≥ 0.2": lambda of, counts: psi_over(_psi(of, counts), 0.2),
    }


class Fixed:
    """A classic rule on windows of 1,000 that do not overlap."""

    every = WINDOW

    def __init__(self, of: Watched, name: str) -> None:
        self.name = f"{name}, window 1,000"
        self._of, self._rule = of, fixed_rules()[name]
        self._counts, self._rows = np.zeros(of.counter.size, np.int64), 0

    def take(self, block: np.ndarray) -> np.ndarray | None:
        """Every fourth pane ends a window."""
        self._counts += self._of.counter.count(block)
        self._rows += len(block)
        if self._rows < WINDOW:
            return None
        fired = self._rule(self._of, self._counts)
        self._counts[:], self._rows = 0, 0
        return fired


class Tolerance:
    """One e-detector alone, checked at every pane, with the design effect."""

    every = PANE

    def __init__(self, of: Watched, delta: float) -> None:
        self.name = f"e-detector δ = {delta}, every 250"
        self._of, self._warn = of, delta == 0.03
        self._state = of.detector.start()

    def take(self, block: np.ndarray) -> np.ndarray:
        """Every pane is a check."""
        self._state = self._of.detector.step(self._state, self._of.counter.count(block))
        log_e = self._state.log_e_warn if self._warn else self._state.log_e_page
        return log_e >= self._of.detector.threshold


class Judged:
    """What pages by the default limits, with a window of some panes."""

    every = PANE

    def __init__(self, of: Watched, panes: int) -> None:
        self.name = f"page: δ = 0.05 and D ≥ 0.10 in {panes * PANE:,}, every 250"
        self._of, self._ring = of, deque(maxlen=panes)
        self._sum = np.zeros(of.counter.size, np.int64)
        self._state = of.detector.start()
        self._standings = (Standing(),) * WIDTH
        self._checks = 0

    def take(self, block: np.ndarray) -> np.ndarray:
        """Every pane is a check of the newest panes."""
        detector = self._of.detector
        counts = self._of.counter.count(block)
        if len(self._ring) == self._ring.maxlen:
            self._sum -= self._ring[0]
        self._ring.append(counts)
        self._sum += counts
        self._state = detector.step(self._state, counts)
        self._checks += 1
        self._standings, _ = judge(
            self._standings, detector.figures(self._state, self._sum), detector.limits, detector.threshold,
            now=float(self._checks), position=self._checks * len(block),
        )  # fmt: skip
        return np.array([one.severity == "page" for one in self._standings])


class Default(Judged):
    """By the product's own sizes: panes of 256, distances of 2,000 rows at least, which are eight whole panes.

    Panes of 250 are cut anew: it answers when one of its own is full, and of the newest of them.
    """

    every = DEFAULT_PANE

    def __init__(self, of: Watched) -> None:
        super().__init__(of, -(-DEFAULT_WINDOW // DEFAULT_PANE))
        self.name = f"page, the defaults: δ = 0.05 and D ≥ 0.10 in {DEFAULT_WINDOW:,}, every {DEFAULT_PANE}"
        self._left = np.empty((0, WIDTH), np.float32)

    def take(self, block: np.ndarray) -> np.ndarray | None:
        """Answers for each pane of its own that is full now."""
        self._left = np.concatenate([self._left, block])
        found = None
        while len(self._left) >= self.every:
            found = super().take(self._left[: self.every])
            self._left = self._left[self.every :]
        return found


class Evidently:
    """Evidently's own default rule a column at this size: its normed Wasserstein distance ≥ 0.1, by its own code."""

    every = WINDOW

    def __init__(self, of: Watched) -> None:
        self.name = "Evidently's default rule, window 1,000"
        self._of, self._blocks = of, []

    def take(self, block: np.ndarray) -> np.ndarray | None:
        """Every fourth pane ends a window."""
        self._blocks.append(block)
        if len(self._blocks) * PANE < WINDOW:
            return None
        window, self._blocks = np.concatenate(self._blocks), []
        with quietly():
            import pandas as pd
            from evidently.legacy.calculations.stattests import wasserstein_stat_test
            from evidently.legacy.core import ColumnType

            return np.array([
                bool(wasserstein_stat_test(
                    pd.Series(self._of.table[:, place]), pd.Series(window[:, place]), ColumnType.Numerical, 0.1
                ).drifted)
                for place in range(WIDTH)
            ])  # fmt: skip


def evidently_rate(of: Watched) -> float:
    """Records a second of processor time through its report: one check of 1,000 records, all features."""
    with quietly():
        import pandas as pd
        from evidently import Report
        from evidently.presets import DataDriftPreset

        tables = [pd.DataFrame(each).rename(columns=str) for each in (normal(77, WINDOW), of.table)]
        begin = time.process_time()
        Report([DataDriftPreset()]).run(*tables).dict()
        return WINDOW / (time.process_time() - begin)


class quietly(warnings.catch_warnings):  # noqa: N801 - used as a with statement's word
    """Evidently without its deprecation warnings and without its telemetry."""

    def __enter__(self) -> None:
        os.environ["DO_NOT_TRACK"] = "1"
        super().__enter__()
        warnings.simplefilter("ignore")
