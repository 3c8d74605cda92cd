"""What is made of a package's labels: which side of a limit is the bad one, and when that is told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

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
