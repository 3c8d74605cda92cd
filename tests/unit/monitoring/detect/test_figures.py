"""All figures of a window, and the state of a detector as bytes."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from monitoring.detect.count import Counter
from monitoring.detect.figures import Detector, DetectorState
from monitoring.detect.limits import Limits
from monitoring.errors import DeltaRefused, DetectError
from registry.reference import Reference, category_column, number_column

NAN, INF = float("nan"), float("inf")
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.standard_normal((20_000, 2)).astype(np.float32)
COLUMNS = (
    number_column("income", TABLE[:, 0]),
    category_column("purpose", (RANDOM.random(20_000) * 4).astype(np.float32) // 1, 4),
    number_column("age", TABLE[:, 1]),
)
REFERENCE = Reference(20_000, COLUMNS, ())
COUNTER = Counter(COLUMNS)
DETECTOR = Detector(COLUMNS, REFERENCE, Limits())


def block(rows: int, seed: int, shift: float = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.stack(
        [
            random.standard_normal(rows) + shift, random.integers(0, 4, rows).astype(float),
            random.standard_normal(rows),
        ], axis=1,
    ).astype(np.float32)  # fmt: skip


def same(one: DetectorState, two: DetectorState) -> bool:
    return DETECTOR.encode(one) == DETECTOR.encode(two)


def test_shares_of_a_window_are_counted_by_what_they_are() -> None:
    """Missing, out of range (infinities that the reference has not, too) and unseen."""
    window = block(1_000, 1)
    window[:100, 0] = NAN
    window[100:130, 0] = 1e9
    window[130:150, 0] = -INF
    window[:40, 1] = [7.0, 0.5, -1.0, INF] * 10
    window[40:50, 1] = NAN
    income, purpose, age = DETECTOR.figures(DETECTOR.start(), COUNTER.count(window))
    assert (income.name, income.rows) == ("income", 1_000)
    assert (income.missing, income.out_of_range, income.unseen) == pytest.approx((0.1, 0.05, 0))
    assert (purpose.missing, purpose.out_of_range, purpose.unseen) == pytest.approx((0.01, 0, 0.04))
    assert (age.missing, age.out_of_range) == (0, 0)
    assert income.ks_lower >= 0.1 > age.ks_upper


def test_an_infinity_that_the_reference_has_is_in_range() -> None:
    """It is a value like others then."""
    column = number_column("x", np.array([INF, *range(500)], np.float32))
    detector = Detector((column,), Reference(50_000, (column,), ()), Limits())
    counts = column.count(np.array([INF, -INF, 3, 4], np.float32))
    (found,) = detector.figures(detector.start(), counts)
    assert found.out_of_range == 0.25


def test_figures_before_the_first_pane_and_of_an_empty_window() -> None:
    """Nothing is known: no evidence, D between 0 and 1, no NaN."""
    for found in DETECTOR.figures(DETECTOR.start(), np.zeros(COUNTER.size, np.int64)):
        assert (found.rows, found.ks_lower, found.ks_upper, found.effect) == (0, 0, 1, 1)
        assert found.log_e_warn == found.log_e_page == -math.inf
        assert not any(math.isnan(value) for name, value in asdict(found).items() if name != "name")


def test_p_values_are_computed_where_a_rule_asks_for_them() -> None:
    """KS of numbers, chi-square of categories; 1 under the other rules."""
    window = block(1_000, 2, shift=0.3)
    classic = Detector(COLUMNS, REFERENCE, Limits(rule="ks-bonferroni"))
    income, purpose, age = classic.figures(classic.start(), COUNTER.count(window))
    assert income.p < 1e-9
    assert 0.001 < purpose.p < 1
    assert age.p == pytest.approx(ks_2samp(TABLE[:, 1], window[:, 2], method="asymp").pvalue, abs=0.03)
    assert [found.p for found in DETECTOR.figures(DETECTOR.start(), COUNTER.count(window))] == [1, 1, 1]


def test_a_pane_is_judged_with_the_effect_that_was_known_before_it() -> None:
    """E[L] ≤ 1 holds only so: a pane must not choose its own divisor."""
    state = DETECTOR.step(DETECTOR.start(), COUNTER.count(block(250, 3)))
    assert (state.effect == 1).all()
    burst = np.repeat(block(5, 4), 50, axis=0)
    after = DETECTOR.step(state, COUNTER.count(burst))
    assert (after.effect == 1).all()
    assert (DETECTOR.step(after, COUNTER.count(block(250, 5))).effect > 1.5).any()


def test_a_state_goes_on_after_its_bytes_as_if_nothing_had_been() -> None:
    """Encoded after every pane and decoded: the same bits at the end, and the same figures."""
    straight = broken = DETECTOR.start()
    for seed in range(30):
        counts = COUNTER.count(block(250, seed, shift=0.3 * (seed > 20)))
        straight = DETECTOR.step(straight, counts)
        broken = DETECTOR.step(DETECTOR.decode(DETECTOR.encode(broken)), counts)
    assert same(straight, broken)
    window = COUNTER.count(block(1_000, 99))
    assert DETECTOR.figures(straight, window) == DETECTOR.figures(
        DETECTOR.decode(DETECTOR.encode(broken)), window
    )


def test_a_state_that_is_none_is_refused() -> None:
    """Short, long, of another tolerance's pairs, or NaN."""
    data = DETECTOR.encode(DETECTOR.start())
    other = Detector(COLUMNS, REFERENCE, Limits(warn_delta=0.2, page_delta=0.3))
    nan, below_one = (np.frombuffer(data, "<f8").copy() for _ in range(2))
    nan[-1], below_one[-1] = NAN, 0.5
    for damaged in (
        data[:-8],
        data + bytes(8),
        b"",
        other.encode(other.start()),
        nan.tobytes(),
        below_one.tobytes(),
    ):
        with pytest.raises(DetectError, match="state"):
            DETECTOR.decode(damaged)


def test_a_pane_of_another_reference_is_refused() -> None:
    """Before it changes anything."""
    with pytest.raises(DetectError, match="and not int64"):
        DETECTOR.step(DETECTOR.start(), np.zeros(COUNTER.size - 1, np.int64))
    with pytest.raises(DetectError, match="and not int64"):
        DETECTOR.figures(DETECTOR.start(), np.zeros(COUNTER.size + 1, np.int64))


def test_a_reference_that_cannot_support_the_limits_is_refused_unless_auto() -> None:
    """A thousand rows: δ = 0.03 and 0.05 are refused; `auto` takes what there is."""
    small = replace(REFERENCE, rows=1_000)
    with pytest.raises(DeltaRefused, match="rows"):
        Detector(COLUMNS, small, Limits())
    auto = Detector(COLUMNS, small, Limits(warn_delta="auto", page_delta="auto"))
    assert auto.warn.delta == auto.page.delta == small.radius


def test_no_columns_are_judged_in_silence() -> None:
    """A reference may have no scores that a policy watches."""
    detector = Detector((), REFERENCE, Limits())
    state = detector.step(detector.start(), np.empty(0, np.int64))
    assert detector.figures(detector.decode(detector.encode(state)), np.empty(0, np.int64)) == ()
