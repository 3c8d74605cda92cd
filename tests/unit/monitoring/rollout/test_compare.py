"""A canary that is as good as live goes on; one that is worse goes back; looking often is no reason."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from monitoring.errors import DetectError
from monitoring.rollout.compare import Side, compare
from monitoring.rollout.sequence import bounds
from registry.policy import Rollout

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
LIMITS = Rollout()


def side(
    random: np.random.Generator,
    requests: int,
    *,
    errors: float = 0.001,
    median: float = 0.004,
    shift: float = 0.0,
) -> Side:
    """So many requests."""
    failed = int(random.binomial(requests, errors))
    answered = requests - failed
    times = median * np.exp(random.normal(0, 0.5, answered))
    scores = np.clip(random.beta(2, 4, answered) + shift, 0, 1 - 1e-9)
    return Side(
        requests,
        failed,
        np.bincount(np.searchsorted(SECONDS, times), minlength=len(SECONDS) + 1),
        np.bincount((scores * 20).astype(int), minlength=20),
    )


def add(one: Side, other: Side) -> Side:
    """Both together."""
    return Side(
        one.requests + other.requests,
        one.failed + other.failed,
        one.latency + other.latency,
        one.scores + other.scores,
    )


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        ({"errors": 0.08}, "share of failed requests"),
        ({"shift": 0.2}, "distance of scores"),
        ({"shift": -0.2}, "distance of scores"),
        ({"median": 0.03}, "median time"),
    ],
)
def test_a_worse_canary_goes_back_with_the_reason(worse: dict[str, float], told: str) -> None:
    """Whether or not its time has come."""
    random = np.random.default_rng(1)
    found = compare(side(random, 3000, **worse), side(random, 20_000), LIMITS, SECONDS, due=False)
    assert found.verdict == "back"
    assert told in found.reasons[0]
    assert len(found.reasons) == 1


def test_a_canary_like_live_moves_when_it_is_time_and_enough_was_seen() -> None:
    """Not before."""
    random = np.random.default_rng(2)
    live = side(random, 20_000)
    few, many = side(random, 199), side(random, 200)
    assert compare(many, live, LIMITS, SECONDS, due=True).verdict == "move"
    assert compare(many, live, LIMITS, SECONDS, due=False).verdict == "hold"
    found = compare(few, live, LIMITS, SECONDS, due=True)
    assert (found.verdict, found.reasons) == (
        "hold",
        ("199 requests of the canary were seen; 200 are needed",),
    )


def test_looking_after_every_request_stops_no_good_canary() -> None:
    """Sixty rollouts, each looked at thirty times: at one percent, hardly one false stop is to be expected."""
    stops, strict = 0, LIMITS.model_copy(update={"errors_worse_by": 0.0, "ks": 0.0})
    for seed in range(60):
        random = np.random.default_rng(seed)
        canary, live = side(random, 10), side(random, 90)
        for _ in range(30):
            canary, live = add(canary, side(random, 10)), add(live, side(random, 90))
            if compare(canary, live, strict, SECONDS, due=False).verdict == "back":
                stops += 1
                break
    assert stops <= 1


def test_nothing_seen_is_no_reason_for_anything() -> None:
    """Neither to go on nor to go back."""
    empty = Side(0, 0, np.zeros(len(SECONDS) + 1, np.int64), np.zeros(20, np.int64))
    assert compare(empty, empty, LIMITS, SECONDS, due=True).verdict == "hold"


def test_sides_of_other_bins_are_refused() -> None:
    """They would be compared bin by wrong bin."""
    one = Side(1, 0, np.zeros(len(SECONDS) + 1, np.int64), np.zeros(20, np.int64))
    other = Side(1, 0, np.zeros(len(SECONDS) + 1, np.int64), np.zeros(10, np.int64))
    with pytest.raises(DetectError, match="bins differ"):
        compare(one, other, LIMITS, SECONDS, due=True)


def test_rows_that_came_together_count_for_less() -> None:
    """With a design effect of 50, three thousand rows are sixty."""
    random = np.random.default_rng(3)
    canary, live = side(random, 3000, shift=0.2), side(random, 3000)
    assert compare(canary, live, LIMITS, SECONDS, due=False).verdict == "back"
    assert compare(canary, live, LIMITS, SECONDS, due=False, effect=50).verdict == "hold"


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (3, 10), (50, 1000), (0, 0), (1.5, 4.5)])
def test_bounds_hold_the_share_and_are_wider_than_those_of_one_look(hits: float, trials: float) -> None:
    """Clopper and Pearson's interval is for one look."""
    lower, upper = bounds(hits, trials, 0.05)
    if trials == 0:
        assert (lower, upper) == (0, 1)
        return
    assert lower <= hits / trials <= upper
    once = beta.ppf(
        [0.025, 0.975], [max(hits, 1e-9), hits + 1], [trials - hits + 1, max(trials - hits, 1e-9)]
    )
    assert lower <= once[0] + 1e-9
    assert upper >= once[1] - 1e-9


def test_bounds_hold_at_all_times_at_once() -> None:
    """Of 100 long runs, looked at after each trial, at most 5 % ever leave the bounds."""
    random, share, left = np.random.default_rng(4), 0.05, 0
    for _ in range(100):
        hits = np.cumsum(random.random(800) < share)
        lower, upper = bounds(hits, np.arange(1, 801), 0.05)
        left += bool(((share < lower) | (share > upper)).any())
    assert left <= 5


def test_the_less_a_false_stop_may_be_the_more_must_be_seen() -> None:
    """Looking often costs nothing because the bounds are that wide."""
    random = np.random.default_rng(5)
    canary, live = side(random, 220, shift=0.12), side(random, 5000)
    for false_stop, verdict in ((0.49, "back"), (1e-9, "hold")):
        limits = LIMITS.model_copy(update={"false_stop": false_stop, "ks": 0.05})
        assert compare(canary, live, limits, SECONDS, due=False).verdict == verdict
