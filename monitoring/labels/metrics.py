"""Metrics of labelled rows: each a value and the influence that each row has on it.

The influence is what the estimate moves by, times the number of rows, when a row's weight grows (van der Vaart,
Asymptotic Statistics, 1998, section 20.1): its mean is 0, and the standard error of the estimate is that of its mean.
So an interval, and that of the difference of two packages on the same rows, come from one formula for all of them. That
of the AUC is DeLong's (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988), up to terms of 1 / rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .task import Task

Values = NDArray[np.float64]

LOWER_IS_BETTER: Final = frozenset({"brier", "log_loss", "mae", "rmse", "ece"})
_LEAST: Final = 1e-7
"""Probabilities nearer to 0 or 1 count as this near: float32 has no nearer one to 1, and the loss of 0 is infinite."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of n rows."""

    value: float
    influence: Values
    """[n], mean 0."""
    least: float = 0.0
    most: float = 1.0
    share: tuple[int, int] | None = None
    """Where the metric is a share of rows: so many, of so many."""
    fewest: int | None = None
    """Rows of the smallest class that it needs; None: all of them are of one kind to it."""


Metrics = Mapping[str, Measured]


def measured(task: Task, scores: NDArray[np.float32], truth: Values) -> Metrics:
    """Every metric that is defined on these rows.

    Args:
        task: the package's.
        scores: [n, outputs], finite; n at least 1.
        truth: [n], the class's place, or the value; no NaN.
    """
    if task.kind == "regression":
        return _regression(scores[:, 0].astype(np.float64), truth)
    decided, classes = task.decided(scores), truth.astype(np.int64)
    if task.kind == "multiclass":
        return _decisions(decided, classes, len(task.classes)) | _probabilities(_shares(scores), classes)
    positive = classes == 1
    score = scores[:, 0].astype(np.float64)
    found = dict(_probabilities(np.stack([1 - score, score], axis=1), classes))
    # Of two classes the two squares are the same: half of their sum is what everybody calls the Brier score.
    found["brier"] = Measured(found["brier"].value / 2, found["brier"].influence / 2)
    if (auc := _auc(scores[:, 0], positive)) is not None:
        found["auc"] = auc
    if decided is not None:
        found |= _decisions(decided, classes, 2) | _found(decided == 1, positive)
    return found


def _mean(values: Values, most: float = 1.0, least: float = 0.0) -> Measured:
    value = float(values.mean())
    return Measured(value, values - value, least, most)


def _ratio(top: Values, bottom: Values) -> Measured | None:
    """Of two sums. None: the lower one is 0."""
    whole = float(bottom.mean())
    if whole == 0:
        return None
    value = float(top.mean()) / whole
    return Measured(value, (top - value * bottom) / whole)


def _decisions(
    decided: NDArray[np.int64] | None, truth: NDArray[np.int64], classes: int
) -> dict[str, Measured]:
    assert decided is not None
    right = (decided == truth).astype(np.float64)
    accuracy = _mean(right)
    found = {"accuracy": Measured(accuracy.value, accuracy.influence, share=(int(right.sum()), len(right)))}
    recalls = [_ratio(right * (truth == one), (truth == one).astype(np.float64)) for one in range(classes)]
    there = [each for each in recalls if each is not None]
    if len(there) == classes:
        found["balanced_accuracy"] = Measured(
            sum(each.value for each in there) / classes,
            np.sum([each.influence for each in there], axis=0) / classes,
            fewest=int(np.bincount(truth, minlength=classes).min()),
        )
    return found


def _found(decided: NDArray[np.bool_], positive: NDArray[np.bool_]) -> dict[str, Measured]:
    """Of the positive class of two."""
    hit, said, ones = (each.astype(np.float64) for each in (decided & positive, decided, positive))
    found = {}
    for name, top, bottom in (("precision", hit, said), ("recall", hit, ones)):
        if (each := _ratio(top, bottom)) is not None:
            share = int(top.sum()), int(bottom.sum())
            found[name] = Measured(each.value, each.influence, share=share)
    # Without a positive row there is no recall, of which it is a mean: 0 would be a certainty about nothing.
    if "recall" in found and (f1 := _ratio(2 * hit, said + ones)) is not None:
        found["f1"] = replace(f1, fewest=int(ones.sum()))
    return found


def _shares(scores: NDArray[np.float32]) -> Values:
    """Class probabilities; a model's sum to 1 up to float32."""
    values = scores.astype(np.float64)
    sums = values.sum(axis=1, keepdims=True)
    shares: Values = np.divide(values, sums, out=np.full_like(values, 1 / values.shape[1]), where=sums > 0)
    return shares


def _probabilities(shares: Values, truth: NDArray[np.int64]) -> dict[str, Measured]:
    right = np.zeros_like(shares)
    right[np.arange(len(truth)), truth] = 1
    of_truth = shares[np.arange(len(truth)), truth]
    return {
        "brier": _mean(((shares - right) ** 2).sum(axis=1), 2.0),
        "log_loss": _mean(-np.log(np.clip(of_truth, _LEAST, 1.0)), np.inf),
    }


def _auc(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> Measured | None:
    """Mann-Whitney, ties counting one half; None: all rows are of one class."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return None
    placed = np.empty(len(positive))
    for each, others, sign in ((positive, ~positive, 1.0), (~positive, positive, -1.0)):
        line = np.sort(scores[others])
        below = np.searchsorted(line, scores[each], "left") + np.searchsorted(line, scores[each], "right")
        share = below / (2 * len(line))
        placed[each] = share if sign > 0 else 1 - share
    value = float(placed[positive].mean())
    weight = np.where(positive, len(positive) / ones, len(positive) / zeros)
    return Measured(value, (placed - value) * weight, fewest=min(ones, zeros))


def _regression(given: Values, truth: Values) -> dict[str, Measured]:
    gaps = given - truth
    square = _mean(gaps**2, np.inf)
    root = float(np.sqrt(square.value))
    found = {"mae": _mean(np.abs(gaps), np.inf), "bias": _mean(gaps, np.inf, -np.inf)}
    influence = square.influence / (2 * root) if root else np.zeros_like(gaps)
    found["rmse"] = Measured(root, influence, 0.0, np.inf)
    return found


BINS: Final = 15
"""Of confidence, of equal width: as in Guo and others, On Calibration of Modern Neural Networks, 2017."""


def calibration(
    task: Task, scores: NDArray[np.float32], truth: Values
) -> tuple[float, Callable[[NDArray[np.intp]], float]] | None:
    """The expected calibration error, and it as a function of rows, some of them twice; None: no probabilities.

    Naeini, Cooper and Hauskrecht, AAAI 2015: in each bin of what the model says, how far that is from what came, on
    average over rows. Binary: of the positive class's probability. Multiclass: of the largest one.
    """
    if task.kind == "regression":
        return None
    if task.kind == "binary":
        said, came = scores[:, 0].astype(np.float64), (truth == 1).astype(np.float64)
    else:
        shares = _shares(scores)
        said, came = shares.max(axis=1), (shares.argmax(axis=1) == truth).astype(np.float64)
    bins = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    gap = said - came

    def error(places: NDArray[np.intp]) -> float:
        return float(np.abs(np.bincount(bins[places], gap[places], BINS)).sum() / len(places))

    return error(np.arange(len(said))), error
