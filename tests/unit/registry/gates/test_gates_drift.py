"""The drift gate: a hold-out like the training passes, one of another pipeline does not, chance is no drift."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from monitoring.gate import distances
from registry.gates import Datasets, GateResult, run_gates
from registry.gates.base import Distance
from registry.gates.drift import chance
from registry.package import Package
from registry.policy import parse_policy
from registry.table import Table, table_of
from tests.components.packages import TARGET, credit_package, credit_table

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def package() -> Package:
    """The credit model, of all thousand rows."""
    return credit_package()


def judged(package: Package, holdout: Table | None, measure: Any = distances, **limits: Any) -> GateResult:
    """What the gate says."""
    policy = {
        "format": 1,
        "change": {"roles": {"legal": 1}},
        "services": {"credit": {"gates": {"drift": limits}, "approvals": {"roles": {"legal": 1}}}},
    }
    found = run_gates(
        package, Datasets(holdout=holdout, target=TARGET, measure=measure),
        parse_policy(json.dumps(policy).encode()), "credit", now=NOW,
    )  # fmt: skip
    return found.results[0]


def sample(seed: int, rows: int = 300, **changed: Any) -> Table:
    """Rows of the training table, drawn at random; some columns changed."""
    frame = credit_table().frame.sample(rows, random_state=seed).reset_index(drop=True)
    return table_of(
        frame.assign(**{name: change(frame[name]) for name, change in changed.items()}), "holdout"
    )


@pytest.mark.parametrize("seed", range(8))
def test_rows_like_the_training_pass(package: Package, seed: int) -> None:
    """Chance alone makes distances of up to 0.1 of so few rows; it is no drift."""
    result = judged(package, sample(seed), ks=0.0)
    assert result.verdict == "passed", result.reason
    assert len(result.figures["columns"]) == 21


def test_a_column_in_another_unit_fails_by_its_name(package: Package) -> None:
    """Months have become days."""
    result = judged(package, sample(1, duration_in_month=lambda column: 30 * column))
    assert result.verdict == "failed"
    assert result.reason.startswith("duration_in_month: KS distance is at least 1.000")


def test_an_ignored_column_is_shown_and_not_judged(package: Package) -> None:
    """The score may follow it, and is another column."""
    changed = sample(1, duration_in_month=lambda column: 30 * column)
    result = judged(package, changed, ignore=["duration_in_month", "score:bad"])
    assert result.verdict == "passed", result.reason
    assert result.figures["columns"]["duration_in_month"]["ks_lower"] == 1.0


@pytest.mark.parametrize(
    ("holdout", "measure", "why"),
    [
        (None, distances, "no hold-out was given"),
        ("few", distances, "the hold-out has 50 rows; 100 are needed"),
        ("all", None, "nobody handed down how distances are measured"),
    ],
)
def test_what_cannot_be_judged_fails(package: Package, holdout: Any, measure: Any, why: str) -> None:
    """It is never skipped."""
    rows = None if holdout is None else sample(1, 50 if holdout == "few" else 300)
    result = judged(package, rows, measure)
    assert result.verdict == "failed"
    assert why in result.reason


def test_chance_is_not_exceeded_more_often_than_it_says() -> None:
    """Two samples of one distribution, 20 columns at once, 400 times: at 95 %, in one of twenty at most."""
    random, over = np.random.default_rng(5), 0
    for _ in range(400):
        one, other = np.sort(random.random((20, 200)), axis=1), np.sort(random.random((20, 500)), axis=1)
        worst = 0.0
        for mine, theirs in zip(one, other, strict=True):
            both = np.concatenate([mine, theirs])
            gap = np.searchsorted(mine, both, "right") / 200 - np.searchsorted(theirs, both, "right") / 500
            worst = max(worst, float(np.abs(gap).max()))
        over += worst > chance(Distance("x", 0, 0, 200, 500), 20, 0.95)
    assert over <= 28
