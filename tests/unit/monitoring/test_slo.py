"""What an objective counts as bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.panes.pane import CONFIDENCE_BINS, LATENCY_BOUNDS
from monitoring.slo import (
    NAMES,
    Counted,
    Objective,
    added,
    bound_above,
    burn_limit,
    burns,
    objectives,
    of_confidence,
    of_latency,
    of_statuses,
    rates,
)
from registry.policy.behaviour import Confidence, Scores, Slo

FULL = Slo(
    p99_milliseconds=50, errors=0.001, refusals=0.05, confidence=Confidence(at_least=0.85, share=0.9),
    scores=Scores(between=(0.2, 0.8), share=0.99),
)  # fmt: skip


def test_a_policy_promises_what_it_says_and_nothing_else() -> None:
    """Each objective with its budget; none where the policy is silent."""
    found = {each.name: (each.budget, each.limit) for each in objectives(FULL)}
    assert found == {
        "errors": (0.001, None),
        "refusals": (0.05, None),
        "latency": (0.01, 0.05),
        "confidence": (0.1, 0.85),
        "scores": (0.01, None),
    }
    assert tuple(found) == NAMES
    assert objectives(Slo()) == ()


def test_statuses() -> None:
    """5xx and no answer at all are errors, 4xx refusals; both look at every request."""
    statuses = {200: 90, 301: 1, 400: 2, 422: 1, 499: 1, 500: 2, 503: 1, 0: 2}
    errors, refusals = objectives(FULL)[:2]
    assert of_statuses(errors, statuses) == Counted(5, 100)
    assert of_statuses(refusals, statuses) == Counted(4, 100)
    assert of_statuses(errors, {}) == Counted(0, 0)
    with pytest.raises(ValueError, match="latency"):
        of_statuses(objectives(FULL)[2], statuses)


def test_latency() -> None:
    """A bin that is all above the limit is bad; that which holds the limit is good."""
    slow = Objective("latency", 0.01, 0.05)
    bounds, counts = (0.01, 0.05, 0.1), (1, 2, 4, 8)
    assert of_latency(slow, bounds, counts) == Counted(12, 15)
    assert of_latency(Objective("latency", 0.01, 0.06), bounds, counts) == Counted(8, 15)
    assert of_latency(Objective("latency", 0.01, 1), bounds, counts) == Counted(0, 15)
    with pytest.raises(ValueError, match="3 bounds make 4 bins"):
        of_latency(slow, bounds, (1, 2, 4))


@given(st.integers(0, len(LATENCY_BOUNDS) - 1), st.integers(0, len(LATENCY_BOUNDS)))
def test_a_limit_on_a_bound_of_the_panes_cuts_there(limit: int, place: int) -> None:
    """Requests up to it are good, and the next bin is not."""
    bounds = [each / 1e9 for each in LATENCY_BOUNDS]
    counts = [0] * (len(bounds) + 1)
    counts[place] = 3
    found = of_latency(Objective("latency", 0.01, bounds[limit]), bounds, counts)
    assert found == Counted(3 if place > limit else 0, 3)


@given(st.integers(10, CONFIDENCE_BINS), st.integers(0, CONFIDENCE_BINS - 1))
def test_a_confidence_on_an_edge_cuts_there(edge: int, place: int) -> None:
    """Bins below it are bad; between two edges, the bin that holds it is good."""
    counts = [0] * CONFIDENCE_BINS
    counts[place] = 2
    on_edge = Objective("confidence", 0.1, edge / CONFIDENCE_BINS)
    assert of_confidence(on_edge, counts) == Counted(2 if place < edge else 0, 2)
    between = Objective("confidence", 0.1, (edge - 0.5) / CONFIDENCE_BINS)
    assert of_confidence(between, counts) == Counted(2 if place < edge - 1 else 0, 2)


def test_a_model_without_classes_is_never_unsure() -> None:
    """A regression's bins are none."""
    assert of_confidence(Objective("confidence", 0.1, 0.8), ()) == Counted(0, 0)


def test_counts_add_up() -> None:
    """Over panes, in any order."""
    assert added([Counted(1, 5), Counted(0, 2), Counted(3, 3)]) == Counted(4, 10)


def test_the_bound_above_a_limit() -> None:
    """The first that is not below it."""
    assert [bound_above((1, 2, 4), each) for each in (0.5, 1, 1.5, 4, 5)] == [1, 1, 2, 4, None]


def test_rates_keep_and_windows_stretch_with_the_period() -> None:
    """Of 30 days those of the book; of another period as many parts of it, and never too short to hold some scrapes."""
    assert [(each.factor, each.long, each.short) for each in rates(Slo())] == [
        (14.4, 3600, 300), (6, 21_600, 1800), (3, 86_400, 7200), (1, 259_200, 21_600),
    ]  # fmt: skip
    assert [(each.long, each.short) for each in rates(Slo(period_days=15))][:2] == [
        (1800, 150),
        (10_800, 900),
    ]
    assert [(each.long, each.short) for each in rates(Slo(period_days=0.1))][:2] == [(300, 60), (300, 60)]


@pytest.mark.parametrize(
    ("long", "short", "found"),
    [
        ((15, 100), (2, 10), True),
        ((14, 100), (2, 10), False),  # not above the limit: of just so much nobody is told
        ((15, 100), (1, 10), False),  # it is over
        ((9, 9), (9, 9), False),  # a few at night
        ((10, 10), (1, 1), True),
        ((15, 100), (0, 0), False),
    ],
)
def test_a_budget_burns_in_both_windows_or_not_at_all(
    long: tuple[int, int], short: tuple[int, int], found: bool
) -> None:
    """And not by a few bad ones alone."""
    assert burns(0.14, Counted(*long), Counted(*short)) is found


def test_a_limit_is_never_beyond_what_there_can_be() -> None:
    """Of a budget of a tenth 14.4 times is more than there is: half-way to all."""
    assert burn_limit(0.001, 14.4) == 14.4 * 0.001
    assert burn_limit(0.1, 14.4) == 0.55
