"""Scores outside of an interval, by the bins in which panes have them; and an objective that is held by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitoring.answers import figures_of
from monitoring.burns import bins_of, part_of, said_of
from monitoring.exporter import Seen, families
from monitoring.inside import Between, counted, outside, unheld
from monitoring.judging import judged_by
from monitoring.leading import Aggregate, restore, state_of
from monitoring.panes.counts import Counts
from monitoring.read import Profile
from monitoring.rollout.tolerances import Tolerances
from monitoring.slo import Counted, Objective, Rate, objectives
from registry.policy import Policy, Rollout, Scores, Slo, parse_policy
from registry.reference import Column, category_column, number_column
from tests.unit.monitoring.conftest import CREDIT, DIGEST, Kept

VALUES = st.floats(-10, 10, width=32) | st.sampled_from(
    [0.0, 1.0, 2.5, float("nan"), float("inf"), -float("inf")]
)
POLICY = """
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    slo: {scores: {between: BETWEEN, share: 0.9}}
"""


def policy_of(between: str) -> Policy:
    """That scores lie between."""
    return parse_policy(POLICY.replace("BETWEEN", between).encode())


def column(values: list[float], bins: int) -> Column:
    """Of these."""
    return number_column("score", np.array(values, np.float32), bins)


@given(
    st.lists(VALUES, max_size=40),
    st.integers(2, 12),
    st.tuples(st.floats(-12, 12), st.floats(-12, 12)).filter(lambda ends: ends[0] < ends[1]),
    st.lists(VALUES, min_size=1, max_size=30),
)
def test_a_bin_is_outside_when_no_score_of_it_can_be_inside(
    reference: list[float], bins: int, between: Between, scores: list[float]
) -> None:
    """None more: for every other bin there is a score that lies in it and in the interval."""
    one = column(reference, bins)
    low, high = (np.float32(each) for each in between)
    found = outside([one], between)

    def bins_inside(values: NDArray[np.float32]) -> set[int]:
        inside = values[(values >= low) & (values <= high)]
        return set(np.flatnonzero(one.count(inside)).tolist())

    edges = np.concatenate([one.edges, [one.minimum, low, high]]).astype(np.float32)
    near = np.concatenate([edges, np.nextafter(edges, np.float32(20)), np.nextafter(edges, np.float32(-20))])
    assert set(np.flatnonzero(~found).tolist()) >= bins_inside(np.array(scores, np.float32))
    assert set(np.flatnonzero(~found).tolist()) == bins_inside(near)


def test_several_outputs_and_categories() -> None:
    """Columns one after the other, as counts have them; a code is itself."""
    codes = category_column("grade", np.array([0, 1, 2, 2], np.float32), 3)
    both = outside([column([0.5] * 9, 4), codes], (1.0, 2.0))
    assert both.tolist()[-9:] == [True, False, False, *[True] * 6]
    counts = np.concatenate([column([0.5] * 9, 4).reference_counts(), codes.reference_counts()])
    assert counted(Counts.of(counts), both) == Counted(10, 13)
    with pytest.raises(ValueError, match="16 counts are not of 9 bins"):
        counted(Counts.of(counts), both[:9])
    assert outside([], (0.0, 1.0)).tolist() == []


def test_an_end_that_nothing_is_held_to_is_told() -> None:
    """Beyond all scores of the reference; a probability is never beyond 0 and 1."""
    one = column([0.25, 0.5, 0.75], 4)
    said = [
        "score below 0.1 is not told from above it: the reference begins at 0.25",
        "score above 1 is not told from below it: the reference ends at 0.75",
    ]
    assert list(unheld([one], (0.1, 1.0), probabilities=False)) == said
    assert list(unheld([one], (0.1, 1.0), probabilities=True)) == said[:1]
    assert unheld([one], (0.0, 1.0), probabilities=True) == ()
    assert unheld([one], (0.25, 0.75), probabilities=False) == ()


def test_an_interval_is_one_and_is_signed_like_every_other_key() -> None:
    """Its ends rise, and are numbers that a score can be."""
    slo = policy_of("[0.2, 1]").services["credit"].slo
    assert objectives(slo) == (Objective("scores", 0.1, between=(0.2, 1.0)),)
    assert parse_policy(policy_of("[0.2, 1]").canonical()).services["credit"].slo == slo
    for between, why in (
        ("[1, 1]", "between: 1 is not below 1"), ("[2, 1]", "between: 2 is not below 1"),
        ("[0, 1.0e+39]", "less than or equal"), ("[0]", "Field required"),
    ):  # fmt: skip
        with pytest.raises(Exception, match=why):
            policy_of(between)


def leader(profile: Profile, between: list[Between | None]) -> Aggregate:
    """By the newest of the intervals."""
    policy = policy_of("[0.2, 0.8]")
    found = Aggregate(
        [0], Kept({DIGEST: profile}), lambda service: judged_by(policy, service), topic="00" * 16,
        pane_records=250, between=lambda _: between[-1],
    )  # fmt: skip
    found.serve({CREDIT: 0})
    return found


def exported(one: Aggregate, policy: Policy) -> list[float]:
    """Bad scores, and all."""
    return [
        sample.value
        for family in families(one, policy, Seen(leads=True))
        for sample in family.samples
        if sample.name in ("affiant_slo_bad_requests_total", "affiant_slo_requests_total")
    ]


def test_the_monitor_counts_what_the_evidence_does(profile: Profile, stream: Callable[..., Any]) -> None:
    """Over all panes the very numbers: those of the scores themselves, but for bins that an end cuts."""
    policy = policy_of("[0.2, 0.8]")
    wanted = objectives(policy.services["credit"].slo)
    one, panes = leader(profile, [(0.2, 0.8)]), [stream().pane(number) for number in range(8)]
    for pane in panes:
        one.take(pane)
        one.judge()
    bins = bins_of(wanted, profile)
    assert bins is not None
    parts = [part_of(pane, CREDIT, wanted, bins) for pane in panes]
    (said,) = said_of(parts, wanted, [Rate(1, 10**6, 10**6, "page")], panes[-1].time)
    assert exported(one, policy) == [said.bad, said.requests]
    random = [np.random.default_rng([0, number]) for number in range(8)]
    ages = [each.normal(size=250) + each.integers(0, 2, 250) for each in random]
    scores = (1 / (1 + np.exp(1 - np.concatenate(ages)))).astype(np.float32)
    exact = int(((scores < np.float32(0.2)) | (scores > np.float32(0.8))).sum())
    assert said.requests == 2000
    assert exact - 12 <= said.bad <= exact  # of two bins of 1,024
    (figures,) = figures_of(one, {})
    assert figures["scores"] == {"between": [0.2, 0.8], "outside": said.bad, "scores": 2000, "unheld": []}


def test_another_interval_is_counted_from_nothing(profile: Profile, stream: Callable[..., Any]) -> None:
    """A counter that jumped because of what the policy says now would look like a burn; none at all without one."""
    between: list[Between | None] = [(0.2, 0.8)]
    one, policy = leader(profile, between), policy_of("[0.2, 0.8]")
    for number in range(3):
        one.take(stream().pane(number))
    one.judge()
    before = exported(one, policy)
    assert before[1] == 750
    assert exported(one, policy_of("[0.4, 0.6]")) == [0, 0]
    between.append((0.4, 0.6))
    one.take(stream().pane(3))
    one.judge()
    assert exported(one, policy) == [0, 0]
    assert exported(one, policy_of("[0.4, 0.6]"))[1] == 250
    between.append(None)
    one.take(stream().pane(4))
    one.judge()
    assert one.lives[CREDIT].scored is None
    assert figures_of(one, {})[0]["scores"] is None


@pytest.mark.parametrize("kept", [True, False])
def test_a_restart_goes_on_counting(profile: Profile, stream: Callable[..., Any], kept: bool) -> None:
    """From a state of a monitor that did not count them, too."""
    panes = [stream().pane(number) for number in range(4)]
    first, second, policy = (
        leader(profile, [(0.2, 0.8)]),
        leader(profile, [(0.2, 0.8)]),
        policy_of("[0.2, 0.8]"),
    )
    for pane in panes[:3]:
        first.take(pane)
    first.judge()
    state = json.loads(json.dumps(state_of(first)))
    if not kept:
        del state["lives"][0]["scored"]
    restore(second, state, panes[:3])
    second.take(panes[3])
    second.judge()
    assert exported(second, policy)[1] == (1000 if kept else 250)


def test_a_canary_is_not_held_to_it_by_what_a_rollout_counts() -> None:
    """Its scores are compared with live's, in bins that both share: no interval can be told by those."""
    slo = Slo(errors=0.1, scores=Scores(between=(0.2, 0.8), share=0.9))
    assert [each.name for each in Tolerances.of(Rollout(), slo).objectives] == ["errors"]
