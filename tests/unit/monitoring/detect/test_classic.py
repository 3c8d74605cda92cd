"""Chi-square and the corrections, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, false_discovery_control

from monitoring.detect.chi2 import homogeneity
from monitoring.detect.classic import benjamini_hochberg, bonferroni, psi_over


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_homogeneity_is_scipys_where_every_cell_is_large_enough() -> None:
    """Statistic, degrees of freedom and p; cells that are empty in both are none."""
    live, reference = counts(50, 30, 90, 0, 12), counts(700, 500, 800, 0, 160)
    found = homogeneity(live, reference)
    truth = chi2_contingency(np.stack([live, reference])[:, [0, 1, 2, 4]], correction=False)
    assert found.statistic == pytest.approx(truth.statistic, rel=1e-12)
    assert found.degrees == truth.dof == 3
    assert found.p == pytest.approx(truth.pvalue, rel=1e-9)


def test_rare_categories_are_taken_together() -> None:
    """A hundred codes of one row each do not make a hundred degrees of freedom out of noise."""
    random = np.random.default_rng(1)
    shares = np.array([0.5, 0.3, *[0.002] * 100])
    p = [
        homogeneity(random.multinomial(500, shares), random.multinomial(20_000, shares)).p for _ in range(500)
    ]
    assert homogeneity(random.multinomial(500, shares), random.multinomial(20_000, shares)).degrees == 2
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_nothing_to_compare_is_no_drift() -> None:
    """No rows, or one cell: p = 1."""
    assert homogeneity(counts(0, 0), counts(5, 5)).p == 1
    assert homogeneity(counts(9, 0), counts(5, 0)).p == 1
    assert homogeneity(counts(0, 100), counts(100, 0)).p < 1e-20


def test_bonferroni_divides_alpha_by_the_number_of_columns() -> None:
    """Strictly below."""
    p = np.array([0.0099, 0.01, 0.04, 0.5, 1])
    assert bonferroni(p, 0.05).tolist() == [True, False, False, False, False]
    assert bonferroni(np.empty(0), 0.05).tolist() == []


def test_benjamini_hochberg_is_scipys() -> None:
    """Rejected where the adjusted p-value is at most alpha; ties, order and nothing at all included."""
    random = np.random.default_rng(2)
    for _ in range(200):
        p = np.round(random.random(30) ** 4, 3)
        expected = false_discovery_control(p) <= 0.05 + 1e-12
        assert (benjamini_hochberg(p, 0.05) == expected).all()
    assert benjamini_hochberg(np.array([0.04, 0.03, 0.02]), 0.05).all(), (
        "step-up: the last one carries the others"
    )
    assert benjamini_hochberg(np.empty(0), 0.05).tolist() == []


def test_psi_is_reached_and_not_only_passed() -> None:
    """PSI ≥ x."""
    assert psi_over(np.array([0.19, 0.2, 0.3]), 0.2).tolist() == [False, True, True]
