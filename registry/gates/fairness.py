"""Fairness: of decisions, by group, with fairlearn.

Rates are of the favourable decision, so that a group that is refused more often has the lower rate.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.package import Package
from registry.policy.attributes import named
from registry.policy.gates import Fairness, Protected
from registry.table import Table, texts

from .base import CannotJudge, Datasets, Outcome, score
from .intervals import CONFIDENCE, Share, difference

NEEDS = ("the hold-out with its target",)


def judge(package: Package, datasets: Datasets, limits: Fairness) -> Outcome:
    """Each attribute by itself and, when asked for, all together."""
    import fairlearn
    import scipy

    scored = score(package, datasets)
    wanted = limits.favourable == "positive"
    decided, truth = scored.decided == wanted, scored.positive == wanted
    # No mapping: whatever two are called, each is judged.
    groups = [(name, groups_of(datasets.rows, each)) for name, each in named(limits.attributes)]
    if limits.intersections and len(groups) > 1:
        together = zip(*(labels for _, labels in groups), strict=True)
        names = " × ".join(name for name, _ in groups)
        groups.append((names, np.array([" · ".join(parts) for parts in together])))
    figures: dict[str, Any] = {}
    said: list[str] = []
    for name, labels in groups:
        found = measure(truth, decided, labels, limits.minimum_group)
        figures[name] = found
        said += failures(name, found, limits)
    return Outcome(tuple(said), figures, {"fairlearn": fairlearn.__version__, "scipy": scipy.__version__})


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
    """Rates of each group, and what lies between those of at least `minimum` rows.

    A rate without a denominator MUST be None and not 0: nobody was treated so. True positive rates are compared
    between groups of at least `minimum` rows that deserve the favourable decision, false positive rates between those
    of as many that do not; equalized odds is None when either is not to be compared.

    Raises:
        CannotJudge: fewer than two groups are large enough.
    """
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate

    metrics = {
        "count": count,
        "rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "positives": lambda y_true, y_pred: int(np.sum(y_true)),  # noqa: ARG005 - fairlearn names them
    }
    table = MetricFrame(metrics=metrics, y_true=truth, y_pred=decided, sensitive_features=labels).by_group
    groups = {str(name): _group({key: float(value) for key, value in row.items()}, minimum)
              for name, row in table.iterrows()}  # fmt: skip
    judged = {name: each for name, each in groups.items() if each["judged"]}
    if len(judged) < 2:
        raise CannotJudge(f"fewer than two groups have {minimum} rows")
    rates = {name: each["rate"] for name, each in judged.items()}
    best, worst = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    biggest = rates[max(judged, key=lambda name: judged[name]["count"])]
    low, high = difference(*(_favoured(judged[name]) for name in (best, worst)))
    return {
        "groups": groups,
        "demographic_parity_difference": rates[best] - rates[worst],
        "demographic_parity_interval": {"low": low, "high": high, "confidence": CONFIDENCE},
        "demographic_parity_ratio": rates[worst] / rates[best] if rates[best] else None,
        "disparate_impact": rates[worst] / biggest if biggest else None,
        "equalized_odds_difference": _odds(groups, minimum),
    }


def _group(row: dict[str, float], minimum: int) -> dict[str, Any]:
    """What stands in the figures of one group."""
    positives = row.pop("positives")
    negatives = row["count"] - positives
    return {
        **row,
        # fairlearn says 0 where nobody is.
        "true_positive_rate": row["true_positive_rate"] if positives else None,
        "false_positive_rate": row["false_positive_rate"] if negatives else None,
        "positives": positives,
        "negatives": negatives,
        "judged": row["count"] >= minimum,
    }


def _favoured(group: dict[str, Any]) -> Share:
    return Share(round(group["rate"] * group["count"]), int(group["count"]))


def _odds(groups: dict[str, dict[str, Any]], minimum: int) -> float | None:
    """The larger of the two differences; None when there is nothing to compare for either."""
    apart = []
    for rate, rows in (("true_positive_rate", "positives"), ("false_positive_rate", "negatives")):
        found = [each[rate] for each in groups.values() if each[rows] >= max(minimum, 1)]
        if len(found) < 2:
            return None
        apart.append(max(found) - min(found))
    return float(max(apart))


def failures(name: str, found: dict[str, Any], limits: Fairness) -> list[str]:
    """One sentence for each limit that the figures of an attribute do not hold. What is undefined MUST NOT pass."""
    said = []
    for key, at_most in (
        ("demographic_parity_difference", True),
        ("demographic_parity_ratio", False),
        ("disparate_impact", False),
        ("equalized_odds_difference", True),
    ):
        limit, value = getattr(limits, key), found[key]
        if limit is None:
            continue
        words = key.replace("_", " ")
        if value is None:
            said.append(f"{name}: cannot judge {words}: {_undefined(key, limits.minimum_group)}")
        # Written so that a NaN fails.
        elif not (value <= limit if at_most else value >= limit):
            said.append(f"{name}: {words} is {value:.3f}; {'at most' if at_most else 'at least'} {limit:g}")
    if limits.unjudged == "fail":
        small = [
            f"{group} ({each['count']:.0f} rows)"
            for group, each in found["groups"].items()
            if not each["judged"]
        ]
        if small:
            said.append(
                f"{name}: not judged, with fewer than {limits.minimum_group} rows: {', '.join(small)}"
            )
    return said


def _undefined(key: str, minimum: int) -> str:
    if key == "equalized_odds_difference":
        return (
            f"not two groups have {minimum} rows that deserve the favourable decision, "
            f"and two {minimum} that do not"
        )
    return "in the group that it is measured against nobody gets the favourable decision"
