"""What was scraped, as far back as the rules look, in bounded memory.

A window keeps at most `points` samples a series, evenly spread: its beginning is then known to w / points. Of a counter
each kept sample knows how much was counted up to it, over restarts of what counts, so that leaving samples out loses
nothing between two that are kept.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .form import Group, Match, Select, selects, windows

Labelled = tuple[tuple[str, str], ...]
"""Labels in the order of their names: what a series is called by."""

POINTS: Final = 120
MOST_SERIES: Final = 20_000
LOOKBACK: Final = 300.0
"""Seconds after which a target that nobody scrapes any more says nothing (Prometheus' default)."""
INSTANCE: Final = "instance"
UP: Final = "up"


class Sample(NamedTuple):
    """One line of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


class Point(NamedTuple):
    """A sample that is kept."""

    at: float
    value: float
    counted: float
    """As a counter: what it rose by since it was first seen, and that first value."""
    number: int
    """Of the sample in its series, those that are not kept counted too."""


@dataclass(slots=True)
class Series:
    """One series: its newest sample, and the samples of each window that a rule looks at."""

    labels: Mapping[str, str]
    newest: Point
    kept: dict[int, deque[Point]] = field(default_factory=dict)
    stale: bool = False
    """Whether the newest scrape of its target did not have it."""

    def window(self, seconds: int, now: float, *, offset: int = 0) -> list[Point]:
        """Its samples in (now - offset - seconds, now - offset]; `seconds + offset` MUST be a window that is kept."""
        begin, end = now - offset - seconds, now - offset
        found = [point for point in self.kept[seconds + offset] if begin < point.at <= end]
        if begin < self.newest.at <= end and (not found or found[-1] is not self.newest):
            found.append(self.newest)
        return found


class History:
    """Samples of every target. For one thread."""

    def __init__(self, groups: Iterable[Group], *, points: int = POINTS, most: int = MOST_SERIES) -> None:
        """Only what these rules read is kept, and of no more than `most` series."""
        self._points: Final = points
        self._most: Final = most
        self._series: Final[dict[str, dict[tuple[str, Labelled], Series]]] = {}
        """Target → name and labels → series."""
        self._found: dict[Select, list[Series]] = {}
        self._wanted: dict[str, list[tuple[Select, Callable[[Mapping[str, str]], bool], frozenset[int]]]] = {}
        self._looked: dict[tuple[Select, tuple[str, ...]], dict[tuple[str, ...], list[float]]] = {}
        self._looked_at = -1.0
        self.left_out = 0
        """Series that were too many, in the newest scrapes."""
        self.want(groups)

    def want(self, groups: Iterable[Group]) -> None:
        """Other rules from now on. Windows that they share with those before go on."""
        needs: dict[Select, set[int]] = {}
        for group in groups:
            for rule in group.rules:
                for select in selects(rule.when):
                    needs.setdefault(select, set()).update(windows(rule.when))
                for figure in rule.figures:
                    needs.setdefault(figure.select, set())
        self._wanted = {}
        for select, wide in needs.items():
            entry = (select, _matcher(select.matches), frozenset(wide))
            self._wanted.setdefault(select.name, []).append(entry)
        self._found = {select: [] for select in needs}
        self._looked_at = -1.0
        for series in self._series.values():
            for key in [key for key in series if key[0] not in self._wanted]:
                del series[key]
            for (name, _), one in series.items():
                self._place(name, one)

    def observe(self, target: str, at: float, samples: Iterable[Sample] | None) -> None:
        """A scrape, or None: the target did not answer. Times of a target MUST NOT go back.

        A series that is not in it is gone, until it is there again; its counter goes on counting.
        """
        self._looked_at = -1.0
        known = self._series.setdefault(target, {})
        for series in known.values():
            series.stale = True
        self.left_out = 0
        self._take(known, target, at, Sample(UP, {}, float(samples is not None)))
        for sample in samples or ():
            self._take(known, target, at, sample)
        self._forget(known, at)

    def newest(self, select: Select, now: float) -> Iterator[tuple[Mapping[str, str], float]]:
        """The newest value of each series that is there now."""
        for series in self._found[select]:
            if not series.stale and now - LOOKBACK < series.newest.at <= now:
                yield series.labels, series.newest.value

    def looked_up(
        self, select: Select, on: tuple[str, ...], values: tuple[str, ...], now: float
    ) -> list[float]:
        """The newest values of the series with these values of the labels `on`; quick for many of them at one `now`."""
        if now != self._looked_at:
            self._looked, self._looked_at = {}, now
        index = self._looked.get((select, on))
        if index is None:
            index = self._looked[select, on] = {}
            for labels, value in self.newest(select, now):
                index.setdefault(tuple(labels.get(label, "") for label in on), []).append(value)
        return index.get(values, [])

    def over(self, select: Select) -> list[Series]:
        """Every series, also one that was there within the longest window and is gone."""
        return self._found[select]

    @property
    def size(self) -> int:
        """Series that are kept."""
        return sum(map(len, self._series.values()))

    def _take(
        self, known: dict[tuple[str, Labelled], Series], target: str, at: float, sample: Sample
    ) -> None:
        if sample.name not in self._wanted:
            return
        labels = {name: value for name, value in sample.labels.items() if value} | {INSTANCE: target}
        key = (sample.name, tuple(sorted(labels.items())))
        series = known.get(key)
        value = float(sample.value)
        if series is None:
            if self.size >= self._most:
                self.left_out += 1
                return
            series = known[key] = Series(labels, Point(at, value, value, 0))
            self._place(sample.name, series)
        else:
            before = series.newest
            # A counter that is smaller than it was began again at 0: all that it has now is new.
            rose = value if value < before.value else value - before.value
            series.newest = Point(at, value, before.counted + rose, before.number + 1)
            series.stale = False
        for seconds, points in series.kept.items():
            while points and points[0].at <= at - seconds:
                points.popleft()
            if not points or at - points[-1].at >= seconds / self._points:
                points.append(series.newest)

    def _place(self, name: str, series: Series) -> None:
        wide: set[int] = set()
        for select, fits, needed in self._wanted[name]:
            if fits(series.labels):
                self._found[select].append(series)
                wide |= needed
        series.kept = {seconds: series.kept.get(seconds, deque()) for seconds in sorted(wide)}

    def _forget(self, known: dict[tuple[str, Labelled], Series], now: float) -> None:
        gone = {
            key: series
            for key, series in known.items()
            if series.stale and series.newest.at <= now - max(series.kept, default=0)
        }
        if not gone:
            return
        for key in gone:
            del known[key]
        ids = {id(series) for series in gone.values()}
        for select, found in self._found.items():
            self._found[select] = [series for series in found if id(series) not in ids]


def _matcher(matches: tuple[Match, ...]) -> Callable[[Mapping[str, str]], bool]:
    tests = [(m.label, m.op, re.compile(m.value) if "~" in m.op else None, m.value) for m in matches]

    def fits(labels: Mapping[str, str]) -> bool:
        for label, op, pattern, value in tests:
            own = labels.get(label, "")
            same = own == value if pattern is None else pattern.fullmatch(own) is not None
            if same == op.startswith("!"):
                return False
        return True

    return fits
