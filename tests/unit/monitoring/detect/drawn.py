"""The nine distributions that drift figures are checked on, and references made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from registry.reference import Column, Reference, number_column

Draw = Callable[[np.random.Generator, int], np.ndarray]

DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda random, rows: random.standard_normal(rows),
    "lognormal": lambda random, rows: random.lognormal(size=rows),
    "Pareto": lambda random, rows: random.pareto(1.5, rows),
    "integers": lambda random, rows: random.poisson(6, rows),
    "zero-inflated": lambda random, rows: np.where(random.random(rows) < 0.6, 0, random.gamma(2, size=rows)),
    "bimodal": lambda random, rows: random.standard_normal(rows) + 6 * (random.random(rows) < 0.3),
    "constant": lambda _, rows: np.full(rows, 7.0),
    "uniform": lambda random, rows: random.random(rows),
    "heavy ties": lambda random, rows: np.round(random.standard_normal(rows), 1),
}


def drawn(name: str, rows: int, seed: int) -> np.ndarray:
    """[rows] float32, without -0.0."""
    return DISTRIBUTIONS[name](np.random.default_rng(seed), rows).astype(np.float32) + np.float32(0)


def normal_reference(width: int, rows: int = 50_000, seed: int = 0) -> tuple[tuple[Column, ...], Reference]:
    """`width` independent standard normal features, named x0, x1 and so on."""
    table = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    columns = tuple(number_column(f"x{place}", table[:, place]) for place in range(width))
    return columns, Reference(rows, columns, ())
