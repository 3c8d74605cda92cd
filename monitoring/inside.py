"""Which of a package's scores lie outside of an interval: what the objective `scores` calls bad. Pure.

Panes count scores by the bins of the package's reference, and a bin with any place inside the interval counts as
inside: an objective is never missed by a rounding. A bin holds a 1,024th of the reference's rows, or one value; but all
that is below its least score is one bin, and all that is above its largest. So an end of the interval beyond them is
not held, and `unheld` says so. Interval and scores are compared as float32, as thresholds are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitoring.panes.counts import Counts
from monitoring.slo import Counted
from registry.reference import EXTRA, Column

Between = tuple[float, float]
_FAR: Final = (-np.inf, np.inf)


def outside(columns: Sequence[Column], between: Between) -> NDArray[np.bool_]:
    """[sum of bins + 6], as `Column.count` has them one column after the other: no score of the bin lies inside."""
    return (
        np.concatenate([_outside(column, between) for column in columns])
        if columns
        else np.zeros(0, np.bool_)
    )


def _outside(column: Column, between: Between) -> NDArray[np.bool_]:
    low, high = (np.float32(each) for each in between)
    if column.kind == "category":
        codes = np.arange(len(column.counts), dtype=np.float32)
        inside, below, above = (codes >= low) & (codes <= high), False, False
    else:
        # Each bin is (the edge before, its own edge], the first one [minimum, its own edge].
        begins = np.concatenate(([column.minimum <= high], column.edges[:-1] < high))[: len(column.edges)]
        inside = (column.edges >= low) & begins
        below = bool(low < column.minimum)
        above = bool(high > column.edges[-1]) if len(column.edges) else bool(high >= column.minimum)
    extra = {"below": below, "above": above}
    return ~np.concatenate([inside, [extra.get(each, False) for each in EXTRA]])


def unheld(columns: Sequence[Column], between: Between, *, probabilities: bool) -> tuple[str, ...]:
    """What counts as inside, and lies outside: a sentence for each end of the interval that nothing is held to.

    `probabilities`: whether the scores are: none is below 0, or above 1.
    """
    low, high = between
    least, most = (0.0, 1.0) if probabilities else _FAR
    found = []
    for column in columns:
        if column.kind == "category" or not len(column.edges):
            continue
        first, last = column.minimum, column.edges[-1]
        if np.float32(low) < first and low > least:
            found.append(
                f"{column.name} below {low:g} is not told from above it: the reference begins at {first:g}"
            )
        if np.float32(high) > last and high < most:
            found.append(
                f"{column.name} above {high:g} is not told from below it: the reference ends at {last:g}"
            )
    return tuple(found)


@dataclass(slots=True)
class Scored:
    """Scores of one package against one interval, counted pane by pane."""

    between: Between
    bad: int = 0
    scores: int = 0

    def add(self, counts: Counts, bins: NDArray[np.bool_]) -> None:
        """Those of a pane; `bins`: the package's that are `outside`."""
        found = counted(counts, bins)
        self.bad += found.bad
        self.scores += found.requests

    @property
    def counted(self) -> Counted:
        """All so far."""
        return Counted(self.bad, self.scores)

    def written(self) -> dict[str, Any]:
        """For JSON."""
        return {"between": list(self.between), "bad": self.bad, "scores": self.scores}

    @classmethod
    def read(cls, content: Any) -> Scored | None:
        """What `written` gave; None: it is none, or a monitor of before wrote it. Then counting begins anew."""
        try:
            low, high = content["between"]
            return cls((float(low), float(high)), int(content["bad"]), int(content["scores"]))
        except (KeyError, TypeError, ValueError):
            return None


def counted(counts: Counts, bins: NDArray[np.bool_]) -> Counted:
    """Of one pane, or of many that were added. Raises ValueError: the counts are of other bins."""
    dense = counts.dense()
    if len(dense) != len(bins):
        raise ValueError(f"{len(dense)} counts are not of {len(bins)} bins")
    return Counted(int(dense[bins].sum()), int(dense.sum()))
