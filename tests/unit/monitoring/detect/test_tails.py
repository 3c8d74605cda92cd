"""Kolmogorov's and chi-square tails against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from monitoring.detect.tails import chi_square, kolmogorov


def test_kolmogorovs_tail_is_scipys() -> None:
    """On both sides of where the series change, and where only one of them converges."""
    for x in np.concatenate([np.geomspace(1e-3, 10, 200), [1.1799999, 1.18, 1.1800001]]):
        assert kolmogorov(float(x)) == pytest.approx(special.kolmogorov(x), rel=1e-11, abs=1e-300)
    assert kolmogorov(0) == 1


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 50, 1000, 20_000])
def test_the_chi_square_tail_is_scipys(degrees: int) -> None:
    """Through the series, the continued fraction, and far out."""
    for x in np.concatenate([degrees * np.geomspace(1e-3, 5, 60), [degrees + 2.0, degrees + 2.0001]]):
        assert chi_square(float(x), degrees) == pytest.approx(special.chdtrc(degrees, x), rel=1e-9, abs=1e-12)
    assert chi_square(0, degrees) == 1
    assert chi_square(5.0, 0) == 1
