"""lineage.json: where a package came from, as far as it is known when it is published."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final

from registry.manifest import canonical_json

from .code import GitState
from .origin import Origin
from .publisher import UNKNOWN

FORMAT: Final = 1
_LIBRARIES: Final = (
    "affiant",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "scikit-learn",
    "skl2onnx",
    "xgboost",
    "xgboost-cpu",
)


def lineage_json(
    *,
    created: datetime,
    model: Mapping[str, Any],
    table: Mapping[str, Any],
    git: GitState | None,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    comparison: Mapping[str, Any] | None,
    origin: Origin | None = None,
    mlflow: Mapping[str, Any] | None = None,
    actor: str | None = None,
    score_table: Mapping[str, Any] | None = None,
) -> bytes:
    """The document. Later stages of the registry add keys; readers keep what they do not know.

    What was not found and not said stands in `unknown`, by name: a key that is absent and a fact that nobody knows
    are told apart. `score_table` is there where the reference's scores are of another table than the training's.
    """
    said = origin or Origin()
    unknown = [*(["git commit"] if git is None else []), *said.unknown()]
    if git is not None and git.dirty is None:
        unknown.append("whether files differed from the commit")
    return canonical_json(
        {
            "format": FORMAT,
            "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actor": actor if actor is not None else _actor(),
            "git": None if git is None else git.told(),
            "model": dict(model),
            "training_table": dict(table),
            **({} if score_table is None else {"score_table": dict(score_table)}),
            "parameters": dict(parameters),
            "metrics": dict(metrics),
            "comparison": None if comparison is None else dict(comparison),
            "environment": {
                "of": "publisher",  # what the training ran on, its image and its locked requirements say, or nobody
                "python": platform.python_version(),
                "platform": platform.platform(),
                "libraries": _versions(),
            },
            "origin": said.told(),
            "mlflow": None if mlflow is None else dict(mlflow),
            "unknown": unknown,
        }
    )


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return UNKNOWN


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
