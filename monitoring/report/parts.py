"""A thousand fine bins as the few that people look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.detect.lines import Counts
from registry.reference import EXTRA, Column
from registry.signature import Feature

MOST: Final = 32
"""Columns of a plot; a number with no more values than this has one for each."""
_TAIL: Final = 0.005
"""Of the reference's mass at each end that the plot's scale leaves out: one far value would leave it a line."""
_OTHER: Final = "others"


@dataclass(frozen=True, slots=True)
class Shares:
    """Two distributions over the same parts, each adding up to 1 where it has rows.

    Attributes:
        labels: of the parts, for people.
        reference, window: [parts] shares.
        extra: how many of the parts, the last ones, are not of the reference's range: out of it, missing, unseen.
    """

    labels: tuple[str, ...]
    reference: NDArray[np.float64]
    window: NDArray[np.float64]
    extra: int


def shares_of(column: Column, window: Counts, feature: Feature | None = None) -> Shares:
    """A column's reference and window, in few parts.

    Args:
        column: of the reference.
        window: [bins + 6] counts, as `Column.count` has them.
        feature: of the signature, for the categories' names; None: a score.
    """
    own = column.reference_counts()
    if column.kind == "category":
        groups, labels = _categories(column, own, feature)
    else:
        groups, labels = _numbers(column)
    bins = len(column.counts)
    parts = [np.bincount(groups, counts[:bins], minlength=len(labels)) for counts in (own, window)]
    extras = [(name, own[bins + at], window[bins + at]) for at, name in enumerate(_SAID)]
    shown = [each for each in extras if each[1] or each[2]]
    totals = [max(1, int(counts.sum())) for counts in (own, window)]
    both = [
        np.concatenate([part, [each[1 + side] for each in shown]]) / total
        for side, (part, total) in enumerate(zip(parts, totals, strict=True))
    ]
    return Shares((*labels, *(each[0] for each in shown)), both[0], both[1], len(shown))


_SAID: Final = ("missing", "−∞", "+∞", "below the reference", "above the reference", "unseen category")
assert len(_SAID) == len(EXTRA)


def _categories(column: Column, own: Counts, feature: Feature | None) -> tuple[NDArray[np.intp], list[str]]:
    """Each its own part, the largest first; of very many the rest together."""
    bins = len(column.counts)
    names = feature.categories if feature is not None else tuple(map(str, range(bins)))
    order = np.argsort(-own[:bins], kind="stable")
    groups = np.empty(bins, np.intp)
    groups[order] = np.minimum(np.arange(bins), MOST - 1 if bins > MOST else bins)
    labels = [names[at] for at in order[: MOST - 1 if bins > MOST else bins].tolist()]
    return groups, [*labels, _OTHER] if bins > MOST else labels


def _numbers(column: Column) -> tuple[NDArray[np.intp], list[str]]:
    """Few values: each its own part. Many: equal steps over all but the ends of the reference's range."""
    edges = column.edges.astype(np.float64)
    if not len(edges):
        return np.empty(0, np.intp), []
    if len(edges) <= MOST:
        return np.arange(len(edges)), [_said(edge) for edge in edges]
    running = np.cumsum(column.counts) / max(1, int(column.counts.sum()))
    low = float(column.minimum) if running[0] > _TAIL else float(edges[int(np.searchsorted(running, _TAIL))])
    high = float(edges[min(len(edges) - 1, int(np.searchsorted(running, 1 - _TAIL)))])
    if not high > low:
        low, high = float(column.minimum), float(edges[-1])
    inner = np.linspace(low, high, MOST - 1)
    # A fine bin is where its middle is; it is far narrower than a part wherever there are many rows.
    middles = (edges + np.concatenate([[float(column.minimum)], edges[:-1]])) / 2
    labels = [
        f"≤ {_said(inner[0])}",
        *(f"{_said(start)} to {_said(end)}" for start, end in pairwise(inner.tolist())),
        f"> {_said(inner[-1])}",
    ]
    return np.searchsorted(inner, middles).astype(np.intp), labels


def _said(number: float) -> str:
    return f"{number:.4g}"
