"""MLmodel, the description of a logged model: which file is the model, and what MLflow says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import PackageError, PickleRefused, PublishError

from .run import parsed

SERVED: Final = ("xgboost", "onnx")
"""Flavours whose files are data, not code; the first that a model has is taken."""
_WAY_OUT: Final = (
    "reading one runs whatever code is in it, so Affiant never does. Where it was trained, log its ONNX beside it, and "
    "publish that: `exported = skl2onnx.to_onnx(model, X[:1], options={'zipmap': False})`, then "
    "`mlflow.onnx.log_model(exported, name='onnx')`; or publish it from there: "
    "registry.convert.publish_sklearn(model, frame, …). docs/mlflow.md shows both"
)


@dataclass(frozen=True, slots=True)
class Described:
    """What MLmodel says. `file` is relative to its directory."""

    flavour: str
    file: str
    flavours: tuple[str, ...]
    mlflow_version: str | None
    signature: Mapping[str, Any] | None
    """MLflow's own, its JSON texts read."""
    environment: Mapping[str, Any] | None
    """The flavour's library versions, and the Python that it was logged with."""


def describe(data: bytes, address: str) -> Described:
    """Read an MLmodel file (YAML, with the safe loader).

    Raises:
        PickleRefused: the model is kept as a pickle, or as skops (which names classes to be made), in every flavour.
        PublishError: not MLmodel, or no flavour that is served.
    """
    content = _load(data, address)
    flavours = content.get("flavors")
    if not isinstance(flavours, dict) or not flavours:
        raise PublishError(f"{address}: its MLmodel has no flavors")
    flavour = next((name for name in SERVED if isinstance(flavours.get(name), dict)), None)
    if flavour is None:
        raise _refusal(address, flavours)
    told = flavours[flavour]
    file = told.get("data")
    if not isinstance(file, str) or not file:
        raise PublishError(f"{address}: the flavor {flavour} of its MLmodel names no file (data)")
    python = flavours.get("python_function")
    versions = {
        key: value for key, value in told.items() if key.endswith("_version") and isinstance(value, str)
    }
    if isinstance(python, dict) and isinstance(python.get("python_version"), str):
        versions["python"] = python["python_version"]
    signature = content.get("signature")
    return Described(
        flavour,
        file,
        tuple(sorted(map(str, flavours))),
        content["mlflow_version"] if isinstance(content.get("mlflow_version"), str) else None,
        {
            str(key): parsed(value)
            for key, value in signature.items()
            if value is None or isinstance(value, str)
        }
        if isinstance(signature, dict)
        else None,
        versions or None,
    )


def _refusal(address: str, flavours: Mapping[str, Any]) -> PackageError | PublishError:
    for name, told in flavours.items():
        if isinstance(told, dict) and (name == "sklearn" or "pickled_model" in told):
            kept = told.get("serialization_format") or "pickle"
            return PickleRefused(f"{address} is refused: its flavor {name} is kept as {kept}; {_WAY_OUT}")
    names = ", ".join(sorted(map(str, flavours)))
    return PublishError(
        f"{address}: its flavors are {names}; those that can be published are {', '.join(SERVED)}"
    )


def _load(data: bytes, address: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise PublishError(f"{address}: its MLmodel is not YAML ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise PublishError(f"{address}: its MLmodel is not a description of a model")
    return content
