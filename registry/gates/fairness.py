"""Fairness: of decisions, by group, with fairlearn.

Rates are of the favourable decision, so that a group that is refused more often has the lower rate.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.package import Package
from registry.policy.gates import Fairness, Protected
from registry.table import Table, texts

from .base import CannotJudge, Datasets, Outcome, score

NEEDS = ("the hold-out with its target",)


def judge(package: Package, datasets: Datasets, limits: Fairness) -> Outcome:
    """Each attribute by itself and, when asked for, all together."""
    import fairlearn

    scored = score(package, datasets)
    wanted = limits.favourable == "positive"
    decided, truth = scored.decided == wanted, scored.positive == wanted
    groups = {each.column: groups_of(datasets.rows, each) for each in limits.attributes}
    if limits.intersections and len(groups) > 1:
        together = zip(*groups.values(), strict=True)
        groups[" × ".join(groups)] = np.array([" · ".join(parts) for parts in together])
    figures: dict[str, Any] = {}
    failures: list[str] = []
    for name, labels in groups.items():
        found = measure(truth, decided, labels, limits.minimum_group)
        figures[name] = found
        failures += _failures(name, found, limits)
    return Outcome(tuple(failures), figures, {"fairlearn": fairlearn.__version__})


def groups_of(table: Table, attribute: Protected) -> NDArray[np.str_]:
    """Each row's group: the cell's text, its interval between the edges, or "missing". Raises CannotJudge."""
    if attribute.column not in table.frame.columns:
        raise CannotJudge(f"the hold-out has no column {attribute.column!r}")
    column = table.frame[attribute.column]
    if not attribute.edges:
        return np.array(["missing" if text is None else text for text in texts(column)])
    try:
        values = column.to_numpy(np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise CannotJudge(f"{attribute.column!r} has edges, but is not numeric") from error
    edges = [f"{edge:g}" for edge in attribute.edges]
    names = [
        f"below {edges[0]}",
        *map(" to below ".join, pairwise(edges)),
        f"{edges[-1]} and above",
    ]
    places = np.digitize(values, attribute.edges)
    return np.where(np.isnan(values), "missing", np.array(names)[places])


def measure(
    truth: NDArray[np.bool_], decided: NDArray[np.bool_], labels: NDArray[np.str_], minimum: int
) -> dict[str, Any]:
    """Rates of each group, and what lies between those of at least `minimum` rows. Raises CannotJudge."""
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate

    metrics = {
        "count": count,
        "rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    }
    shown = MetricFrame(metrics=metrics, y_true=truth, y_pred=decided, sensitive_features=labels).by_group
    large = [str(name) for name in shown.index[shown["count"] >= minimum]]
    if len(large) < 2:
        raise CannotJudge(f"fewer than two groups have {minimum} rows")
    kept = np.isin(labels, large)
    frame = MetricFrame(
        metrics=metrics, y_true=truth[kept], y_pred=decided[kept], sensitive_features=labels[kept]
    )
    apart, ratio, rates = frame.difference(), frame.ratio(), frame.by_group["rate"]
    biggest = rates[frame.by_group["count"].idxmax()]
    return {
        "groups": {
            str(name): {**{key: float(value) for key, value in row.items()}, "judged": str(name) in large}
            for name, row in shown.iterrows()
        },
        "demographic_parity_difference": float(apart["rate"]),
        "demographic_parity_ratio": float(ratio["rate"]),
        "disparate_impact": float(rates.min() / biggest) if biggest else float("nan"),
        "equalized_odds_difference": float(max(apart["true_positive_rate"], apart["false_positive_rate"])),
    }


def _failures(name: str, found: dict[str, Any], limits: Fairness) -> list[str]:
    failures = []
    for key, at_most in (
        ("demographic_parity_difference", True),
        ("demographic_parity_ratio", False),
        ("disparate_impact", False),
        ("equalized_odds_difference", True),
    ):
        limit, value = getattr(limits, key), found[key]
        # Written so that a NaN (nobody got the favourable decision) fails.
        if limit is None or (value <= limit if at_most else value >= limit):
            continue
        words = key.replace("_", " ")
        failures.append(f"{name}: {words} is {value:.3f}; {'at most' if at_most else 'at least'} {limit:g}")
    return failures
