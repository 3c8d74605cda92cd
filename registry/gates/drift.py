"""Drift: the hold-out, and what the package answers to it, against the package's own reference.

A distance counts from where chance ends: two samples of n and m rows of one distribution are further apart than
sqrt(ln(2k / (1 − confidence)) / 2) · sqrt(1/n + 1/m) in any of k columns with a probability of 1 − confidence at most
(Smirnov's limit law, by its exponential bound; a union bound over the columns).
"""

from __future__ import annotations

import math

import numpy as np

from registry.package import Package
from registry.policy.gates import DriftGate
from registry.runtimes import load
from registry.table import encode, model_rows

from .base import CannotJudge, Datasets, Distance, Outcome

NEEDS = ("a hold-out",)
_SHOWN = 5


def judge(package: Package, datasets: Datasets, limits: DriftGate) -> Outcome:
    """KS distances of every feature and score."""
    frame = datasets.rows.frame
    if len(frame) < limits.minimum_rows:
        raise CannotJudge(f"the hold-out has {len(frame)} rows; {limits.minimum_rows} are needed")
    if datasets.measure is None:
        raise CannotJudge("nobody handed down how distances are measured: run it by `affiant gate run`")
    rows = np.ascontiguousarray(model_rows(encode(frame, package.signature), package.signature))
    scores = load(package).predict(rows).astype(np.float32).reshape(len(rows), -1)
    found = datasets.measure(package, rows, scores)
    judged = [each for each in found if each.column not in limits.ignore]
    over = sorted(
        (each for each in judged if each.lower > limits.ks + chance(each, len(judged), limits.confidence)),
        key=lambda each: -each.lower,
    )
    failures = tuple(
        f"{each.column}: KS distance is at least {each.lower:.3f}; {limits.ks:g} and "
        f"{chance(each, len(judged), limits.confidence):.3f} for chance are allowed"
        for each in over[:_SHOWN]
    )
    more = (f"and {len(over) - _SHOWN} more columns",) if len(over) > _SHOWN else ()
    figures = {
        each.column: {
            "ks_lower": each.lower,
            "ks_upper": each.upper,
            "chance": chance(each, len(judged), limits.confidence),
        }
        for each in found
    }
    return Outcome((*failures, *more), {"rows": len(rows), "columns": figures})


def chance(distance: Distance, columns: int, confidence: float) -> float:
    """How far two samples of one distribution may be apart, of so many columns."""
    level = math.sqrt(math.log(2 * max(1, columns) / (1 - confidence)) / 2)
    return level * math.sqrt(1 / max(1, distance.rows) + 1 / max(1, distance.reference_rows))
