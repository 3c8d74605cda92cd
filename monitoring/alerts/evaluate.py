"""Conditions over what was scraped, here: each as `promql` says it to Prometheus, number by number."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from .form import (
    REMEMBERED,
    Burn,
    Condition,
    Figure,
    Gone,
    Labels,
    Level,
    Nobody,
    Rose,
    Select,
    Since,
    Until,
)
from .samples import History, Labelled, Point

Vector = dict[Labelled, float]
"""What a condition found: labels of the group → value. Empty: it does not hold."""

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
}  # fmt: skip


def holds(condition: Condition, history: History, now: float) -> Vector:  # noqa: PLR0911 - one line a condition
    """Where a condition holds at `now`, s since 1970 UTC."""
    match condition:
        case Level(select, by, op, limit, take):
            found = _group(history.newest(select, now), by, take)
            return {key: value for key, value in found.items() if _COMPARE[op](value, limit)}
        case Since(select, by, seconds):
            found = _group(history.newest(select, now), by, "max")
            return {key: now - value for key, value in found.items() if now - value > seconds}
        case Until(select, by, seconds):
            found = _group(history.newest(select, now), by, "min")
            return {key: value - now for key, value in found.items() if value - now < seconds}
        case Rose():
            return _rose(condition, history, now)
        case Burn():
            return _burn(condition, history, now)
        case Gone():
            return _gone(condition, history, now)
        case Nobody(select):
            total = sum(value for _, value in history.newest(select, now))
            return {(): float(total)} if total < 1 else {}


def shown(figure: Figure, labels: Mapping[str, str], history: History, now: float) -> float | None:
    """The number that an alert with these labels shows; None: there is none."""
    values = tuple(labels.get(label, "") for label in figure.on)
    found = history.looked_up(figure.select, figure.on, values, now)
    return _MOST["max"](found) if found else None


def _rose(rose: Rose, history: History, now: float) -> Vector:
    found: list[tuple[Mapping[str, str], float]] = []
    for series in history.over(rose.select):
        increase = extrapolated(series.window(rose.window, now), rose.window, now)
        if increase is not None and increase > 0:
            found.append((series.labels, increase))
        elif (
            not series.stale
            and series.newest.value > 0
            and not series.window(REMEMBERED, now, offset=rose.window)
        ):
            found.append((series.labels, series.newest.value))
    return {key: value for key, value in _group(found, rose.by, "sum").items() if value > 0}


def _burn(burn: Burn, history: History, now: float) -> Vector:
    def increases(select: Select, window: int) -> Vector:
        found = (
            (series.labels, extrapolated(series.window(window, now), window, now))
            for series in history.over(select)
        )
        return _group(((labels, value) for labels, value in found if value is not None), burn.by, "sum")

    def shares(window: int) -> Vector:
        part, whole = increases(burn.part, window), increases(burn.whole, window)
        ratio = {key: part[key] / whole[key] for key in part if whole.get(key)}
        return {key: 1 - value for key, value in ratio.items()} if burn.inverted else ratio

    bad = increases(burn.part, burn.long)
    if burn.inverted:
        whole = increases(burn.whole, burn.long)
        bad = {key: whole[key] - value for key, value in bad.items() if key in whole}
    short = shares(burn.short)
    return {
        key: value
        for key, value in shares(burn.long).items()
        if value > burn.limit
        and short.get(key, -math.inf) > burn.limit
        and bad.get(key, -math.inf) >= burn.minimum
    }


def _gone(gone: Gone, history: History, now: float) -> Vector:
    there = _group(history.newest(gone.select, now), gone.by, "sum")
    before = [
        (series.labels, 1.0) for series in history.over(gone.select) if series.window(gone.seconds, now)
    ]
    return {key: value for key, value in _group(before, gone.by, "sum").items() if key not in there}


def extrapolated(points: list[Point], window: int, now: float) -> float | None:
    """How much a counter rose in a window, as Prometheus' `increase` tells it; None with fewer than two samples.

    What was counted between the first and the last sample is stretched to the window's ends: to an end that is no
    farther than 1.1 times the usual distance of samples, else by half that distance; and not to before the counter
    was 0. (`rate` is the same over the window's seconds.)
    """
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    rose, sampled = last.counted - first.counted, last.at - first.at
    usual = sampled / (last.number - first.number)
    before, after = first.at - (now - window), now - last.at
    if before >= 1.1 * usual:
        before = usual / 2
    if rose > 0 and first.value >= 0:
        before = min(before, sampled * (first.value / rose))
    if after >= 1.1 * usual:
        after = usual / 2
    return rose * ((sampled + before + after) / sampled)


def _largest(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return max(known) if known else math.nan


def _smallest(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return min(known) if known else math.nan


_MOST: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {
    "max": _largest, "min": _smallest, "sum": sum,
}  # fmt: skip


def _group(found: Iterable[tuple[Mapping[str, str], float]], by: Labels, take: str) -> Vector:
    groups: dict[Labelled, list[float]] = {}
    for labels, value in found:
        key = tuple(sorted((label, labels[label]) for label in by if labels.get(label)))
        groups.setdefault(key, []).append(value)
    return {key: float(_MOST[take](values)) for key, values in groups.items()}
