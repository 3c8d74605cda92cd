"""What is said of the distance of two packages' scores holds for the scores themselves, not for bins of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from monitoring.asked import Asked
from monitoring.leading.scores import coarse_cuts, cut, cuts_of, shared_bins, single_parts
from monitoring.rollout.compare import Side, compare
from monitoring.rollout.questions import Found, Levels, Parts, apart, distance
from monitoring.rollout.tolerances import Tolerances
from registry.policy import Rollout
from registry.reference import EXTRA, Column, number_column

Scores = NDArray[np.float32]
ANY = Levels(0.9999, 0.9999)
"""Bounds that are hardly wider than what was counted: they hold that, all the same."""


def column(scores: Scores) -> Column:
    """The profile of a package that scored its reference so."""
    return number_column("s", scores)


def parts(own: Column, cuts: NDArray[np.float32], scores: Scores) -> Parts:
    """A slot's scores, as panes have them and a comparison adds them up."""
    counts = own.count(scores)
    begins, ends = (
        np.bincount(bins[bins >= 0], counts[bins >= 0], minlength=len(cuts) + 1).astype(np.int64)
        for bins in shared_bins(own, cuts)
    )
    return Parts(begins, ends)


def found(
    canary: Column, live: Column, asked: Scores, beside: Scores, levels: Levels = ANY, parts_of: int = 256
) -> Found:
    """What is said of scores of a canary, and of live beside it, of a score in so many parts."""
    cuts = cut(live, parts_of)
    sides = parts(canary, cuts, asked), parts(live, cuts, beside)
    return apart(*sides, single_parts(cuts), 1.0, levels, 1)


def floats(random: np.random.Generator, kind: str, rows: int) -> Scores:
    """Scores of a shape: spread, of few values, narrow, or of both."""
    spread = random.beta(2, 4, rows)
    few = random.choice([0.0, 0.1, 0.1000001, 0.5, 1.0], rows)
    narrow = random.uniform(0.3, 0.31, rows)
    of = {"spread": spread, "few": few, "narrow": narrow, "both": np.where(spread < 0.3, few, spread)}
    return of[kind].astype(np.float32)


KINDS = st.sampled_from(["spread", "few", "narrow", "both"])


@settings(max_examples=60, deadline=None)
@given(KINDS, KINDS, KINDS, KINDS, st.sampled_from([256, 32, 8, 2, 1]), st.integers(0, 2**32 - 1))
def test_the_distance_lies_between_its_bounds_whatever_the_packages_were_trained_on(
    trained: str, other: str, asked: str, beside: str, most: int, seed: int
) -> None:
    """Four shapes: of the canary's reference, of live's, and of what each scores now. In many parts, few, and one."""
    random = np.random.default_rng(seed)
    canary, live = column(floats(random, trained, 1500)), column(floats(random, other, 1500))
    now, then = floats(random, asked, 500), floats(random, beside, 700)
    said, true = found(canary, live, now, then, parts_of=most), ks_2samp(now, then).statistic
    assert said.at_least <= true + 1e-9
    assert said.at_most >= true - 1e-9


def test_what_lies_between_two_cuts_is_not_shown_to_be_alike() -> None:
    """Live and the canary score all of their rows inside one part, and no value of the one is any of the other's."""
    random = np.random.default_rng(0)
    of = column(random.random(50_000).astype(np.float32))
    (cuts,) = cuts_of([of])
    low, width = cuts[128], cuts[129] - cuts[128]
    live = random.uniform(low + 0.05 * width, low + 0.45 * width, 20_000).astype(np.float32)
    canary = random.uniform(low + 0.5 * width, low + 0.95 * width, 20_000).astype(np.float32)
    assert ks_2samp(canary, live).statistic == 1.0
    assert found(of, of, canary, live).at_most == 1.0


def test_a_bin_of_the_canarys_that_cuts_divide_may_lie_on_either_side_of_them() -> None:
    """Ten wide bins, and all rows at their lower ends: counted at the upper ones they would be nearer to live's."""
    random = np.random.default_rng(4)
    canary = number_column("s", np.linspace(0, 1, 2001, dtype=np.float32)[1:], bins=10)
    live = column(random.uniform(0.05, 1.05, 20_000).astype(np.float32))
    now = (random.integers(0, 10, 20_000) / 10 + 0.001).astype(np.float32)
    then = random.uniform(0.05, 1.05, 20_000).astype(np.float32)
    assert ks_2samp(now, then).statistic > 0.14
    assert found(canary, live, now, then).at_most > 0.14


def side(scores: Parts, single: NDArray[np.bool_], latencies: int) -> Side:
    """All answered, all as quick."""
    rows = int(scores.ends.sum())
    latency = np.zeros(latencies, np.int64)
    latency[3] = rows
    return Side(
        rows, 0, 0, rows, latency, np.zeros(20, np.int64), (scores.ends,), (scores.begins,), (single,)
    )


def verdict(of: Column, canary: Scores, live: Scores) -> str:
    """What comes of it, all else alike."""
    (cuts,) = cuts_of([of])
    seconds = tuple(1.25**n / 1000 for n in range(30))
    sides = [side(parts(of, cuts, each), single_parts(cuts), 31) for each in (canary, live)]
    return compare(*sides, Tolerances.of(Rollout()), seconds, due=True).verdict


@pytest.mark.parametrize("kind", ["spread", "few", "both"])
def test_a_canary_that_scores_as_live_moves_on_also_where_scores_are_few(kind: str) -> None:
    """A value of its own has nothing inside that could differ, however many rows have it."""
    random = np.random.default_rng(1)
    of = column(floats(random, kind, 20_000))
    assert verdict(of, floats(random, kind, 2500), floats(random, kind, 22_500)) == "move"


def test_a_canary_with_another_value_goes_back() -> None:
    """One value each: what lies just below live's is another."""
    live = np.full(3000, 0.5, np.float32)
    assert verdict(column(live), live, live) == "move"
    assert verdict(column(live), np.nextafter(live, np.float32(0)), live) == "back"


def test_all_scores_together_have_a_bounded_number_of_parts() -> None:
    """An event carries the counts of all of them; a comparison of before had twenty of each."""
    of = column(np.random.default_rng(2).random(50_000).astype(np.float32))
    for scores, parts in ((1, 256), (8, 256), (64, 32), (500, 32), (2000, 8), (8000, 2), (20_000, 1)):
        found = cuts_of([of] * scores)
        assert len(found) == scores
        assert len(found[0]) + 1 == parts
    assert len(coarse_cuts(of)) == 19
    assert [len(each) for each in cuts_of([column(np.full(9, np.nan, np.float32))])] == [0]


@pytest.mark.parametrize("scores", [1, 3, 12, 700])
@pytest.mark.parametrize("values", [2, 3, 129, 300])
def test_what_cuts_values_off_counts_among_the_parts(values: int, scores: int) -> None:
    """Where there is room for it each value has a part of its own."""
    of = column(np.random.default_rng(6).integers(0, values, 30_000).astype(np.float32))
    most = {1: 256, 3: 256, 12: 170, 700: 23}[scores]
    cuts = cuts_of([of] * scores)[0]
    assert len(cuts) + 1 <= most
    assert single_parts(cuts).sum() >= min(values, most // 2 - 8)


@pytest.mark.parametrize("scores", [8, 500, 2000])
def test_a_controller_reads_a_comparison_of_many_scores(scores: int) -> None:
    """Whatever the numbers are, and however few scores each reference has: a canary waits for ever otherwise."""
    of = column(np.random.default_rng(6).integers(0, 300, 30_000).astype(np.float32))
    counts = [np.full(len(cuts) + 1, 10**9) for cuts in cuts_of([of] * scores)]
    single = [np.flatnonzero(single_parts(cuts)).tolist() for cuts in cuts_of([of] * scores)]
    side = Asked(scores=tuple(counts), begins=tuple(counts)).written()
    answer = json.dumps({"sides": {"canary": side, "live": side}, "single": single})
    assert len(answer) < 1 << 20


def test_a_comparison_of_before_comes_out_as_it_was_signed() -> None:
    """By the formula that saw the cuts alone: these figures were computed before there was another."""
    random = np.random.default_rng(3)
    of = column(random.beta(2, 4, 5000).astype(np.float32))
    cuts = coarse_cuts(of)
    canary, live = (
        np.bincount(shared_bins(of, cuts, coarse=True)[1][: len(of.counts)], of.count(each)[: len(of.counts)])
        for each in (random.beta(4, 4, 900).astype(np.float32), random.beta(2, 4, 4000).astype(np.float32))
    )
    said = distance(canary.astype(np.int64), live.astype(np.int64), 1.5, Levels(0.01, 0.05), 2)
    assert [round(each, 9) for each in (said.at_least, said.at_most)] == [0.201096142, 0.439985238]


def test_what_lies_below_all_of_a_reference_is_counted_as_before_in_a_comparison_of_before() -> None:
    """In the part of its least value, also where a cut is just below that."""
    of = column(np.full(500, 0.5, np.float32))
    cuts = np.nextafter(np.array([0.5], np.float32), np.float32(0))
    below = len(of.counts) + EXTRA.index("below")
    assert shared_bins(of, cuts)[1][below] == 0
    assert shared_bins(of, cuts, coarse=True)[1][below] == 1
