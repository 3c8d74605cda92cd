"""What is made of a package's labels: which side of a limit is the bad one, and when that is told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.intervals import at_all_times, wilson
from monitoring.labels import HOUR, Joined, Task
from monitoring.labels.look import Severity, look
from monitoring.panes import Of
from registry.policy import parse_policy
from tests.unit.monitoring.labels.streams import LIVE, SHADOW, START
from tests.unit.monitoring.labels.test_performance import BINARY, NUMBER, joined

POLICY = """\
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    performance: {metrics: %s, minimum_labels: 50, cohort_hours: 1}
"""
ROWS = 2000


def alarms(
    after: Joined, metrics: str, before: Joined | None = None, *, now: int = START + 2 * HOUR
) -> dict[str, Severity | None]:
    """Of live, with what came before it as its shadow."""
    section = parse_policy((POLICY % metrics).encode()).services["credit"]
    found: dict[Of, Joined] = {LIVE: after} if before is None else {LIVE: after, SHADOW: before}
    return dict(look(found, section, {LIVE: 1, SHADOW: 0}, now // 1_000_000, {})[LIVE].alarms)


def scores(task: Task, noise: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Of the same truth each time: the more noise, the worse."""
    random = np.random.default_rng(5)
    if task.kind == "regression":
        truth = random.normal(size=ROWS)
        return (truth + noise * random.normal(size=ROWS)).astype(np.float32), truth
    truth = (random.random(ROWS) < 0.5).astype(np.float64)
    near = np.where(truth == 1, 0.8, 0.1) + noise * random.normal(size=ROWS)
    return np.clip(near, 0.001, 0.999).astype(np.float32), truth


@pytest.mark.parametrize(
    ("task", "metric", "by"),
    [
        (BINARY, "auc", 0.02),
        (BINARY, "accuracy", 0.02),
        (BINARY, "recall", 0.02),
        (BINARY, "f1", 0.02),
        (BINARY, "brier", 0.01),
        (NUMBER, "mae", 0.05),
        (NUMBER, "rmse", 0.05),
    ],
)
def test_worse_than_before_is_told_by_the_metrics_own_direction(task: Task, metric: str, by: float) -> None:
    """Alike and better say nothing, worse by far pages: of an AUC what is less, of an error what is more."""
    good, truth = scores(task, 0.3)
    bad, _ = scores(task, 0.9)
    limit = f"{{{metric}: {{worse_than_before_by: {by}}}}}"
    one, other = joined(task, good, truth), joined(task, bad, truth)
    assert alarms(one, limit, one) == {metric: None}
    assert alarms(one, limit, other) == {metric: None}
    assert alarms(other, limit, one) == {metric: "page"}


def cohort(right: list[bool], more: list[bool] | None = None) -> Joined:
    """Decisions that were right or wrong, in the hour of START; and in the hour before it."""
    before = more or []
    every = np.array(before + right)
    time = [START - HOUR + at for at in range(len(before))] + [START + at for at in range(len(right))]
    return joined(BINARY, np.where(every, 0.9, 0.1), np.ones(len(every)), time=time)


def test_cohorts_at_their_limit_page_hardly_ever_however_often_they_are_looked_at() -> None:
    """With every thirty labels from fifty on: an interval of one look is left in one of five of them."""
    random, paged, left = np.random.default_rng(0), 0, 0
    for _ in range(40):
        right = (random.random(1500) < 0.9).tolist()
        looks = [(n, wilson(sum(right[:n]), n, 0.95).high) for n in range(50, 1501, 30)]
        left += any(high < 0.9 for _, high in looks)
        paged += any(
            high < 0.9 and alarms(cohort(right[:n]), "{accuracy: {minimum: 0.9}}") == {"accuracy": "page"}
            for n, high in looks
        )
    assert left >= 5
    assert paged <= 2


def test_a_cohort_that_is_shown_to_be_beyond_pages_while_it_is_open() -> None:
    """By its own rows alone: those of the hour before are another cohort's. A value alone warns."""
    limit = "{accuracy: {minimum: 0.9}}"
    bad, good = [True, True, False, True] * 100, [True] * 4000
    assert alarms(cohort(bad, good), limit, now=START + HOUR // 2) == {"accuracy": "page"}
    assert alarms(cohort(([True] * 8 + [False]) * 20), limit) == {"accuracy": "warn"}
    assert alarms(cohort(good[:200]), limit) == {"accuracy": None}


def test_an_interval_for_all_times_is_wider_than_one_for_once_and_never_certain() -> None:
    """Narrowest where looking begins; it is less than 1 also of rows without number."""
    assert 0.99 < at_all_times(0.95, 200, 200) < 0.998
    assert at_all_times(0.95, 200, 200) < at_all_times(0.95, 10**6, 200) < at_all_times(0.95, 10**12, 200) < 1
    assert at_all_times(0.95, 50, 200) > at_all_times(0.95, 200, 200)
    assert wilson(10**9, 2 * 10**9, at_all_times(0.999999, 10**12, 1)).high < 0.51
