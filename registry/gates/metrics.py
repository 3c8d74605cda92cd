"""Metrics in numpy: a bootstrap asks for each a thousand times, and scikit-learn's take a millisecond apiece.

Their values are scikit-learn's, which a test compares them with.
"""

from __future__ import annotations

import numpy as np

from .base import CannotJudge, Scored


def metric(name: str, scored: Scored) -> float:  # noqa: C901, PLR0911 - a table of formulas
    """The metric's value. Raises CannotJudge: not for this task, or not defined on these rows."""
    task = scored.signature.task
    if task == "regression":
        return _regression(name, scored)
    if task == "multiclass":
        if name != "accuracy":
            raise CannotJudge(f"{name} is not for a multiclass model")
        chosen = np.array(scored.signature.classes)[scored.scores.argmax(axis=1)]
        return float((chosen == scored.truth).mean())
    positive = scored.positive
    if name == "auc":
        return _auc(scored)
    if name == "brier":
        return float(((scored.scores[:, 0] - positive) ** 2).mean())
    decided = scored.decided
    hit, said = int((decided & positive).sum()), int(decided.sum())
    ones, rows = int(positive.sum()), len(positive)
    right = int((decided == positive).sum())
    if name == "accuracy":
        return right / rows
    if name == "balanced_accuracy":
        return (_part(hit, ones, name) + _part(right - hit, rows - ones, name)) / 2
    if name == "precision":
        return hit / said if said else 0.0
    if name == "recall":
        return _part(hit, ones, name)
    if name == "f1":
        return 2 * hit / (said + ones) if said + ones else 0.0
    raise CannotJudge(f"{name} is not for a binary model")


def _regression(name: str, scored: Scored) -> float:
    gaps = scored.scores[:, 0] - scored.truth
    if name == "mae":
        return float(np.abs(gaps).mean())
    if name == "rmse":
        return float(np.sqrt((gaps**2).mean()))
    raise CannotJudge(f"{name} is not for a regression")


def _auc(scored: Scored) -> float:
    """Mann–Whitney, ties counting one half."""
    from scipy.stats import rankdata

    positive = scored.positive
    ones = int(positive.sum())
    zeros = len(positive) - ones
    ranks = rankdata(scored.scores[:, 0])
    return _part(float(ranks[positive].sum()) - ones * (ones + 1) / 2, ones * zeros, "auc")


def _part(value: float, whole: int, name: str) -> float:
    if not whole:
        raise CannotJudge(f"{name} is not defined: the rows are all of one class")
    return value / whole
