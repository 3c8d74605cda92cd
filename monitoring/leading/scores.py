"""Scores of two packages in parts that they share, cut at the quantiles of what live's reference scores.

A package's scores are known to the bins of its own reference. One that a cut divides lies in several parts: it is
counted in the first as what begins there, and in the last as what ends there, so that the share below each cut is known
from both sides. Whether a part holds one value alone the cuts tell; in any other, scores may lie anywhere.

Comparisons that were signed before had about COARSE parts, and counted a bin by its upper edge alone. They MUST come
out again as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.panes import Tally
from monitoring.panes.counts import Dense
from registry.reference import EXTRA, Column

COARSE: Final = 20
_MOST: Final = 256
"""Parts of a score."""
_FEW: Final = 32
_ALL: Final = 2048
"""Parts of all scores together, while each has _FEW: an event has the counts of all of them …"""
_BOUND: Final = 16_384
"""… and in any case: a controller reads a MiB. Of few parts less is shown, and nothing that is wrong."""


def coarse_cuts(column: Column) -> NDArray[np.float32]:
    """Ascending values that cut a reference's scores into about COARSE equal parts: as comparisons of before had."""
    if not len(column.edges):
        return np.empty(0, np.float32)
    return np.unique(column.edges[_places(column, COARSE)])


def cuts_of(columns: Sequence[Column]) -> tuple[NDArray[np.float32], ...]:
    """Of each score, ascending values that cut its reference at its quantiles, and its atoms off from all else."""
    scores = max(1, len(columns))
    parts = max(1, min(max(_FEW, min(_MOST, _ALL // scores)), _BOUND // scores))
    return tuple(cut(column, parts) for column in columns)


def cut(column: Column, parts: int) -> NDArray[np.float32]:
    """Fewer than `parts`: at as many quantiles as that leaves, for what cuts an atom off counts, too."""
    if not len(column.edges):
        return np.empty(0, np.float32)
    quantiles = parts
    while quantiles > 0:
        found = _cuts(column, quantiles)
        if len(found) < parts:
            return found
        quantiles -= max(1, (len(found) - parts) // 2)
    return np.unique(column.edges[_places(column, parts)])


def _cuts(column: Column, quantiles: int) -> NDArray[np.float32]:
    edges = column.edges
    found = edges[np.append(_places(column, quantiles), len(edges) - 1)]
    # A reference has an edge just below each of its atoms; below the least of all values this one takes its place.
    beneath = _before(found)
    atoms = beneath[np.isin(beneath, edges)]
    return np.unique(np.concatenate([found, atoms, [_before(column.minimum)]])).astype(np.float32)


def _places(column: Column, parts: int) -> NDArray[np.intp]:
    share = np.cumsum(column.counts) / max(1, int(column.counts.sum()))
    places = np.searchsorted(share, np.arange(1, parts) / parts)
    return np.minimum(places, len(column.edges) - 1)


def _before(values: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # the most negative float32 has only -inf before it
        return np.asarray(np.nextafter(values, np.float32(-np.inf)), np.float32)


def single_parts(cuts: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the len(cuts) + 1 parts hold one float32 value alone."""
    inner = cuts[:-1] == _before(cuts[1:])
    return np.concatenate([[False], inner, [False]])[: len(cuts) + 1]


def shared_bins(
    column: Column, cuts: NDArray[np.float32], *, coarse: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """In which of len(cuts) + 1 parts each bin of a column begins, and in which it ends; -1: in none (missing).

    `coarse`: as comparisons of before had it: what is below the least value ends with that.
    """
    last = len(cuts)
    ends = np.searchsorted(cuts, column.edges, side="left")
    least = int(np.searchsorted(cuts, column.minimum, side="left"))
    # A bin has what is above the edge before it.
    begins = np.concatenate([[least], np.searchsorted(cuts, column.edges, side="right")]).astype(np.intp)
    above = int(begins[-1]) if len(column.edges) else 0
    extra = {
        "missing": (-1, -1),
        "negative_infinity": (0, 0),
        "positive_infinity": (last, last),
        "below": (0, least if coarse else int(np.searchsorted(cuts, _before(column.minimum), side="left"))),
        "above": (above, last),
        "unseen": (-1, -1),
    }
    first = np.concatenate([begins[:-1], [extra[each][0] for each in EXTRA]])
    return first.astype(np.intp), np.concatenate([ends, [extra[each][1] for each in EXTRA]]).astype(np.intp)


def shared_counts(tally: Tally, bins: Sequence[NDArray[np.intp]], parts: Sequence[int]) -> list[Dense]:
    """The counts [parts] of each score of a tally. `bins`: of its package's columns, in their order."""
    found, at, own = [], 0, tally.scores.dense()
    for places, number in zip(bins, parts, strict=False):  # a package of fewer scores has none of the others
        part, known = own[at : at + len(places)], places >= 0
        found.append(np.bincount(places[known], part[known], minlength=number).astype(np.int64))
        at += len(places)
    return found
