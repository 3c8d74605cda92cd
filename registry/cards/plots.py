"""Plots of a package's reference profile, as inline SVG in the house style."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from markupsafe import Markup

from audit.auditor.plots import Series, bin_of, columns, rows
from registry.reference import Column, Reference
from registry.signature import Feature, Signature

_BINS = 30
_MOST = 60
"""Plots of features in one data sheet."""
_BARS = 12


class Plot(NamedTuple):
    """One plot."""

    name: str
    svg: Markup
    note: str


def scores(reference: Reference) -> Markup:
    """How the reference's scores lie, one plot an output. Values below are of the profile's bins."""
    return Markup("").join(_numbers(column, f"scores of {column.name}") for column in reference.scores[:8])


def features(reference: Reference, signature: Signature) -> Iterator[Plot]:
    """Each feature's values on the training table, the first ones of many."""
    for column, feature in list(zip(reference.features, signature.features, strict=True))[:_MOST]:
        missing = f"{column.missing:,} of {reference.rows:,} rows have no value."
        if column.kind == "category":
            yield Plot(feature.name, _categories(column, feature), missing)
        else:
            shown = _numbers(column, f"values of {feature.name}")
            yield Plot(feature.name, shown, f"{missing} Each column counts the values up to its end.")


def _numbers(column: Column, what: str) -> Markup:
    ends = [float(edge) for edge in column.edges]
    if not ends:
        return Markup("")
    low, high = float(column.minimum), ends[-1]
    if not high > low:
        high = low + 1.0
    if not math.isfinite(high - low):
        return Markup("")
    counts = [0] * _BINS
    for end, count in zip(ends, column.counts.tolist(), strict=True):
        counts[bin_of(end, low, high, _BINS)] += int(count)
    step = (high - low) / _BINS
    labels = [f"{low + at * step:.4g} to {low + (at + 1) * step:.4g}" for at in range(_BINS)]
    ticks = [(place, f"{low + place * (high - low):.4g}") for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
    # The plot escapes every text that it is given.
    return Markup(columns([Series("rows", "good", counts)], labels, ticks, what))  # noqa: S704


def _categories(column: Column, feature: Feature) -> Markup:
    pairs: list[Any] = sorted(
        zip(feature.categories, (int(each) for each in column.counts), strict=True), key=lambda pair: -pair[1]
    )
    bars = [(name, count, "good") for name, count in pairs[:_BARS]]
    if rest := pairs[_BARS:]:
        bars.append((f"{len(rest)} others", sum(count for _, count in rest), "other"))
    return Markup(rows(bars, f"categories of {feature.name}"))  # noqa: S704 — see above
