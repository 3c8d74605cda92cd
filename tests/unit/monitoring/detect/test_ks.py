"""KS bounds: against scipy's distance on nine distributions, and on what scipy does not take."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstwo

from monitoring.detect.ks import bounds, p_value
from monitoring.detect.lines import Lines
from registry.reference import category_column, number_column
from tests.unit.monitoring.detect.drawn import DISTRIBUTIONS, drawn

NAN, INF = float("nan"), float("inf")


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1, 0.3), (1.5, 0), (0, 1e6)])
def test_the_bounds_hold_scipys_distance_within_a_thousandth(name: str, scale: float, shift: float) -> None:
    """No drift, a shift, a wider spread, all out of range: truth between the bounds, error ≤ 0.001."""
    reference = drawn(name, 50_000, 1)
    live = drawn(name, 5_000, 2) * np.float32(scale) + np.float32(shift)
    column = number_column("x", reference)
    found = bounds(Lines([column]), column.count(live))
    truth = ks_2samp(reference, live, method="asymp").statistic
    assert found.lower[0] - 1e-12 <= truth <= found.upper[0] + 1e-12
    assert truth - found.lower[0] <= 0.001
    assert found.upper[0] - truth <= 0.001


def test_atoms_and_gaps_leave_nothing_uncertain() -> None:
    """Where every bin holds one value of the reference, or none, the bounds are the distance itself."""
    column = number_column("x", floats(1, 1, 2, 5, 5, 5))
    found = bounds(Lines([column]), column.count(floats(1, 3, 4, 5)))
    assert found.lower[0] == found.upper[0] == pytest.approx(0.25)


def test_the_reference_is_at_distance_zero_from_itself() -> None:
    """Exactly: the same rationals divide to the same floats."""
    reference = drawn("lognormal", 3_000, 1)
    reference[::7] = np.nan
    column = number_column("x", reference)
    found = bounds(Lines([column]), 2 * column.reference_counts())
    assert found.lower[0] == 0


def test_missing_values_are_the_largest_ones() -> None:
    """The distance is what scipy says when NaN is put beyond +inf, and at least the change of their share."""
    random = np.random.default_rng(3)
    reference, live = drawn("normal", 2_000, 1), drawn("normal", 2_000, 2)
    reference[random.random(2_000) < 0.1] = np.nan
    live[random.random(2_000) < 0.4] = np.nan
    live[:20] = [INF, -INF] * 10
    column = number_column("x", reference, bins=4096)
    found = bounds(Lines([column]), column.count(live))
    beyond = [np.where(np.isnan(each), 1e30, np.clip(each, -1e20, 1e20)) for each in (reference, live)]
    assert found.lower[0] == pytest.approx(ks_2samp(*beyond, method="asymp").statistic, abs=1e-12)
    assert found.lower[0] >= abs(np.isnan(reference).mean() - np.isnan(live).mean()) - 1e-12


def test_a_column_that_is_all_missing_now_is_as_far_away_as_can_be() -> None:
    """A flood of NaN is the largest drift there is, not an empty window."""
    column = number_column("x", drawn("normal", 1_000, 1))
    found = bounds(Lines([column]), column.count(np.full(500, NAN, np.float32)))
    assert (found.lower[0], found.upper[0]) == (1, 1)


def test_categories_are_compared_in_the_order_of_their_shares() -> None:
    """By hand: shares 0.5, 0.3, 0.2 against 0.2, 0.3, 0.4 and a tenth unseen."""
    column = category_column("c", np.repeat(floats(0, 1, 2), [2, 5, 3]), 3)  # by share: 1, 2, 0
    live = np.repeat(floats(1, 2, 0, 9), [2, 3, 4, 1])
    found = bounds(Lines([column]), column.count(live))
    assert found.lower[0] == found.upper[0] == pytest.approx(0.3)
    gone = bounds(Lines([column]), column.count(np.full(5, 77, np.float32)))
    assert gone.lower[0] == 1


def test_an_empty_window_bounds_nothing() -> None:
    """0 ≤ D ≤ 1 is all that is known; no division by zero."""
    column = number_column("x", drawn("normal", 1_000, 1))
    found = bounds(Lines([column]), np.zeros(len(column.counts) + 6, np.int64))
    assert (found.lower[0], found.upper[0]) == (0, 1)


@pytest.mark.parametrize(("rows", "other"), [(1_000, 50_000), (5_000, 5_000), (250, 1_000_000)])
def test_the_p_value_is_scipys(rows: int, other: int) -> None:
    """As `ks_2samp(method="asymp")` computes it, which takes the exact distribution of one sample of N rows."""
    together = rows * other / (rows + other)
    for x in (0.3, 0.8, 1.0, 1.36, 1.63, 2.0):
        distance = x / math.sqrt(together)
        assert p_value(distance, rows, other) == pytest.approx(kstwo.sf(distance, round(together)), rel=0.03)
    assert p_value(0.5, 0, other) == 1
