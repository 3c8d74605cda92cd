"""Figures → warn, page, clear: a pure state machine for each column, with the clock handed in.

e-detector (the default):
    warn   its e-value at the smaller tolerance reached the threshold
    page   that at the larger one did, now or since the last clear; the lower bound of D is at least
           `page_distance` in a window of at least `page_rows`; and no page came in the last `cooldown`
    clear  the upper bound of D stayed below `clear_distance` for `clear_windows` windows' worth of records
Evidence stays until it is cleared: the e-detector begins anew after an alarm, and a page may have to wait
for its window to fill. An alarm that stands is never lowered but by a clear (latch).

The classic rules: p-values or PSI of each window in place of both e-values and distances; clear when the
rule no longer holds for as long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from monitoring.errors import DetectError

from .classic import benjamini_hochberg, bonferroni, psi_over
from .figures import ColumnFigures
from .limits import Limits

Severity = Literal["warn", "page"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is said of one column, and what is remembered for it: plain values.

    Attributes:
        severity: of the alarm that stands.
        warned, paged: evidence for a warning or a page came since the last clear.
        calm_from: position from which the column has been calm without a break.
        quiet_until: seconds of the caller's clock; no page before.
    """

    severity: Severity | None = None
    warned: bool = False
    paged: bool = False
    calm_from: int | None = None
    quiet_until: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that began, rose or ended, with the figures that did it."""

    column: str
    before: Severity | None
    after: Severity | None
    at: float
    position: int
    figures: ColumnFigures


@dataclass(frozen=True, slots=True)
class _Signs:
    """What one check says of one column."""

    warn: bool
    page: bool
    strong: bool
    calm: bool


def judge(
    standings: Sequence[Standing],
    figures: Sequence[ColumnFigures],
    limits: Limits,
    threshold: float,
    *,
    now: float,
    position: int,
    ignore: Collection[str] = (),
) -> tuple[tuple[Standing, ...], tuple[Change, ...]]:
    """Judge one check of all columns. MUST be called after every pane: an e-value is above only once.

    Args:
        standings: of the check before, one a column; `Standing()` at first.
        figures: of this check.
        limits: of the policy.
        threshold: of the logarithms (`Detector.threshold`).
        now: seconds of any clock; where it jumps back, no cool-down becomes longer than `limits.cooldown`.
        position: records seen so far; never less than before.
        ignore: columns that the caller says nothing of: a correction for many columns MUST NOT count them.

    Raises:
        DetectError: not one standing a column.
    """
    if len(standings) != len(figures):
        raise DetectError(f"{len(standings)} standings for {len(figures)} columns")
    signs = (
        _e_signs(figures, limits, threshold)
        if limits.rule == "e-detector"
        else _classic(figures, limits, ignore)
    )
    after = tuple(
        _next(standing, sign, one.rows, limits, now, position)
        for standing, sign, one in zip(standings, signs, figures, strict=True)
    )
    changes = tuple(
        Change(one.name, old.severity, new.severity, now, position, one)
        for old, new, one in zip(standings, after, figures, strict=True)
        if old.severity != new.severity
    )
    return after, changes


def _e_signs(figures: Sequence[ColumnFigures], limits: Limits, threshold: float) -> list[_Signs]:
    return [
        _Signs(
            warn=one.log_e_warn >= threshold,
            page=one.log_e_page >= threshold,
            strong=one.ks_lower >= limits.page_distance and one.rows >= limits.page_rows,
            calm=one.rows > 0 and one.ks_upper < limits.clear_distance,
        )
        for one in figures
    ]


def _classic(figures: Sequence[ColumnFigures], limits: Limits, ignore: Collection[str]) -> list[_Signs]:
    if limits.rule == "psi":
        psi = np.array([one.psi for one in figures])
        warn, page = psi_over(psi, limits.psi_warn), psi_over(psi, limits.psi_page)
    else:
        p = np.array([one.p for one in figures])
        rejects = bonferroni if limits.rule == "ks-bonferroni" else benjamini_hochberg
        # One that is ignored because it drifts would be rejected, and loosen the threshold of all others.
        asked = np.array([one.name not in ignore for one in figures], np.bool_)
        warn = page = np.zeros(len(p), np.bool_)
        warn[asked] = rejects(p[asked], limits.alpha)
    return [
        _Signs(bool(low), bool(high), one.rows >= limits.page_rows, one.rows > 0 and not low)
        for low, high, one in zip(warn, page, figures, strict=True)
    ]


def _next(standing: Standing, sign: _Signs, rows: int, limits: Limits, now: float, position: int) -> Standing:
    calm = sign.calm and not sign.warn and not sign.page  # new evidence is counted from anew
    calm_from = (position if standing.calm_from is None else standing.calm_from) if calm else None
    quiet_until = min(standing.quiet_until, now + limits.cooldown)
    if calm_from is not None and position - calm_from >= limits.clear_windows * rows:
        return Standing(calm_from=calm_from, quiet_until=quiet_until)
    warned, paged = standing.warned or sign.warn, standing.paged or sign.page
    new = replace(standing, warned=warned, paged=paged, calm_from=calm_from, quiet_until=quiet_until)
    if standing.severity == "page":
        return new
    if paged and sign.strong and now >= quiet_until:
        return replace(new, severity="page", quiet_until=now + limits.cooldown)
    if warned or paged:
        return replace(new, severity="warn")
    return new
