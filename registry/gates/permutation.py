"""A sampled permutation explainer for models without exact contributions (Štrumbelj and Kononenko 2014)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from registry.runtimes import Rows

PERMUTATIONS = 4


def contributions(
    answer: Callable[[Rows], NDArray[np.float64]], rows: Rows, background: Rows, seed: int = 0
) -> NDArray[np.float64]:
    """Contributions [n, width + 1], the last the bias; each row adds up to its answer but for rounding.

    Along a random order of the columns, each is turned from a background row's value to the row's own, and
    the answer's change is its contribution; every order is walked forth and back.

    Args:
        answer: [n, width] float32 -> [n], deterministic.
        rows: to be explained.
        background: where they are compared from.
        seed: of the orders and the choice of background rows.
    """
    random = np.random.default_rng(seed)
    count, width = rows.shape
    found = np.zeros((count, width + 1))
    for _ in range(PERMUTATIONS):
        order = random.permutation(width)
        base = background[random.integers(len(background), size=count)]
        for way in (order, order[::-1]):
            current = base.copy()
            before = answer(current)
            found[:, width] += before
            for place in way:
                current[:, place] = rows[:, place]
                after = answer(current)
                found[:, place] += after - before
                before = after
    return found / (2 * PERMUTATIONS)
