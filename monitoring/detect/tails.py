"""Tails of the two distributions that the classic rules compare with: Kolmogorov's, and chi-square.

Twenty lines each in place of scipy, which the monitor does not install; compared with scipy in the tests.
"""

from __future__ import annotations

import math
from typing import Final

TERMS: Final = 20
"""Of Kolmogorov's series: on its own side of 1.18, the next one is below 1e-300."""


def kolmogorov(x: float) -> float:
    """P(K > x) for the limit of √n · D (Kolmogorov 1933; for small x by its theta form).

    2 Σ (-1)^(k-1) exp(-2 k² x²)  =  1 - √(2π) / x · Σ exp(-(2k - 1)² π² / (8 x²))
    """
    if x <= 0:
        return 1.0
    if x < 1.18:
        root = math.exp(-((math.pi / x) ** 2) / 8) if x > 0.04 else 0.0
        inside = math.fsum(math.pow(root, (2 * k - 1) ** 2) for k in range(1, TERMS + 1))
        return max(0.0, 1 - math.sqrt(2 * math.pi) / x * inside)
    return 2 * sum(math.pow(-1, k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, TERMS + 1))


def chi_square(x: float, degrees: int) -> float:
    """P(X > x) for X chi-square with so many degrees of freedom: Q(degrees / 2, x / 2).

    The incomplete gamma function by its series below a + 1 and by its continued fraction (modified Lentz)
    above: Press et al., Numerical Recipes, section 6.2.
    """
    a, half = degrees / 2, x / 2
    if degrees < 1 or half <= 0:
        return 1.0
    scale = math.exp(a * math.log(half) - half - math.lgamma(a))
    if half < a + 1:
        term = total = 1 / a
        place = a
        while term > total * 1e-16:
            place += 1
            term *= half / place
            total += term
        return max(0.0, 1 - scale * total)
    b = half + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    place = 0
    change = 0.0
    while abs(change - 1) > 1e-15 and place < 10_000:
        place += 1
        numerator = -place * (place - a)
        b += 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        change = c * d
        fraction *= change
    return scale * fraction
