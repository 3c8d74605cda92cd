"""The signature of a model: what its file says about itself first, then what the training table shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from audit.invalid import first_problem

from .errors import PublishError
from .facts import ModelFacts
from .manifest import ModelType
from .signature import Signature
from .table import Hint, Table, infer_feature, texts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the publisher says; what is None is inferred."""

    name: str
    target: str
    positive: str | None = None
    threshold: float | None = None
    unknown: Literal["refuse", "missing"] = "refuse"
    labels: tuple[str, ...] = ()
    """Class labels in the order of the model's probabilities, for models that do not keep them."""


def infer_signature(
    facts: ModelFacts, table: Table, wanted: Wanted, model_type: ModelType
) -> tuple[Signature, list[str]]:
    """The signature, and what was assumed in it. Raises PublishError."""
    warnings: list[str] = []
    if wanted.target not in table.frame.columns:
        raise PublishError(f"{table.file} has no column {wanted.target!r}, the target")
    hints = _named(facts, [name for name in table.frame.columns if name != wanted.target])
    features = []
    for hint in hints:
        assert hint.name is not None
        if hint.name not in table.frame.columns:
            raise PublishError(f"{table.file} has no column {hint.name!r}, which the model takes")
        feature = infer_feature(hint.name, table.frame[hint.name], hint, wanted.unknown)
        by_code = model_type != "onnx" or hint.type != "category"
        if feature.type == "category" and by_code and not hint.categories:
            warnings.append(
                f"the model does not keep the categories of {hint.name!r}: "
                "its codes are taken to follow the sorted texts"
            )
        features.append(feature)
    task = facts.task or _task_of(table, wanted)
    chosen: dict[str, Any] = {}
    if task != "regression":
        chosen = _classes(facts, table, wanted, task, model_type, warnings)
    try:
        signature = Signature(name=wanted.name, task=task, features=tuple(features), **chosen)
    except ValidationError as error:
        raise PublishError(f"the signature would not be valid: {first_problem(error)}") from error
    return signature, warnings


def _named(facts: ModelFacts, columns: list[str]) -> list[Hint]:
    """The model's inputs with their names: its own, or the table's columns in their order."""
    if facts.hints and all(hint.name is not None for hint in facts.hints):
        return list(facts.hints)
    width = facts.width if facts.width is not None else len(columns)
    if width != len(columns):
        raise PublishError(
            f"the model takes {width} features without names, "
            f"the table has {len(columns)} columns beside the target"
        )
    hints = facts.hints or (Hint(),) * width
    return [Hint(name, hint.type, hint.categories) for name, hint in zip(columns, hints, strict=True)]


def target_texts(table: Table, wanted: Wanted) -> list[str]:
    """The target column as texts. Raises PublishError when one is missing."""
    found = texts(table.frame[wanted.target])
    if any(text is None for text in found):
        raise PublishError(f"the target {wanted.target!r} is missing in some rows")
    return [text for text in found if text is not None]


def _task_of(table: Table, wanted: Wanted) -> Literal["binary", "multiclass", "regression"]:
    values = table.frame[wanted.target]
    distinct = values.nunique()
    if wanted.positive is not None or distinct == 2:
        return "binary"
    return "regression" if values.dtype.kind == "f" or distinct > 100 else "multiclass"


def _classes(
    facts: ModelFacts, table: Table, wanted: Wanted, task: str, model_type: ModelType, warnings: list[str]
) -> dict[str, Any]:
    """Class names in the order of the scores, positive class, threshold, score column."""
    present = sorted(set(target_texts(table, wanted)), key=_label_order)
    labels = wanted.labels or facts.labels
    if labels and set(labels) != set(present) and not set(present) <= set(labels):
        labels = ()  # the model was trained on codes of the labels
    if not labels:
        labels = tuple(present)
        if model_type == "onnx" or task == "multiclass":
            warnings.append(
                f"the model's scores are taken to be in the order of the sorted classes: {', '.join(labels)}"
            )
    if task == "multiclass":
        return {"classes": labels}
    if len(labels) != 2:
        raise PublishError(
            f"a binary model needs a target with two values; {wanted.target!r} has {', '.join(present)}"
        )
    positive = wanted.positive
    if positive is None:
        if set(labels) != {"0", "1"}:
            raise PublishError(
                f"say which class is positive (--positive {labels[0]} or --positive {labels[1]})"
            )
        positive = "1"
    if positive not in labels:
        raise PublishError(
            f"{positive!r} is not a value of {wanted.target!r}; its values are {', '.join(labels)}"
        )
    negative = next(label for label in labels if label != positive)
    return {
        "classes": (negative, positive),
        "positive_class": positive,
        "threshold": 0.5 if wanted.threshold is None else wanted.threshold,
        "score_column": labels.index(positive) if model_type == "onnx" else None,
    }


def _label_order(text: str) -> tuple[int, float, str]:
    """Numbers in their order, then texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
