"""Fairness by group: what is defined, what is judged by it, and how much of it chance may have made."""

from __future__ import annotations

import json
from typing import Any

import fairlearn.metrics
import numpy as np
import pytest

from registry.gates import Datasets
from registry.gates.base import GateResult
from registry.gates.fairness import failures, judge, measure, named
from registry.gates.intervals import Share, difference
from registry.gates.report.summary import summary
from registry.policy.gates import Fairness
from tests.unit.registry.gates.test_gates import TARGET, split


@pytest.mark.parametrize("edges", [[[26], [40, 65]], [[40, 65], [26]]])
def test_a_column_that_comes_twice_is_judged_each_time(edges: list[list[float]]) -> None:
    """By age 26 the two groups are far apart, by 40 and 65 they are not: whichever comes last, both are held."""
    package, holdout = split()
    attributes = [{"column": "age_in_years", "edges": each} for each in edges]
    found, only = (
        judge(
            package,
            Datasets(holdout=holdout, target=TARGET),
            Fairness.model_validate_json(
                json.dumps({"attributes": those, "demographic_parity_difference": 0.0, "intersections": True})
            ),
        )
        for those in (attributes, attributes[1:])
    )
    names = [f"age_in_years (at {', '.join(f'{float(each)}' for each in of)})" for of in edges]
    assert list(found.figures) == [*names, " × ".join(names)]
    assert [each.partition(":")[0] for each in found.failures] == list(found.figures)
    assert list(only.figures) == ["age_in_years"]
    assert only.figures["age_in_years"] == found.figures[names[1]]


def test_an_attribute_that_is_said_twice_is_one() -> None:
    """And edges that are written alike are not taken for the same."""
    close = [
        {"column": "a", "edges": [0.1]},
        {"column": "a", "edges": [0.1]},
        {"column": "a", "edges": [0.10000001]},
    ]
    asked = {"attributes": close, "demographic_parity_difference": 0.0}
    found = named(Fairness.model_validate_json(json.dumps(asked)).attributes)
    assert [name for name, _ in found] == ["a (at 0.1)", "a (at 0.10000001)"]


def test_rates_are_of_the_favourable_decision() -> None:
    """Worked out by hand: half of group a gets it, all of group b; c is too small to be judged."""
    labels = np.array(["a"] * 4 + ["b"] * 2 + ["c"])
    decided = np.array([True, True, False, False, True, True, False])
    found = measure(np.ones(7, bool), decided, labels, 2)
    assert {name: (group["rate"], group["judged"]) for name, group in found["groups"].items()} == {
        "a": (0.5, True), "b": (1.0, True), "c": (0.0, False),
    }  # fmt: skip
    assert (found["demographic_parity_difference"], found["demographic_parity_ratio"]) == (0.5, 0.5)
    assert found["disparate_impact"] == 1.0  # of the lowest rate to that of a, the largest group: a's own


def test_groups_that_are_not_judged_are_told_and_fail_where_that_is_asked_for() -> None:
    """Who signs reads one line: it says of whom the figures are not. c is refused always, and too small to show it."""
    labels = np.array(["a"] * 20 + ["b"] * 20 + ["c"] * 9)
    decided = np.array([True] * 40 + [False] * 9)
    found = measure(decided, decided, labels, 10)

    def told(figures: Any) -> str:
        return summary(
            GateResult(
                name="fairness", verdict="passed", reason="", figures={"g": figures}, limits={}, versions={}
            )
        )

    assert told(found).endswith(", 1 of 3 groups not judged: c (9 rows)")
    assert "not judged" not in told(measure(decided, decided, labels, 9))
    limit = {"demographic_parity_difference": 0.1}
    assert beyond(found, **limit) == beyond(found, **limit, unjudged="tell") == []
    assert beyond(found, **limit, unjudged="fail") == ["g: not judged, with fewer than 10 rows: c (9 rows)"]


def beyond(found: Any, **limits: Any) -> list[str]:
    """What the gate says of figures."""
    asked = {"attributes": [{"column": "g"}], "minimum_group": 10, **limits}
    return failures("g", found, Fairness.model_validate_json(json.dumps(asked)))


def odds(truth: dict[str, tuple[int, int]], decided: dict[str, tuple[int, int]], minimum: int) -> Any:
    """Figures of groups. `truth`: group → (deserve it, do not); `decided`: how many of each get it."""
    labels, deserve, given = list[str](), list[bool](), list[bool]()
    for name, rows in truth.items():
        for deserved, count, got in zip((True, False), rows, decided[name], strict=True):
            labels += [name] * count
            deserve += [deserved] * count
            given += [True] * got + [False] * (count - got)
    return measure(np.array(deserve), np.array(given), np.array(labels), minimum)


def test_a_rate_that_nobody_has_is_none_and_fails_no_model_that_is_right() -> None:
    """Group c has nobody who deserves it. Each decision is right: a rate of 0 there would be a difference of 1."""
    truth = {"a": (40, 40), "b": (40, 40), "c": (0, 40)}
    found = odds(truth, {"a": (40, 0), "b": (40, 0), "c": (0, 0)}, 10)
    c = found["groups"]["c"]
    assert (c["true_positive_rate"], c["false_positive_rate"], c["judged"]) == (None, 0.0, True)
    assert found["equalized_odds_difference"] == 0.0
    assert beyond(found, equalized_odds_difference=0.1) == []


@pytest.mark.parametrize("few", [0, 1, 9])
def test_a_group_is_judged_by_a_rate_that_enough_of_it_have(few: int) -> None:
    """One, or nine, who deserve it and do not get it are no rate, though the group has 49 rows."""
    truth = {"a": (40, 40), "b": (40, 40), "c": (few, 40)}
    found = odds(truth, {"a": (40, 0), "b": (38, 0), "c": (0, 0)}, 10)
    assert found["equalized_odds_difference"] == pytest.approx(0.05)
    assert odds(truth, {"a": (40, 0), "b": (38, 0), "c": (0, 20)}, 10)["equalized_odds_difference"] == 0.5
    assert found["groups"]["c"]["positives"] == few


@pytest.mark.parametrize("truth", [(0, 40), (5, 40), (40, 0), (40, 5)])
def test_equalized_odds_without_two_groups_to_compare_cannot_be_judged(truth: tuple[int, int]) -> None:
    """Either rate: the gate fails and says why; where the policy does not ask for it, nothing is said."""
    found = odds({"a": (40, 40), "b": truth}, {"a": (38, 1), "b": (0, 0)}, 10)
    assert found["equalized_odds_difference"] is None
    (said,) = beyond(found, equalized_odds_difference=0.1)
    assert said.startswith("g: cannot judge equalized odds difference: not two groups have 10 rows")
    assert beyond(found, demographic_parity_difference=1.0) == []


def test_ratios_to_nobody_are_none_and_fail() -> None:
    """Nobody gets the favourable decision."""
    found = odds({"a": (20, 20), "b": (20, 20)}, {"a": (0, 0), "b": (0, 0)}, 10)
    assert (found["demographic_parity_ratio"], found["disparate_impact"]) == (None, None)
    assert len(beyond(found, demographic_parity_ratio=0.8, disparate_impact=0.8)) == 2


def test_fairness_is_what_fairlearn_says_of_it() -> None:
    """Where every group has enough of everything."""
    random = np.random.default_rng(5)
    truth, decided = random.random(900) < 0.4, random.random(900) < 0.6
    labels = random.choice(["a", "b", "c"], 900)
    found = measure(truth, decided, labels, 30)
    given = {"y_true": truth, "y_pred": decided, "sensitive_features": labels}
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference"):
        assert found[name] == pytest.approx(getattr(fairlearn.metrics, name)(**given)), name


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """The example of his paper, 56 of 70 and 48 of 80: 0.0524 to 0.3339; of the groups that are furthest apart."""
    assert difference(Share(56, 70), Share(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    truth = {"x": (70, 0), "y": (80, 0), "z": (100, 0)}
    found = odds(truth, {"x": (56, 0), "y": (48, 0), "z": (70, 0)}, 10)
    there = found["demographic_parity_interval"]
    assert (there["low"], there["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert there["confidence"] == 0.95
    # Information: a difference at the limit passes, though its interval reaches far over it.
    assert beyond(found, demographic_parity_difference=0.21) == []
