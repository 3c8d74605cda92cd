"""Robustness: missing and extreme inputs get an answer that is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from registry.package import Package
from registry.policy.gates import Robustness
from registry.runtimes import Rows, load
from registry.signature import Feature, Signature

from .base import CannotJudge, Datasets, Outcome

NEEDS = ("the hold-out",)

_HUGE = float(np.finfo(np.float32).max)


def judge(package: Package, datasets: Datasets, limits: Robustness) -> Outcome:
    """Rows of the hold-out, changed in one column at a time; answers must be finite, probabilities within 0 to 1."""
    signature = package.signature
    if limits.decisions_changed is not None and signature.task == "regression":
        raise CannotJudge(
            "a regression decides nothing: decisions_changed has no meaning for it; leave it out"
        )
    model = load(package)
    rows = datasets.sample(signature, limits.rows)
    before = _decided(signature, model.predict(np.ascontiguousarray(rows)))
    failures: list[str] = []
    turned: dict[str, float] = {}
    asked = 0
    for place, feature in enumerate(signature.features):
        for word, value in _values(feature):
            changed = rows.copy()
            changed[:, place] = value
            answers = model.predict(np.ascontiguousarray(changed))
            asked += len(rows)
            if not _sound(signature, answers):
                failures.append(f"{feature.name!r} = {word}: an answer is no probability or no finite number")
            elif word == "missing" and signature.task != "regression":
                turned[feature.name] = float((_decided(signature, answers) != before).mean())
    worst = max(turned, key=turned.__getitem__, default=None)
    allowed = limits.decisions_changed
    if allowed is not None and worst is not None and turned[worst] > allowed:
        failures.append(
            f"{worst!r} missing turns {turned[worst]:.1%} of decisions; {allowed:.1%} are allowed"
        )
    figures = {"rows": len(rows), "predictions": asked, "decisions_changed_by_missing": turned}
    return Outcome(tuple(failures), figures, {"runtime": model.runtime})


def _values(feature: Feature) -> list[tuple[str, float]]:
    """What the gateway lets through: a missing value only where the signature allows it."""
    values = [("missing", float("nan"))] if feature.missing or feature.unknown == "missing" else []
    if feature.type == "category":
        return [*values, ("the last category", float(len(feature.categories) - 1))]
    return [*values, ("0", 0.0), ("the largest float32", _HUGE), ("the smallest float32", -_HUGE)]


def _sound(signature: Signature, answers: Rows) -> bool:
    if not np.isfinite(answers).all():
        return False
    return signature.task == "regression" or bool(((answers >= 0) & (answers <= 1)).all())


def _decided(signature: Signature, answers: Rows) -> NDArray[np.int64]:
    if signature.task == "multiclass":
        return np.asarray(answers.argmax(axis=1), np.int64)
    if signature.task == "binary" and signature.threshold is not None:
        return (answers.reshape(-1) >= np.float32(signature.threshold)).astype(np.int64)
    return np.zeros(len(answers), np.int64)
