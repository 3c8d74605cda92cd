"""PSI: its unions, its prior, its expectation without drift, and what others say of the same data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.detect.lines import Lines
from monitoring.detect.psi import Unions
from registry.reference import Column, category_column, number_column
from tests.unit.monitoring.detect.drawn import DISTRIBUTIONS, drawn


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def index(column: Column, live: np.ndarray) -> tuple[float, float]:
    found = Unions(Lines([column])).index(column.count(live))
    return float(found.psi[0]), float(found.debiased[0])


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_unions_hold_every_row_of_the_reference_in_about_ten_parts(name: str) -> None:
    """No union of neighbours is smaller than a tenth but the last, and only an atom makes one larger."""
    column = number_column("x", drawn(name, 50_000, 1))
    unions = Unions(Lines([column]))
    own = unions.column(0, unions.reference)
    assert own.sum() == 50_000
    inner = own[1:-2]  # without too low, too high, missing
    assert 1 <= len(inner) <= 11
    assert (inner[:-1] >= 5_000).all()
    atoms = int((column.counts >= 5_000).sum())
    assert (inner > 5_000 + 50_000 / 1024).sum() <= max(
        atoms, len(inner) if name in ("integers", "heavy ties") else 0
    )


def test_the_index_is_its_formula() -> None:
    """Two categories, by hand: (60, 40) of 100 against (30, 170) of 200, each with half a row more."""
    column = category_column("c", np.repeat(floats(0, 1), [60, 40]), 2)
    p, q = (60.5 / 101, 40.5 / 101), (30.5 / 201, 170.5 / 201)
    psi = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    found, debiased = index(column, np.repeat(floats(0, 1), [30, 170]))
    assert found == pytest.approx(psi, rel=1e-12)
    assert debiased == pytest.approx(psi - (1 / 100 + 1 / 200), rel=1e-12)


def test_unseen_and_missing_are_unions_once_they_are_there() -> None:
    """They count toward B only when they hold anything."""
    column = category_column("c", np.repeat(floats(0, 1), [60, 40]), 2)
    shares = [(60, 30), (40, 60), (0, 7), (0, 3)]
    p, q = ([(pair[side] + 0.5) / 102 for pair in shares] for side in (0, 1))
    live = np.repeat(floats(0, 1, 9, float("nan")), [30, 60, 7, 3])
    found, debiased = index(column, live)
    assert found == pytest.approx(sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True)))
    assert found - debiased == pytest.approx(3 * (1 / 100 + 1 / 100))


def test_more_than_ten_categories_share_unions_by_their_shares() -> None:
    """Rare categories are taken together; which ones is the reference's matter."""
    column = category_column("c", np.repeat(np.arange(200, dtype=np.float32), [500, 300, *[1] * 198]), 200)
    unions = Unions(Lines([column]))
    assert unions.column(0, unions.reference).tolist() == [500, 300, 100, 98, 0, 0]


def test_without_drift_the_debiased_index_is_zero_on_average() -> None:
    """The plain one is (B - 1) (1/n + 1/m) too large; 400 windows of 500 rows."""
    random = np.random.default_rng(4)
    reference = random.standard_normal(20_000).astype(np.float32)
    column = number_column("x", reference)
    found = np.array([index(column, random.standard_normal(500).astype(np.float32)) for _ in range(400)])
    plain, debiased = found.mean(axis=0)
    assert plain == pytest.approx(9 * (1 / 500 + 1 / 20_000), rel=0.12)
    assert abs(debiased) < 0.0025


def test_one_outlier_hides_nothing() -> None:
    """A shift of one σ reads the same with a value of 1e6 beside it: bins are the reference's."""
    column = number_column("x", drawn("normal", 50_000, 1))
    live = drawn("normal", 2_000, 2) + np.float32(1)
    with_outlier = live.copy()
    with_outlier[0] = 1e6
    without, beside = index(column, live)[0], index(column, with_outlier)[0]
    assert without > 0.8
    assert beside == pytest.approx(without, abs=0.02)


def test_an_empty_window_has_no_index() -> None:
    """Zero, and no warning of a division."""
    column = number_column("x", drawn("normal", 1_000, 1))
    assert index(column, floats()) == (0, 0)
