"""What a model file says about itself, before it has a signature: inputs, categories, task, class labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from .errors import PublishError
from .manifest import ModelType
from .table import Hint

Task = Literal["binary", "multiclass", "regression"]
_LABELS: Final = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`hints` are in the model's order, named when the model names its inputs; `width` is None when open."""

    hints: tuple[Hint, ...]
    width: int | None
    task: Task | None
    labels: tuple[str, ...]
    """Class labels in the order of the model's probabilities, where the model keeps them."""
    parameters: dict[str, object]


def inspect_model(data: bytes, model_type: ModelType) -> ModelFacts:
    """Read the facts. Raises ModelRefused when the runtime cannot read the file."""
    return _inspect_onnx(data) if model_type == "onnx" else _inspect_xgboost(data, model_type)


def _inspect_xgboost(data: bytes, model_type: ModelType) -> ModelFacts:
    from .runtimes.xgboost import TASKS, load_booster, objective_of

    booster, checked = load_booster(data, model_type)
    objective = objective_of(booster)
    if objective not in TASKS:
        raise PublishError(
            f"the objective {objective!r} does not answer with a probability or a value; "
            f"served are {', '.join(sorted(TASKS))}"
        )
    width = booster.num_features()
    names = booster.feature_names or [None] * width
    types = booster.feature_types or [None] * width
    kept = checked.categories or ((),) * width
    hints = tuple(
        Hint(name, _xgboost_type(kind), kept[place] if kind == "c" else ())
        for place, (name, kind) in enumerate(zip(names, types, strict=True))
    )
    task: Any = TASKS[objective]
    settings = json.loads(booster.save_config())["learner"]
    parameters: dict[str, object] = {
        "objective": objective,
        "boosted_rounds": booster.num_boosted_rounds(),
        "booster": settings.get("gradient_booster", {}).get("name", ""),
    }
    return ModelFacts(hints, width, task, (), parameters)


def _xgboost_type(kind: str | None) -> Literal["number", "integer", "category"] | None:
    if kind == "c":
        return "category"
    if kind == "int":
        return "integer"
    return None if kind is None else "number"


def _inspect_onnx(data: bytes) -> ModelFacts:
    import onnx

    from .runtimes.onnx import read_model

    model = read_model(data)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in held]
    numbers = onnx.TensorProto
    kinds: dict[int, Literal["number", "integer", "category"]] = {
        numbers.STRING: "category",
        numbers.INT64: "integer",
        numbers.INT32: "integer",
        numbers.FLOAT: "number",
        numbers.DOUBLE: "number",
    }
    parameters: dict[str, object] = {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "opsets": {item.domain or "ai.onnx": item.version for item in model.opset_import},
    }
    if len(inputs) == 1:
        dims = inputs[0].type.tensor_type.shape.dim
        width = int(dims[1].dim_value) if len(dims) == 2 and dims[1].dim_value else None
        if width != 1:
            # One matrix for all features: it says how many, not which; a category would be its code.
            return ModelFacts((), width, _onnx_task(model), _onnx_labels(model), parameters)
    hints = tuple(Hint(item.name, kinds.get(item.type.tensor_type.elem_type)) for item in inputs)
    return ModelFacts(hints, len(inputs), _onnx_task(model), _onnx_labels(model), parameters)


def _onnx_task(model: Any) -> Task | None:
    """What the operators say; None when they say nothing (a neural network, for one)."""
    labels = _onnx_labels(model)
    if labels:
        return "binary" if len(labels) == 2 else "multiclass"
    operators = {node.op_type for node in model.graph.node}
    regressors = {"TreeEnsembleRegressor", "LinearRegressor", "SVMRegressor"}
    return "regression" if operators & regressors and "ArgMax" not in operators else None


def _onnx_labels(model: Any) -> tuple[str, ...]:
    """The labels of the last operator that has any (a ZipMap, or the classifier itself)."""
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            if attribute.name in _LABELS and (attribute.strings or attribute.ints):
                if attribute.strings:
                    return tuple(text.decode() for text in attribute.strings)
                return tuple(str(number) for number in attribute.ints)
    return ()
