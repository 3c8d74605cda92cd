"""Whether the error has changed: river's ADWIN over losses in the order of the predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.labels import Task, concept
from monitoring.labels.performance import losses
from tests.unit.monitoring.labels.streams import START
from tests.unit.monitoring.labels.test_performance import BINARY, joined

RANDOM = np.random.default_rng(11)
STEADY = (RANDOM.random(3000) < 0.1).astype(float)
WORSE = np.concatenate((STEADY[:1500], (RANDOM.random(1500) < 0.35).astype(float)))


def test_an_error_that_stays_the_same_is_no_change() -> None:
    """A decision that is wrong in one of ten."""
    found = concept(joined(BINARY, np.full(3000, 0.1), STEADY))
    assert (found.rows, found.changes, found.newest) == (3000, 0, None)
    assert found.mean == pytest.approx(STEADY.mean())


def test_an_error_that_grows_is_noticed_soon_and_the_new_mean_is_told() -> None:
    """From one in ten to one in three."""
    found = concept(joined(BINARY, np.full(3000, 0.1), WORSE))
    change = found.newest
    assert change is not None
    assert change.worse
    assert START + 1500 * 10**9 < change.noticed < START + 1900 * 10**9
    assert change.after == pytest.approx(0.35, abs=0.05)
    better = concept(joined(BINARY, np.full(3000, 0.1), WORSE[::-1])).newest
    assert better is not None
    assert not better.worse


def test_rows_without_a_label_or_an_answer_are_passed_over() -> None:
    """And only the newest are looked at."""
    scores, truth = np.full(3000, 0.1), WORSE.copy()
    scores[:1500], truth[1500:1600] = math.nan, math.nan
    found = concept(joined(BINARY, scores, truth), most_rows=1000)
    assert (found.rows, found.changes) == (1000, 0)
    nothing = concept(joined(BINARY, [0.1], [math.nan]))
    assert (nothing.rows, nothing.newest) == (0, None)
    assert math.isnan(nothing.mean)


def test_losses_are_between_0_and_1_for_every_task() -> None:
    """ADWIN's bound is for such: a wrong decision, the Brier score, a distance by the older half's scale."""
    everything = np.arange(4)
    assert losses(joined(BINARY, [0.1, 0.9, 0.4, 0.3], [0, 0, 1, 1]), everything).tolist() == [0, 1, 0, 1]
    undecided = Task("binary", ("a", "b"))
    assert losses(joined(undecided, [0.5] * 4, [0, 1, 1, 1]), everything).tolist() == [0.25] * 4
    number = joined(Task("regression"), [1.0, 2.0, 3.0, 99.0], [1.5, 2.5, 3.5, 4.5])
    assert losses(number, everything).tolist() == [1, 1, 1, 1]
    exact = joined(Task("regression"), [1.0, 2.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0])
    assert losses(exact, everything).tolist() == [0, 0, 0, 1]
    three = joined(Task("multiclass", ("a", "b", "c")), np.eye(3), [0, 2, 2])
    assert losses(three, np.arange(3)).tolist() == [0, 1, 0]
