"""Data contract: the hold-out keeps to the package's own schema, and to a Great Expectations suite if there is one."""

from __future__ import annotations

import numpy as np

from registry.package import Package
from registry.policy.gates import DataContract
from registry.signature import Feature
from registry.table import UNSEEN, encode

from .base import CannotJudge, Datasets, Outcome
from .expectations import evaluate

NEEDS = ("the hold-out", "the suite and the extra gates, where the policy asks for one")


def judge(package: Package, datasets: Datasets, limits: DataContract) -> Outcome:
    """Columns, types, missing values, categories and ranges; a column that is absent fails. Then the suite."""
    suite = datasets.suite
    if limits.suite is not None and suite is None:
        raise CannotJudge(f"the policy asks for the suite {limits.suite}, and none was given")
    if limits.suite is not None and suite is not None and suite.digest != limits.suite:
        raise CannotJudge(f"the policy asks for the suite {limits.suite}, and not for {suite.digest}")
    found = _schema(package, datasets, limits)
    if suite is None:
        return found
    failures, figures, versions = evaluate(suite, datasets.rows.frame)
    return Outcome((*found.failures, *failures), {**found.figures, "suite": figures}, versions)


def _schema(package: Package, datasets: Datasets, limits: DataContract) -> Outcome:
    signature, frame = package.signature, datasets.rows.frame
    absent = [feature.name for feature in signature.features if feature.name not in frame.columns]
    if absent:
        return Outcome((f"the hold-out has no column {', '.join(map(repr, absent))}",), {"rows": len(frame)})
    if not len(frame):
        raise CannotJudge("the hold-out has no rows")
    rows = encode(frame, signature)
    failures: list[str] = []
    columns = {}
    for place, feature in enumerate(signature.features):
        found = _column(rows[:, place].astype(np.float64), feature)
        columns[feature.name] = found
        failures += _failures(feature, found, limits)
    return Outcome(tuple(failures), {"rows": len(frame), "columns": columns})


def _column(values: np.ndarray[tuple[int], np.dtype[np.float64]], feature: Feature) -> dict[str, float]:
    """Shares of the column's rows."""
    present = values[~np.isnan(values)]
    found = {"missing": 1 - len(present) / len(values)}
    if feature.type == "category":
        return {**found, "unknown": float((present == UNSEEN).sum() / len(values))}
    low = -np.inf if feature.minimum is None else np.float32(feature.minimum)
    high = np.inf if feature.maximum is None else np.float32(feature.maximum)
    outside = ((present < low) | (present > high)).sum()
    broken = (present != np.trunc(present)).sum() if feature.type == "integer" else 0
    return {**found, "out_of_range": float(outside / len(values)), "not_whole": float(broken / len(values))}


def _failures(feature: Feature, found: dict[str, float], limits: DataContract) -> list[str]:
    name = repr(feature.name)
    failures = []
    if found["missing"] and not feature.missing:
        failures.append(f"{name}: {found['missing']:.2%} missing, which the schema does not allow")
    if found.get("not_whole"):
        failures.append(f"{name}: {found['not_whole']:.2%} are no whole numbers")
    if found.get("unknown", 0) > limits.unknown_categories:
        failures.append(
            f"{name}: {found['unknown']:.2%} unknown categories; {limits.unknown_categories:.2%} are allowed"
        )
    if found.get("out_of_range", 0) > limits.out_of_range:
        failures.append(
            f"{name}: {found['out_of_range']:.2%} out of range; {limits.out_of_range:.2%} are allowed"
        )
    return failures
