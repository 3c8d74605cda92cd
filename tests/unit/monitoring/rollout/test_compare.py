"""A canary that is as good as live goes on; one that is worse goes back; looking often is no reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from monitoring.errors import DetectError
from monitoring.panes import LATENCY_BOUNDS
from monitoring.rollout.compare import Side, compare
from monitoring.rollout.sequence import bounds
from monitoring.rollout.tolerances import Tolerances
from registry.policy import Rollout, Slo
from registry.policy.behaviour import Confidence

SECONDS = tuple(bound / 1e9 for bound in LATENCY_BOUNDS)
LIMITS = Tolerances.of(Rollout(), Slo(confidence=Confidence(at_least=0.75, share=0.5)))
PARTS = beta.ppf(np.arange(1, 256) / 256, 2, 4)
"""Cuts of a live whose scores are as its reference's."""
SINGLE = (np.zeros(256, bool),) * 2


def side(
    random: np.random.Generator,
    requests: int,
    *,
    errors: float = 0.001,
    refused: float = 0.005,
    median: float = 0.004,
    late: float = 0.0,
    shift: float = 0.0,
    other: float = 0.0,
    unsure: float = 0.0,
) -> Side:
    """So many requests of two scores; a share `late` takes ten times as long, a share `unsure` is not sure."""
    failed = int(random.binomial(requests, errors))
    answered = requests - failed
    times = median * np.exp(random.normal(0, 0.5, answered)) * np.where(random.random(answered) < late, 10, 1)
    scores = [np.clip(random.beta(2, 4, answered) + each, 0, 1 - 1e-9) for each in (shift, other)]
    parts = tuple(np.bincount(np.searchsorted(PARTS, each), minlength=256) for each in scores)
    sure = np.where(random.random(answered) < 0.3 + unsure, 0.6, 0.9)
    return Side(
        requests,
        failed,
        int(random.binomial(requests, refused)),
        answered,
        np.bincount(np.searchsorted(SECONDS, times), minlength=len(SECONDS) + 1),
        np.bincount((sure * 20).astype(int), minlength=20),
        parts,
        parts,
        SINGLE,
    )


def add(one: Side, other: Side) -> Side:
    """Both together."""
    return Side(
        one.requests + other.requests,
        one.failed + other.failed,
        one.refused + other.refused,
        one.rows + other.rows,
        one.latency + other.latency,
        one.confidence + other.confidence,
        *[tuple(mine + yours for mine, yours in zip(one.scores, other.scores, strict=True))] * 2,
        SINGLE,
    )


def goes(random: np.random.Generator, limits: Tolerances, most: int, **worse: float) -> tuple[str, int]:
    """What comes of a canary of a tenth of the requests, looked at after each 250 of its own; and after how many."""
    canary, live = side(random, 250, **worse), side(random, 2250)
    while (verdict := compare(canary, live, limits, SECONDS, due=True).verdict) == "hold":
        if canary.requests >= most:
            break
        canary, live = add(canary, side(random, 250, **worse)), add(live, side(random, 2250))
    return verdict, canary.requests


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        ({"errors": 0.08}, "share of failed requests"),
        ({"refused": 0.1}, "share of refused requests"),
        ({"shift": 0.2}, "distance of scores 0"),
        ({"shift": -0.2}, "distance of scores 0"),
        ({"other": 0.2}, "distance of scores 1"),
        ({"median": 0.009}, "median time"),
        ({"late": 0.2}, "99th percentile of time"),
        ({"unsure": 0.3}, "share of unsure predictions"),
    ],
)
def test_a_worse_canary_goes_back_with_the_reason(worse: dict[str, float], told: str) -> None:
    """Whether or not its time has come."""
    random = np.random.default_rng(1)
    found = compare(side(random, 3000, **worse), side(random, 20_000), LIMITS, SECONDS, due=False)
    assert found.verdict == "back"
    assert told in found.reasons[0]
    assert len(found.reasons) == 1


def test_a_canary_like_live_moves_when_it_is_time_and_that_was_shown() -> None:
    """Not before. Of few requests nothing is shown, however well they went; nor where the policy wants more of them."""
    random = np.random.default_rng(2)
    live = side(random, 20_000)
    few, many = side(random, 300), side(random, 3000)
    assert compare(many, live, LIMITS, SECONDS, due=True).verdict == "move"
    found = compare(many, live, LIMITS, SECONDS, due=False)
    assert (found.verdict, found.reasons) == ("hold", ("the next step's time has not come",))
    found = compare(few, live, LIMITS, SECONDS, due=True)
    assert found.verdict == "hold"
    assert all("not shown yet" in reason for reason in found.reasons)
    found = compare(many, live, replace(LIMITS, minimum_requests=3001), SECONDS, due=True)
    assert (found.verdict, found.reasons) == (
        "hold",
        ("3000 requests of the canary were seen; 3001 are needed",),
    )


def test_a_good_canary_of_a_tenth_moves_within_2500_requests() -> None:
    """What docs/rollouts.md says it takes. None of them is turned back."""
    for seed in range(6):
        verdict, requests = goes(np.random.default_rng(seed), LIMITS, 2500)
        assert verdict == "move", seed
        assert requests > 600, seed  # what 200 had let through


@pytest.mark.parametrize(
    "worse",
    [
        {"errors": 0.013},
        {"refused": 0.03},
        {"median": 0.0068},
        {"late": 0.026},
        {"shift": 0.06},
        {"other": 0.06},
        {"unsure": 0.12},
    ],
    ids=lambda worse: next(iter(worse)),
)
def test_a_canary_just_beyond_a_tolerance_is_not_moved_on(worse: dict[str, float]) -> None:
    """However often it is looked at, of all that a good one needs three times over: a twentieth may be, of all steps
    together, and these are six.
    """
    moved = [
        seed for seed in range(6) if goes(np.random.default_rng(seed), LIMITS, 4500, **worse)[0] == "move"
    ]
    assert not moved


def test_looking_after_every_request_stops_no_good_canary() -> None:
    """Twenty rollouts, each looked at fifteen times: at one percent, hardly one false stop is to be expected."""
    stops, strict = 0, replace(LIMITS, errors=0.0, refusals=0.0, scores=0.0, unsure=0.0)
    for seed in range(20):
        random = np.random.default_rng(seed)
        canary, live = side(random, 10), side(random, 90)
        for _ in range(15):
            canary, live = add(canary, side(random, 10)), add(live, side(random, 90))
            if compare(canary, live, strict, SECONDS, due=False).verdict == "back":
                stops += 1
                break
    assert stops <= 1


def empty(bins: int = 20) -> Side:
    """Nothing asked."""
    none = np.zeros(len(SECONDS) + 1, np.int64)
    return Side(0, 0, 0, 0, none, np.zeros(20, np.int64), (np.zeros(bins, np.int64),))


def test_nothing_seen_is_no_reason_for_anything() -> None:
    """Neither to go on nor to go back."""
    found = compare(empty(), empty(), LIMITS, SECONDS, due=True)
    assert found.verdict == "hold"
    assert not any("kills" in reason for reason in found.reasons)


def test_a_canary_that_answers_nothing_while_live_does_is_told_of() -> None:
    """It may kill its workers before anything is written of it: neither shown to be bad, nor waited for in silence."""
    live = side(np.random.default_rng(6), 5000)
    nothing = (np.zeros(256, np.int64),) * 2
    none = replace(empty(), scores=nothing, begins=nothing, single=SINGLE)
    found = compare(none, live, LIMITS, SECONDS, due=True)
    assert found.verdict == "hold"
    assert "the canary has answered nothing, and live 5000 requests" in found.reasons[0]
    assert not any("nothing" in each for each in compare(none, live, LIMITS, SECONDS, due=False).reasons)


def test_sides_of_other_bins_are_refused() -> None:
    """They would be compared bin by wrong bin."""
    with pytest.raises(DetectError, match="bins differ"):
        compare(empty(), empty(10), LIMITS, SECONDS, due=True)
    with pytest.raises(DetectError, match="bins differ"):
        compare(empty(), replace(empty(), scores=()), LIMITS, SECONDS, due=True)
    none, single = (np.zeros(20, np.int64),), (np.zeros(20, bool),)
    with pytest.raises(DetectError, match="bins differ"):
        compare(empty(), replace(empty(), begins=none, single=single), LIMITS, SECONDS, due=True)
    sides = [replace(empty(), begins=(none[0][1:],), single=single)] * 2
    with pytest.raises(DetectError, match="not all known"):
        compare(*sides, LIMITS, SECONDS, due=True)


def test_without_scores_nothing_is_shown_of_them() -> None:
    """Live's package cannot be had: nobody knows in which bins."""
    random = np.random.default_rng(2)
    sides = [replace(side(random, each), scores=(), begins=(), single=()) for each in (3000, 20_000)]
    found = compare(*sides, LIMITS, SECONDS, due=True)
    assert (found.verdict, found.reasons) == (
        "hold",
        ("distance of scores: not shown yet, at most inf more than live's, 0.1 is allowed",),
    )
    assert found.questions[-1].written()["at_most"] is None


@pytest.mark.parametrize("worse", [{"shift": 0.2}, {"errors": 0.1}, {"median": 0.008}, {"unsure": 0.4}])
def test_rows_that_came_together_count_for_less(worse: dict[str, float]) -> None:
    """With a design effect of 50, three thousand rows are sixty; whatever is asked about them."""
    random = np.random.default_rng(3)
    canary, live = side(random, 3000, **worse), side(random, 3000)
    assert compare(canary, live, LIMITS, SECONDS, due=False).verdict == "back"
    assert compare(canary, live, LIMITS, SECONDS, due=False, effect=50).verdict == "hold"


def test_requests_of_many_rows_are_as_many_as_they_are() -> None:
    """Fifty rows that came in one request are alike; the requests are not for that."""
    random = np.random.default_rng(3)
    canary, live = (replace(side(random, 3000, errors=errors), rows=150_000) for errors in (0.1, 0.001))
    found = compare(canary, live, LIMITS, SECONDS, due=False, effect=50)
    assert found.verdict == "back"
    assert "failed requests" in found.reasons[0]


@pytest.mark.parametrize(
    ("slo", "name"),
    [
        (Slo(errors=0.001), "errors"),
        (Slo(refusals=0.002), "refusals"),
        (Slo(p99_milliseconds=4.0), "latency"),
        (Slo(confidence=Confidence(at_least=0.75, share=0.99)), "confidence"),
    ],
)
def test_a_canary_whose_objectives_page_is_not_moved_on(slo: Slo, name: str) -> None:
    """As live's may: nobody takes a step then. Back it goes by its difference from live alone."""
    random = np.random.default_rng(7)
    worse = {"errors": 0.02, "refused": 0.02}
    canary, live = side(random, 20_000, **worse), side(random, 80_000, **worse)
    limits = replace(LIMITS, objectives=Tolerances.of(Rollout(), slo).objectives, factor=6.0)
    assert compare(canary, live, replace(limits, objectives=()), SECONDS, due=True).verdict == "move"
    found = compare(canary, live, limits, SECONDS, due=True)
    assert found.verdict == "hold"
    assert [f"misses its objective of {name}" in reason for reason in found.reasons] == [True]


@pytest.mark.parametrize(
    ("slo", "name", "worse"),
    [
        (Slo(errors=0.001), "errors", {"errors": 0.0105}),
        (Slo(refusals=0.002), "refusals", {"refused": 0.02}),
        (Slo(p99_milliseconds=30.0), "latency", {"late": 0.15}),
        (Slo(confidence=Confidence(at_least=0.75, share=0.93)), "confidence", {"unsure": 0.15}),
    ],
)
def test_a_canary_that_misses_an_objective_which_live_keeps_goes_back(
    slo: Slo, name: str, worse: dict[str, float]
) -> None:
    """Once both are shown, also within all tolerances. Not when live misses it too, nor by a few bad ones."""
    random = np.random.default_rng(8)
    wide = replace(LIMITS, p99=20.0, unsure=0.3)
    limits = replace(wide, objectives=Tolerances.of(Rollout(), slo).objectives, factor=6.0)
    canary, live = side(random, 20_000, **worse), side(random, 80_000)
    assert compare(canary, live, wide, SECONDS, due=True).verdict != "back"
    found = compare(canary, live, limits, SECONDS, due=False)
    assert found.verdict == "back"
    assert [each.partition(":")[0] for each in found.reasons] == [f"objective of {name}"]
    assert compare(canary, side(random, 80_000, **worse), limits, SECONDS, due=True).verdict == "hold"
    assert compare(canary, live, limits, SECONDS, due=True, effect=100.0).verdict == "hold"


@pytest.mark.parametrize(
    ("bad", "requests", "budget", "verdict"),
    [(12, 1100, 0.001, "hold"), (9, 1000, 1e-5, "hold"), (10, 1000, 1e-5, "back")],
)
def test_a_few_bad_ones_miss_no_objective(bad: int, requests: int, budget: float, verdict: str) -> None:
    """Nor those that may be chance."""
    random = np.random.default_rng(9)
    objectives = Tolerances.of(Rollout(), Slo(errors=budget)).objectives
    limits = replace(LIMITS, objectives=objectives, factor=6.0)
    canary = replace(side(random, requests), failed=bad)
    live = replace(side(random, 20_000), requests=10**6, failed=0)
    assert compare(canary, live, limits, SECONDS, due=True).verdict == verdict


def test_what_a_policy_does_not_say_has_its_default_and_what_it_says_holds() -> None:
    """Keys that came later are resolved here, so that a policy of before keeps its digest."""
    plain = Tolerances.of(Rollout())
    assert (plain.refusals, plain.p99, plain.unsure, plain.false_move) == (0.02, 2.5, 0.1, 0.05)
    assert (plain.sure, plain.objectives, plain.give_up) == (None, (), 7 * 86_400)
    assert Tolerances.of(Rollout(give_up_after_hours=2)).give_up == 7200
    said = Rollout(refusals_worse_by=0.0, p99_slower_by=3.0, unsure_worse_by=0.2, false_move=0.01)
    found = Tolerances.of(said, Slo(errors=0.1))
    assert (found.refusals, found.p99, found.unsure, found.false_move, found.factor) == (
        0.0,
        3.0,
        0.2,
        0.01,
        6,
    )


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
        limits = replace(LIMITS, false_stop=false_stop, scores=0.05)
        assert compare(canary, live, limits, SECONDS, due=False).verdict == verdict
