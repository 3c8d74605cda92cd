"""The limits that figures are judged by: a policy's section as the detectors take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitoring.errors import DetectError

Delta = float | Literal["auto"]
Rule = Literal["e-detector", "ks-bonferroni", "ks-benjamini-hochberg", "psi"]
RULES: tuple[Rule, ...] = ("e-detector", "ks-bonferroni", "ks-benjamini-hochberg", "psi")


@dataclass(frozen=True, slots=True)
class Limits:
    """What warns, pages and clears.

    Attributes:
        rule: how an alarm comes about; the others are the classic ones (monitoring/detect/classic.py).
        warn_delta, page_delta: tolerances of the two e-detectors; `auto` never refuses a reference.
        run: panes between false alarms on average, over all columns together.
        page_distance: a page needs a lower bound of D of at least this,
        page_rows: and a window of at least so many rows.
        clear_distance: an alarm ends when the upper bound of D stays below this
        clear_windows: for so many windows' worth of records.
        cooldown: seconds after a page before the same column may page again.
        alpha: of the classic tests.
        psi_warn, psi_page: of the classic index.
    """

    rule: Rule = "e-detector"
    warn_delta: Delta = 0.03
    page_delta: Delta = 0.05
    run: float = 400_000
    page_distance: float = 0.10
    page_rows: int = 1_000
    clear_distance: float = 0.05
    clear_windows: int = 3
    cooldown: float = 3_600
    alpha: float = 0.05
    psi_warn: float = 0.1
    psi_page: float = 0.2

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other.

        Raises:
            DetectError: which one, and why.
        """
        deltas = [each for each in (self.warn_delta, self.page_delta) if each != "auto"]
        checks = {
            f"rule {self.rule!r} is none of {', '.join(RULES)}": self.rule in RULES,
            "a delta is not between 0 and 0.5": all(0 < each < 0.5 for each in deltas),
            "warn_delta is above page_delta": len(deltas) < 2 or deltas[0] <= deltas[1],
            "run is below 1": self.run >= 1,
            "page_distance and clear_distance: 0 < clear ≤ page ≤ 1 does not hold": 0
            < self.clear_distance
            <= self.page_distance
            <= 1,
            "page_rows, clear_windows or cooldown is negative": min(
                self.page_rows, self.clear_windows, self.cooldown
            )
            >= 0,
            "alpha is not between 0 and 1": 0 < self.alpha < 1,
            "psi_warn and psi_page: 0 < warn ≤ page does not hold": 0 < self.psi_warn <= self.psi_page,
        }
        for text, holds in checks.items():
            if not holds:
                raise DetectError(f"drift limits: {text}")
