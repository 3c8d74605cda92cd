"""The rules with fixed thresholds, for those who must: p-values corrected for the number of columns, PSI ≥ x.

Each looks once, at one window. None accounts for looking again: at 1,000 records a window and 30 columns,
Bonferroni and Benjamini–Hochberg still fire many times a day with no drift at all (docs/drift-statistics.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lines import Floats


def bonferroni(p: Floats, alpha: float) -> NDArray[np.bool_]:
    """Columns [columns] with p < alpha / columns: the chance of any false one is at most alpha."""
    return p < alpha / max(1, len(p))


def benjamini_hochberg(p: Floats, alpha: float) -> NDArray[np.bool_]:
    """Columns that the step-up procedure rejects: at most alpha of them are false, on average (1995)."""
    order = np.argsort(p, kind="stable")
    passes = np.flatnonzero(p[order] <= alpha * np.arange(1, len(p) + 1) / max(1, len(p)))
    rejected = np.zeros(len(p), np.bool_)
    if len(passes):
        rejected[order[: passes[-1] + 1]] = True
    return rejected


def psi_over(psi: Floats, threshold: float) -> NDArray[np.bool_]:
    """Columns whose index reaches the threshold (0.1: watch, 0.2 or 0.25: act, by custom and no theorem)."""
    return psi >= threshold
