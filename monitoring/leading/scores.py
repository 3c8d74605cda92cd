"""Scores of two packages in bins that they share: at the quantiles of what live's reference scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.panes import Tally
from monitoring.panes.counts import Dense
from registry.reference import EXTRA, Column

PARTS: Final = 20


def cuts_of(column: Column) -> NDArray[np.float32]:
    """Ascending values that cut a reference's scores into about PARTS equal parts."""
    if not len(column.edges):
        return np.empty(0, np.float32)
    share = np.cumsum(column.counts) / max(1, int(column.counts.sum()))
    places = np.searchsorted(share, np.arange(1, PARTS) / PARTS)
    return np.unique(column.edges[np.minimum(places, len(column.edges) - 1)])


def shared_bins(column: Column, cuts: NDArray[np.float32]) -> NDArray[np.intp]:
    """In which of len(cuts) + 1 bins each bin of a column lies, by its upper edge; -1: in none (missing).

    A column's bin that a cut divides is counted above or below it whole: at most 1 / 1024 of its reference.
    """
    last = len(cuts)
    inner = np.searchsorted(cuts, column.edges, side="left")
    below = int(np.searchsorted(cuts, column.minimum, side="left"))
    extra = {
        "missing": -1,
        "negative_infinity": 0,
        "positive_infinity": last,
        "below": below,
        "above": last,
        "unseen": -1,
    }
    return np.concatenate([inner, [extra[each] for each in EXTRA]]).astype(np.intp)


def shared_counts(tally: Tally, bins: Sequence[NDArray[np.intp]], parts: Sequence[int]) -> list[Dense]:
    """The counts [parts] of each score of a tally. `bins`: of its package's columns, in their order."""
    found, at, own = [], 0, tally.scores.dense()
    for places, number in zip(bins, parts, strict=False):  # a package of fewer scores has none of the others
        part, known = own[at : at + len(places)], places >= 0
        found.append(np.bincount(places[known], part[known], minlength=number).astype(np.int64))
        at += len(places)
    return found
