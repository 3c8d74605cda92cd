"""Decisions by group: the gate's groups, fairlearn's rates, counts that add up, small groups shown and not judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.groups import MOST_VALUES, Attribute, Gap, Tally, attributes_of, codes_of, judge
from monitoring.intervals import wilson
from monitoring.labels import Joined, Task, favoured
from registry.gates.fairness import groups_of, measure
from registry.policy.gates import Protected
from registry.signature import Feature
from registry.table import Table, encode, model_rows
from tests.components.packages import credit_package, credit_table

FALLING = {
    "credit_amount": (5.0, 1.0), "duration_in_month": (1.0, 1.0, 2.0), "present_residence_since": (math.nan,),
}  # fmt: skip
EDGES = (26.0, 60.0)
ALLOWED = (Protected(column="age_in_years", edges=EDGES), Protected(column="housing"))


@pytest.fixture(scope="module")
def credit() -> tuple[Table, tuple[Attribute, ...], np.ndarray]:
    """The table, two attributes of its model, and the group of each row."""
    signature = credit_package().signature
    attributes, left = attributes_of(signature, ALLOWED)
    assert left == {}
    inputs = model_rows(encode(credit_table().frame, signature), signature)
    return credit_table(), attributes, codes_of(inputs, attributes, len(inputs))


def test_groups_are_those_of_the_gate(credit: tuple[Table, tuple[Attribute, ...], np.ndarray]) -> None:
    """Out of the model's input, row by row, as out of the table."""
    table, attributes, codes = credit
    for at, (attribute, protected) in enumerate(zip(attributes, ALLOWED, strict=True)):
        names = np.array(attribute.groups)[codes[:, at]]
        assert names.tolist() == groups_of(table, protected).tolist()


def test_a_column_that_comes_twice_is_looked_at_each_time() -> None:
    """Under names of their own: two of one name would be one attribute's figures, or no page of metrics at all."""
    signature = credit_package().signature
    twice = [Protected(column="age_in_years", edges=edges) for edges in ((26.0,), (40.0, 65.0), (26.0,), ())]
    found, left = attributes_of(signature, [*twice, Protected(column="housing")])
    assert [each.name for each in found] == [
        "age_in_years (at 26.0)",
        "age_in_years (at 40.0, 65.0)",
        "housing",
    ]
    assert left == {"age_in_years (as it is)": "a number, and has no edges"}


def test_what_is_missing_or_unknown_is_a_group_of_its_own() -> None:
    """NaN, which the model sees for both; and a code that no category has."""
    number = Attribute("age", 0, (30.0,), ("below 30", "30 and above", "missing"))
    category = Attribute("sex", 1, (), ("a", "b", "missing"))
    inputs = np.array([[29, 0], [30, 1], [math.nan, math.nan], [1e30, 2], [-1, -1], [5, 0.5]], np.float32)
    assert codes_of(inputs, (number, category), 6).T.tolist() == [[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 0]]
    assert codes_of(None, (number,), 2).tolist() == [[2], [2]]


@pytest.mark.parametrize(("values", "looked"), [(MOST_VALUES, True), (MOST_VALUES + 1, False)])
def test_a_category_has_as_many_groups_as_are_told_apart_or_none(values: int, looked: bool) -> None:
    """One more would be counted for another; the last value, and what is missing, are groups of their own."""
    feature = Feature(name="town", type="category", categories=tuple(map(str, range(values))))
    signature = credit_package().signature.model_copy(update={"features": (feature,)})
    found, left = attributes_of(signature, [Protected(column="town")])
    assert left == ({} if looked else {"town": "a category of too many values"})
    if looked:
        codes = codes_of(np.array([[values - 1], [math.nan], [0]], np.float32), found, 3)
        (counts,) = Tally.of(found, codes, np.ones(3, bool)).counts
        assert np.flatnonzero(counts[:, 0]).tolist() == [0, values - 1, values]


def test_columns_that_cannot_be_looked_at_are_named_with_the_reason() -> None:
    """No feature; a number without edges, or with such as hold nothing apart; a category with some."""
    allowed = [
        Protected(column="nobody"),
        Protected(column="age_in_years"),
        Protected(column="housing", edges=(1.0,)),
        *(Protected(column=each, edges=edges) for each, edges in FALLING.items()),
    ]
    found, left = attributes_of(credit_package().signature, allowed)
    assert found == ()
    assert left == {
        "nobody": "no feature of the model",
        "age_in_years": "a number, and has no edges",
        "housing": "a category, and has edges",
    } | dict.fromkeys(FALLING, "edges that do not rise")


def test_rates_and_gaps_are_fairlearns(credit: tuple[Table, tuple[Attribute, ...], np.ndarray]) -> None:
    """Selection rates, true and false ones, their largest differences and the ratio, by the gate's own measure."""
    table, attributes, codes = credit
    random = np.random.default_rng(3)
    wanted, got = random.random(1000) < 0.6, random.random(1000) < 0.4 + 0.001 * codes[:, 0]
    found = judge(attributes, Tally.of(attributes, codes, got, wanted.astype(float)), 30)
    for at, protected in enumerate(ALLOWED):
        names = groups_of(table, protected)
        theirs = measure(wanted, got, names, 30)
        ours = found[at]
        for group in ours.groups:
            about = theirs["groups"][group.name]
            assert (group.rows, group.judged) == (about["count"], about["judged"])
            assert group.favourable.value == pytest.approx(about["rate"])
            assert group.true_favourable.value == pytest.approx(about["true_positive_rate"])
            assert group.false_favourable.value == pytest.approx(about["false_positive_rate"])
            assert group.favourable.interval == wilson(round(about["rate"] * group.rows), group.rows, 0.95)
        assert len(ours.groups) == len(theirs["groups"])
        assert ours.gaps["favourable"].value == pytest.approx(theirs["demographic_parity_difference"])
        assert ours.gaps["favourable"].ratio == pytest.approx(theirs["demographic_parity_ratio"])


def test_small_groups_are_shown_and_not_judged() -> None:
    """They are in no difference; with one judged group there is none."""
    attribute = Attribute("sex", 0, (), ("a", "b", "c", "missing"))
    codes = np.array([0] * 100 + [1] * 100 + [2] * 5, np.int16)[:, None]
    favoured_ = np.array([True] * 60 + [False] * 40 + [True] * 50 + [False] * 50 + [False] * 5)
    (found,) = judge([attribute], Tally.of([attribute], codes, favoured_), 100)
    assert [(group.name, group.rows, group.judged) for group in found.groups] == [
        ("a", 100, True), ("b", 100, True), ("c", 5, False),
    ]  # fmt: skip
    gap = found.gaps["favourable"]
    assert (gap.low, gap.high, gap.value, gap.ratio) == ("b", "a", pytest.approx(0.1), pytest.approx(5 / 6))
    assert "true_favourable" not in found.gaps
    assert judge([attribute], Tally.of([attribute], codes, favoured_), 101)[0].gaps == {}


def test_the_interval_of_a_gap_is_newcombes() -> None:
    """His example (Statistics in Medicine 17, 1998, table II, method 10): 56/70 and 48/80."""
    attribute = Attribute("sex", 0, (), ("a", "b", "missing"))
    codes = np.array([0] * 70 + [1] * 80, np.int16)[:, None]
    got = np.array([True] * 56 + [False] * 14 + [True] * 48 + [False] * 32)
    (found,) = judge([attribute], Tally.of([attribute], codes, got), 1)
    assert found.gaps["favourable"].interval == pytest.approx((0.0524, 0.3339), abs=1e-4)


def gaps_of(shares: Sequence[int], rows: int, confidence: float = 0.95) -> Gap:
    """Of groups of so many rows, with so many favourable decisions each."""
    attribute = Attribute("a", 0, (), tuple(f"g{each}" for each in range(len(shares))))
    codes = np.repeat(np.arange(len(shares), dtype=np.int16), rows)[:, None]
    got = np.concatenate([np.arange(rows) < each for each in shares])
    (found,) = judge([attribute], Tally.of([attribute], codes, got), 1, confidence)
    return found.gaps["favourable"]


def test_groups_that_are_alike_differ_by_chance_and_are_shown_to_hardly_ever() -> None:
    """Of two equal groups of 100 the difference is over 0.1 in 14 of a hundred windows: that alarms nobody. Of eight
    groups the two furthest apart were picked for it, so all 28 pairs share the level.
    """
    random = np.random.default_rng(0)
    two = [gaps_of(random.binomial(100, 0.5, 2), 100) for _ in range(1000)]
    assert 100 < sum(each.value > 0.1 for each in two) < 220
    assert sum(each.least > 0.1 for each in two) < 5
    assert sum(each.ratio_most < 0.8 for each in two) < 10
    assert sum(each.least > 0 for each in two) < 80
    eight = [gaps_of(random.binomial(100, 0.5, 8), 100) for _ in range(300)]
    assert sum(each.interval.low > 0 for each in eight) > 100
    assert sum(each.least > 0 for each in eight) < 25
    assert sum(each.ratio_most < 1 for each in eight) < 25


def test_many_groups_are_judged_as_each_pair_of_them_would_be() -> None:
    """At the level that the pairs share; rates that are alike, 0 and 1 among them. The furthest apart are the first."""
    random = np.random.default_rng(1)
    for shares in (random.integers(0, 101, 20), np.array([0, 0, 100, 100, 50, 50]), np.zeros(4, np.int64)):
        many = gaps_of(shares.tolist(), 100)
        pairs = list(combinations(shares.tolist(), 2))
        shared = 1 - 0.05 / len(pairs)
        each = [gaps_of(pair, 100, shared) for pair in pairs]
        assert many.least == pytest.approx(max(one.least for one in each), abs=1e-12)
        assert many.ratio_most == pytest.approx(min(one.ratio_most for one in each), abs=1e-12)
        assert many.value == max(one.value for one in each)
        low, high = int(shares.argmin()), int(shares.argmax())
        assert (many.low, many.high) == ((f"g{low}", f"g{high}") if low != high else ("g0", "g1"))


def test_groups_that_differ_are_shown_to() -> None:
    """By whichever two show it best: of few rows the furthest apart may show less than two others."""
    found = gaps_of([300, 200], 500)
    assert found.least == pytest.approx(found.interval.low)
    assert found.least > 0.13
    assert 0.66 < found.ratio_most < 0.78
    assert gaps_of([0, 250], 500).ratio_most < 0.05
    assert gaps_of([0, 0], 500).ratio_most == 1.0


def test_the_end_of_a_ratio_is_that_of_donner_and_zou() -> None:
    """By Wilson's limits, as the formula has it; the lower rate may be any of the two."""
    low, high = wilson(30, 100, 0.95), wilson(60, 100, 0.95)
    top, bottom = low.high * (0.6 - low.high), high.low * (1.2 - high.low)
    wanted = (0.18 + math.sqrt(0.18**2 - top * bottom)) / bottom
    assert gaps_of([30, 60], 100).ratio_most == pytest.approx(wanted)
    assert gaps_of([60, 30], 100).ratio_most == pytest.approx(wanted)


rows = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 1.0, math.nan])), max_size=30
)


@settings(max_examples=50)
@given(rows, rows)
def test_counts_add_up(first: list[tuple[int, bool, float]], second: list[tuple[int, bool, float]]) -> None:
    """What is counted in pieces is what is counted at once."""
    attribute = Attribute("sex", 0, (), ("a", "b", "missing"))

    def tally(some: list[tuple[int, bool, float]]) -> Tally:
        return Tally.of(
            [attribute],
            np.array([one[0] for one in some], np.int16)[:, None],
            np.array([one[1] for one in some], bool),
            np.array([one[2] for one in some], float),
        )

    whole = tally(first + second).counts[0]
    assert ((tally(first) + tally(second) + Tally.empty([attribute])).counts[0] == whole).all()


def test_joined_rows_are_counted_with_the_labels_that_there_are() -> None:
    """The favourable decision of a credit is that against the positive class, `bad`."""
    attribute = Attribute("sex", 0, (), ("a", "b", "missing"))
    nan = math.nan
    joined = Joined(
        Task("binary", ("good", "bad"), 0.5), (attribute,), np.arange(6, dtype=np.int64),
        np.array([[0.1], [0.9], [0.1], [0.9], [nan], [0.1]], np.float32), np.array([0, 0, 1, nan, 0, 0]),
        np.zeros(6, np.int64), np.array([[0], [0], [0], [1], [1], [1]], np.int16), np.arange(6, dtype=np.uint64),
        np.zeros(6, np.int64), 0, 0,
    )  # fmt: skip
    tally = favoured(joined, "negative", until=5)
    assert tally is not None
    assert tally.counts[0].tolist() == [[3, 2, 1, 1, 2, 1], [1, 0, 0, 0, 0, 0], [0] * 6]
    positive = favoured(joined, "positive")
    assert positive is not None
    assert positive.counts[0][:, 1].tolist() == [1, 1, 0]
    assert (
        favoured(
            Joined(
                **{**{name: getattr(joined, name) for name in joined.__slots__}, "task": Task("regression")}
            ),
            "positive",
        )
        is None
    )
