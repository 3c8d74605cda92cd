"""How well a package did, by when its predictions were made; and against another one on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.intervals import Interval, normal, resampled, wilson

from .join import Joined
from .metrics import Measured, calibration, measured

_SECOND: Final = 10**9
_ODD: Final = 0xBF58476D1CE4E5B9
QUANTILES: Final = (0.5, 0.9, 0.99)
"""Of the delays."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of a cohort's labelled rows."""

    value: float
    interval: Interval
    rows: int
    """That the value is of: for precision those that were decided positive, and so on."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Predictions whose requests arrived in [start, end), ns since 1970 UTC."""

    start: int
    end: int
    rows: int
    labelled: int
    """Of them: with a label that could be read."""
    unscored: int
    """Labelled rows whose answer is no finite number: in no metric."""
    coverage: Interval
    """Wilson interval of labelled / rows: of what more labels of the same kind would show."""
    delays: Mapping[float, float]
    """Quantile → seconds from a prediction to when its label was known; empty without labels. The slowest labels are
    not there yet: of a young cohort it says little."""
    metrics: Mapping[str, Estimate]


def cohorts(joined: Joined, length: int, confidence: float = 0.95, *, since: int = 0) -> list[Cohort]:
    """Those that have rows, the oldest first.

    A cohort is a pure function of its rows: another order, or a label said twice, changes nothing.

    Args:
        joined: of one package.
        length: ns; cohorts begin at its multiples since 1970.
        confidence: of the two-sided intervals.
        since: only cohorts that end after it, ns: what older ones say changes when a label comes for them, alone.
    """
    first = int(np.searchsorted(joined.time, since // length * length))
    numbers = joined.time[first:] // length
    bounds = np.flatnonzero(np.diff(numbers)) + 1
    return [
        _cohort(joined, places, int(joined.time[places[0]]) // length * length, length, confidence)
        for places in np.split(np.arange(first, len(joined.time)), bounds)
        if len(places)
    ]


def _cohort(joined: Joined, places: NDArray[np.intp], start: int, length: int, confidence: float) -> Cohort:
    labelled = places[joined.labelled[places]]
    finite = labelled[np.isfinite(joined.scores[labelled]).all(axis=1)]
    delays = np.maximum(0, joined.known[labelled] - joined.time[labelled]) / _SECOND
    quantiles = {q: float(np.quantile(delays, q)) for q in QUANTILES} if len(labelled) else {}
    return Cohort(
        start,
        start + length,
        len(places),
        len(labelled),
        len(labelled) - len(finite),
        wilson(len(labelled), len(places), confidence),
        quantiles,
        estimates(joined, finite, confidence),
    )


def estimates(joined: Joined, places: NDArray[np.intp], confidence: float) -> dict[str, Estimate]:
    """Every metric of these rows, which have a truth and finite scores."""
    if not len(places):
        return {}
    scores, truth = joined.scores[places], joined.truth[places]
    found = {
        name: Estimate(each.value, _interval(each, confidence), each.share[1] if each.share else len(places))
        for name, each in measured(joined.task, scores, truth).items()
    }
    error = calibration(joined.task, scores, truth)
    if error is not None:
        value, statistic = error
        low, high = resampled(statistic, len(places), confidence)
        found["ece"] = Estimate(value, Interval(max(0.0, low), min(1.0, high)), len(places))
    return found


def _interval(each: Measured, confidence: float) -> Interval:
    if each.share is not None:
        return wilson(*each.share, confidence)
    found = normal(each.value, each.influence, confidence, each.least, each.most)
    if found.low < found.high or each.most == np.inf:
        return found
    # Every row says the same, as when an AUC is 1: what so few rows could not have shown is no certainty.
    rows = len(each.influence) if each.fewest is None else each.fewest
    side = wilson(rows if each.value > (each.least + each.most) / 2 else 0, rows, confidence)
    return Interval(min(side.low, found.low), max(side.high, found.high))


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of one package less that of the one before it, on the same rows."""

    value: float
    interval: Interval
    """Normal, by the paired influences of each row; for the AUC, DeLong's for correlated ones."""
    rows: int
    after: float
    before: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two packages on the same traffic."""

    rows: int
    """That both answered: live and shadow, of the same request."""
    labelled: int
    differences: Mapping[str, Difference]


def compare(
    after: Joined,
    before: Joined,
    confidence: float | Callable[[int], float] = 0.95,
    *,
    since: int = 0,
    until: int = 2**63 - 1,
) -> Compared:
    """Compare on the rows of requests that both have answered, and that have a label.

    Args:
        after: the package that is judged.
        before: the one that it is held against; of the same task and classes.
        confidence: of the two-sided intervals; or what it is of so many rows.
        since: requests that arrived from then on, ns …
        until: … and before.

    Raises:
        ValueError: they are not of one task.
    """
    if (after.task.kind, after.task.classes) != (before.task.kind, before.task.classes):
        raise ValueError("packages of different tasks, or classes, cannot be compared")
    ours, theirs = _pairs(after, before)
    near = (after.time[ours] >= since) & (after.time[ours] < until)
    ours, theirs = ours[near], theirs[near]
    rows = len(ours)
    whole = after.labelled[ours] & before.labelled[theirs]
    whole &= np.isfinite(after.scores[ours]).all(axis=1) & np.isfinite(before.scores[theirs]).all(axis=1)
    ours, theirs = ours[whole], theirs[whole]
    if not len(ours):
        return Compared(rows, 0, {})
    # One truth a row: a label that found one of them found both.
    truth = after.truth[ours]
    mine = measured(after.task, after.scores[ours], truth)
    yours = measured(before.task, before.scores[theirs], truth)
    level = confidence(len(ours)) if callable(confidence) else confidence
    differences = {name: _difference(mine[name], yours[name], level) for name in mine if name in yours}
    return Compared(rows, len(ours), differences)


def _difference(after: Measured, before: Measured, confidence: float) -> Difference:
    value, most = after.value - before.value, after.most - after.least
    influence = after.influence - before.influence
    interval = normal(value, influence, confidence, -most, most)
    return Difference(value, interval, len(influence), after.value, before.value)


def _pairs(after: Joined, before: Joined) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both, by request and row; a request that either has twice is left out."""
    ours, theirs = _once(after), _once(before)
    _, a, b = np.intersect1d(
        _named(after, ours), _named(before, theirs), assume_unique=True, return_indices=True
    )
    places = ours[a], theirs[b]
    order = np.argsort(places[0], kind="stable")
    return places[0][order], places[1][order]


def _named(joined: Joined, places: NDArray[np.intp]) -> NDArray[np.uint64]:
    """One number for a row of a request, as in keys.py."""
    return joined.asked[places] + joined.row[places].astype(np.uint64) * np.uint64(_ODD)


def _once(joined: Joined) -> NDArray[np.intp]:
    _, places, counts = np.unique(
        _named(joined, np.arange(len(joined.time))), return_index=True, return_counts=True
    )
    return np.sort(places[counts == 1])


def losses(joined: Joined, places: NDArray[np.intp]) -> NDArray[np.float64]:
    """One number a row in [0, 1], larger is worse: a wrong decision, else the Brier score; of a regression the distance
    over the 99th percentile of the older half's, at most 1.
    """
    task, scores, truth = joined.task, joined.scores[places], joined.truth[places]
    decided = task.decided(scores)
    if decided is not None:
        wrong: NDArray[np.float64] = (decided != truth).astype(np.float64)
        return wrong
    gaps: NDArray[np.float64] = np.abs(scores[:, 0].astype(np.float64) - truth)
    if task.kind == "binary":
        return gaps**2
    scale = float(np.quantile(gaps[: max(1, len(gaps) // 2)], 0.99)) if len(gaps) else 0.0
    return np.minimum(1.0, gaps / scale) if scale else (gaps > 0).astype(np.float64)


def usable(joined: Joined) -> NDArray[np.intp]:
    """Rows that have a truth and finite scores, in the order of their time."""
    return np.flatnonzero(joined.labelled & np.isfinite(joined.scores).all(axis=1))


__all__: Sequence[str] = (
    "Cohort", "Compared", "Difference", "Estimate", "cohorts", "compare", "estimates", "losses", "usable",
)  # fmt: skip
