"""Measured while publishing: scores on the training table, and how far a source model is from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import PublishError
from .infer import Wanted, target_texts
from .signature import Signature
from .table import Table

BEYOND: Final = 1e-4
"""A row whose score differs more than this from the source model's is counted."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The package's scores against the source model's, over the training table."""

    rows: int
    max_difference: float
    mean_difference: float
    rows_beyond: int
    """Rows that differ by more than BEYOND."""


def compare(scores: NDArray[np.float32], source: NDArray[np.float64]) -> Comparison:
    """How far the scores [rows, outputs] are from the source's. Raises PublishError on another shape."""
    source = np.asarray(source, np.float64)
    if source.size != scores.size or source.shape[0] != scores.shape[0]:
        raise PublishError(
            f"the source model's predictions have shape {source.shape}, the package's {scores.shape}"
        )
    gaps = np.abs(scores - source.reshape(scores.shape)).max(axis=1)
    if not np.isfinite(gaps).all():
        raise PublishError("a prediction of the source model is not a finite number")
    return Comparison(len(gaps), float(gaps.max()), float(gaps.mean()), int((gaps > BEYOND).sum()))


def measure(
    signature: Signature, table: Table, wanted: Wanted, scores: NDArray[np.float32]
) -> dict[str, float]:
    """Measured on the training table: for orientation, not a claim about new data."""
    if signature.task == "regression":
        truth = table.frame[wanted.target].to_numpy(np.float64)
        return {"training_mae": float(np.abs(scores[:, 0] - truth).mean())}
    labels = np.array(target_texts(table, wanted))
    if signature.task == "multiclass":
        chosen = np.array(signature.classes)[scores.argmax(axis=1)]
        return {"training_accuracy": float((chosen == labels).mean())}
    positive = labels == signature.positive_class
    assert signature.threshold is not None
    decided = scores[:, 0] >= np.float32(signature.threshold)
    return {
        "training_auc": _auc(positive, scores[:, 0]),
        "training_accuracy": float((decided == positive).mean()),
        "training_positive_rate": float(positive.mean()),
    }


def _auc(positive: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Area under the ROC curve as the Mann–Whitney statistic, ties counting one half."""
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros or not len(values):
        return float("0.5")
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def judge(metrics: dict[str, float]) -> list[str]:
    """Warnings about the scores. Raises PublishError when they point the wrong way."""
    auc = metrics.get("training_auc")
    if auc is None or auc >= 0.5:
        return []
    if auc < 0.4:
        raise PublishError(
            f"the scores rank the positive class below the other (AUC {auc:.2f} on the training table): "
            "is the other class the positive one?"
        )
    return [f"the scores hardly tell the classes apart on the training table (AUC {auc:.2f})"]
