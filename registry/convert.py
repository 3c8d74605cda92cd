"""scikit-learn models: converted to ONNX in the process that trained them, compared, and packaged.

A pickle is never read. Whoever has the estimator calls `publish_sklearn` where it was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .errors import PublishError
from .infer import Wanted
from .lineage import GitState, Origin
from .publish import Progress, Published, publish
from .table import table_of, texts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model and the class labels in the order of its probabilities (none for regression)."""

    model: bytes
    labels: tuple[str, ...]


def to_onnx(estimator: Any, frame: pd.DataFrame) -> Converted:
    """Convert a fitted estimator with skl2onnx; `frame` has the columns that it was fitted on.

    Numbers become float32 inputs, text becomes string inputs, one input a column; ZipMap is left out.

    Raises:
        PublishError: skl2onnx has no converter for it.
    """
    import pandas as pd
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = [
        (
            name,
            FloatTensorType([None, 1])
            if pd.api.types.is_numeric_dtype(frame[name])
            else StringTensorType([None, 1]),
        )
        for name in frame.columns
    ]
    classes = getattr(estimator, "classes_", None)
    options = {id(estimator): {"zipmap": False}} if classes is not None else None
    try:
        model = convert_sklearn(estimator, initial_types=inputs, options=options)
    # skl2onnx raises many kinds of its own, and plain ones, for a model that it does not know.
    except Exception as error:
        raise PublishError(
            f"skl2onnx cannot convert {type(estimator).__name__}: {_first_line(error)}"
        ) from error
    labels = () if classes is None else tuple(text or "" for text in texts(pd.Series(classes)))
    return Converted(model.SerializeToString(), labels)


def publish_sklearn(
    estimator: Any,
    frame: pd.DataFrame,
    *,
    target: str,
    name: str,
    positive: str | None = None,
    threshold: float | None = None,
    unknown: Literal["refuse", "missing"] = "refuse",
    max_difference: float | None = None,
    progress: Progress = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    directory: Path | None = None,
    origin: Origin | None = None,
    mlflow: Mapping[str, Any] | None = None,
    git: GitState | None = None,
    holdout: pd.DataFrame | None = None,
) -> Published:
    """Convert, compare with the estimator on every row of the training table, and package.

    Args:
        estimator: fitted on `frame` without the target column.
        frame: the training table.
        target: the name of its target column.
        name: the model's name.
        positive: the positive class of a binary task.
        threshold: the score from which the decision is the positive class.
        unknown: what a gateway does with categories that the table does not have.
        max_difference: refuse when a score differs more than this from the estimator's; None: only say so.
        progress: as in `publish`.
        now: as in `publish`.
        directory: as in `publish`.
        origin: as in `publish`.
        mlflow: as in `publish`; `registry.mlflow.take.take_run` has it for a run.
        git: as in `publish`.
        holdout: rows that the estimator has not seen, as in `publish`.

    Raises:
        PublishError: it cannot be converted, or differs too much.
    """
    progress("converting to ONNX")
    inputs = frame.drop(columns=[target])
    converted = to_onnx(estimator, inputs)
    progress("asking the source model")
    if converted.labels:
        scores = np.asarray(estimator.predict_proba(inputs), np.float64)
        if len(converted.labels) == 2:
            if positive is None and set(converted.labels) == {"0", "1"}:
                positive = "1"
            if positive not in converted.labels:
                raise PublishError(f"positive must be one of the classes: {', '.join(converted.labels)}")
            scores = scores[:, converted.labels.index(positive)]
    else:
        scores = np.asarray(estimator.predict(inputs), np.float64)
    published = publish(
        converted.model,
        table_of(frame, "training table"),
        Wanted(name, target, positive, threshold, unknown, converted.labels),
        file="model.onnx",
        source_scores=scores,
        source=f"scikit-learn {type(estimator).__name__}",
        progress=progress,
        now=now,
        directory=directory,
        origin=origin,
        mlflow=mlflow,
        git=git,
        holdout=None if holdout is None else table_of(holdout, "hold-out"),
    )
    assert published.comparison is not None
    if max_difference is not None and published.comparison.max_difference > max_difference:
        raise PublishError(
            f"the ONNX export differs from the source model by up to "
            f"{published.comparison.max_difference:.3g} "
            f"({published.comparison.rows_beyond} of {published.comparison.rows} rows by more than 0.0001); "
            f"{max_difference:g} is allowed"
        )
    return published


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
