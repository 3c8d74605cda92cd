"""Drift: the hold-out or recent traffic, and what the package answers to it, against the package's own reference.

A distance counts from where chance ends: two samples of n and m rows of one distribution are further apart than
sqrt(ln(2k / (1 − confidence)) / 2) · sqrt(1/n + 1/m) in any of k columns with a probability of 1 − confidence at most
(Smirnov's limit law, by its exponential bound; a union bound over the columns).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry.package import Package
from registry.policy.gates import DriftGate
from registry.runtimes import Rows, load
from registry.table import encode, model_rows

from .asked import Traffic, asked_of
from .base import CannotJudge, Datasets, Distance, Outcome

NEEDS = ("a hold-out, or recent traffic of the log, as the policy asks",)
_SHOWN: Final = 5
_UNREAD: Final = 0.05
"""Share of the answers whose inputs may be gone, where the policy does not say."""


def judge(package: Package, datasets: Datasets, limits: DriftGate) -> Outcome:
    """KS distances of every feature and score. Whatever is asked for MUST have been judged, or it raises."""
    failures: list[str] = []
    figures: dict[str, Any] = {}
    if limits.holdout:
        frame = datasets.rows.frame
        _enough(len(frame), limits.minimum_rows, "the hold-out has")
        rows = model_rows(encode(frame, package.signature), package.signature)
        wrong, figures = _judged(package, datasets, limits, rows)
        failures += wrong
    if limits.traffic:
        traffic = _traffic(datasets, limits)
        wrong, found = _judged(package, datasets, limits, asked_of(traffic, package.signature), counted=True)
        failures += [f"recent traffic: {each}" for each in wrong]
        figures["traffic"] = {**found, **traffic.told()}
    return Outcome(tuple(failures), figures)


def _traffic(datasets: Datasets, limits: DriftGate) -> Traffic:
    """What was asked, if it is enough, new enough and whole enough. Raises CannotJudge."""
    found = datasets.traffic
    if found is None:
        raise CannotJudge(
            datasets.traffic_problem
            or "no recent traffic was given: run it by `affiant gate run`, with the settings of its log"
        )
    _enough(found.rows, limits.least_traffic, "the ranges of the log have")
    age = found.read - found.began / 1000
    if limits.traffic_hours is not None and not age <= limits.traffic_hours * 3600:
        raise CannotJudge(
            f"the oldest answer was logged {age / 3600:.1f} hours before it was read; "
            f"{limits.traffic_hours:g} are allowed"
        )
    unread = sum(found.unread.values())
    allowed = _UNREAD if limits.traffic_unread is None else limits.traffic_unread
    if not unread <= allowed * (unread + found.requests):
        why = ", ".join(f"{reason}: {count}" for reason, count in found.unread.items())
        raise CannotJudge(
            f"of {unread + found.requests} answers {unread} cannot be read ({why}); {allowed:.1%} are allowed"
        )
    return found


def _enough(rows: int, wanted: int, what: str) -> None:
    if rows < wanted:
        raise CannotJudge(f"{what} {rows} rows; {wanted} are needed")


def _judged(
    package: Package, datasets: Datasets, limits: DriftGate, inputs: Rows, *, counted: bool = False
) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with these rows, and the figures; `counted`: the digest of the counts as well."""
    if datasets.measure is None:
        raise CannotJudge("nobody handed down how distances are measured: run it by `affiant gate run`")
    rows = np.ascontiguousarray(inputs)
    scores = load(package).predict(rows).astype(np.float32).reshape(len(rows), -1)
    found = datasets.measure(package, rows, scores)
    figures: dict[str, Any] = {"rows": len(rows), "columns": _figures(found, limits)}
    if counted:
        figures["counts_sha256"] = counts_digest(package, rows, scores)
    return _failures(found, limits), figures


def _failures(found: Sequence[Distance], limits: DriftGate) -> list[str]:
    judged = [each for each in found if each.column not in limits.ignore]
    over = sorted(
        (each for each in judged if each.lower > limits.ks + chance(each, len(judged), limits.confidence)),
        key=lambda each: -each.lower,
    )
    failures = [
        f"{each.column}: KS distance is at least {each.lower:.3f}; {limits.ks:g} and "
        f"{chance(each, len(judged), limits.confidence):.3f} for chance are allowed"
        for each in over[:_SHOWN]
    ]
    return failures + ([f"and {len(over) - _SHOWN} more columns"] if len(over) > _SHOWN else [])


def _figures(found: Sequence[Distance], limits: DriftGate) -> dict[str, dict[str, float]]:
    judged = sum(each.column not in limits.ignore for each in found)
    return {
        each.column: {
            "ks_lower": each.lower,
            "ks_upper": each.upper,
            "chance": chance(each, judged, limits.confidence),
        }
        for each in found
    }


def chance(distance: Distance, columns: int, confidence: float) -> float:
    """How far two samples of one distribution may be apart, of so many columns."""
    level = math.sqrt(math.log(2 * max(1, columns) / (1 - confidence)) / 2)
    return level * math.sqrt(1 / max(1, distance.rows) + 1 / max(1, distance.reference_rows))


def counts_digest(package: Package, inputs: Rows, scores: NDArray[np.float32]) -> str:
    """SHA-256, hex, of what a pane of these rows would count in the package's own bins: of each feature, then of each
    score, `Column.count` as little-endian int64.
    """
    whole, reference = sha256(), package.reference
    for columns, values in ((reference.features, inputs), (reference.scores, scores)):
        for place, column in enumerate(columns):
            whole.update(column.count(values[:, place]).astype("<i8").tobytes())
    return whole.hexdigest()
