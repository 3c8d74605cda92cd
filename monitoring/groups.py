"""Decisions about people, by group: counts that add up, rates with intervals, and what lies between the groups.

Only attributes of an allow-list are looked at: the policy's, where they are features of the model. A group is what
the fairness gate calls one (registry/gates/fairness.py): a category, an interval between edges, or "missing". Groups of
fewer rows than the policy's minimum are shown, and not judged.

Nothing is drawn from a rate alone: each has its Wilson interval, and a difference of two rates that of Newcombe
(Statistics in Medicine 17, 1998, method 10), which is made of theirs. A ratio has that of Donner and Zou (Statistical
Methods in Medical Research 21, 2012), made the same way. What alarms is the near end of the widest gap that any pair of
groups shows, at a level that all pairs share: the two furthest apart of many equal groups differ by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from monitoring.intervals import Interval, wilson
from registry.policy.attributes import named

if TYPE_CHECKING:
    from registry.policy.gates import Protected
    from registry.signature import Feature, Signature

MISSING: Final = "missing"
NO_FEATURE: Final = "no feature of the model"
NO_EDGES: Final = "a number, and has no edges"
EDGES: Final = "a category, and has edges"
MANY: Final = "a category of too many values"
MOST_VALUES: Final = 32_767
"""Of a category, beside "missing": a row's group is kept in two bytes."""
FALLING: Final = "edges that do not rise"
NO_DECISION: Final = "the model decides between no two classes"
_CELLS: Final = 6
_DECIDED, _FAVOURED, _TRUE_FAVOURED, _FALSE_FAVOURED, _WANTED, _UNWANTED = range(_CELLS)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute by which people are told apart, as a column of the model's input."""

    name: str
    column: int
    edges: tuple[float, ...]
    """Of a numeric one."""
    groups: tuple[str, ...]
    """Names by code; the last one is "missing"."""

    @classmethod
    def of(cls, column: int, feature: Feature, name: str, protected: Protected) -> Self | None:
        """`name`: what it is called. None: it cannot be looked at, see `unlooked`."""
        edges = protected.edges
        if unlooked(feature, protected):
            return None
        if feature.type == "category":
            return cls(name, column, (), (*feature.categories, MISSING))
        said = [f"{edge:g}" for edge in edges]
        names = (
            f"below {said[0]}",
            *map(" to below ".join, pairwise(said)),
            f"{said[-1]} and above",
            MISSING,
        )
        return cls(name, column, edges, names)

    def codes(self, inputs: NDArray[np.float32]) -> NDArray[np.int16]:
        """The group of each row of a model's input [n, width]; what is no category of the model's is missing to it."""
        values = inputs[:, self.column].astype(np.float64)
        last = len(self.groups) - 1
        if self.edges:
            return np.where(np.isnan(values), last, np.digitize(values, self.edges)).astype(np.int16)
        known = (values >= 0) & (values < last)
        return np.where(known, np.where(known, values, 0).astype(np.int64), last).astype(np.int16)


def unlooked(feature: Feature, protected: Protected) -> str:
    """Why an attribute cannot be looked at; empty: it can. The same few words for all, as a metric has them."""
    edges = protected.edges
    if feature.type == "category":
        return EDGES if edges else MANY if len(feature.categories) > MOST_VALUES else ""
    if not edges:
        return NO_EDGES
    # A policy may say so, and what is signed cannot be unsaid; NaN rises nowhere.
    return "" if all(low < high for low, high in pairwise((-math.inf, *edges))) else FALLING


def attributes_of(
    signature: Signature, allowed: Sequence[Protected]
) -> tuple[tuple[Attribute, ...], dict[str, str]]:
    """Those of an allow-list that can be looked at, in its order; and of the others why not."""
    features = {feature.name: (at, feature) for at, feature in enumerate(signature.features)}
    found, not_looked_at = [], {}
    for name, protected in named(allowed):
        at_feature = features.get(protected.column)
        if at_feature is None:
            not_looked_at[name] = NO_FEATURE
            continue
        attribute = Attribute.of(*at_feature, name, protected)
        if attribute is None:
            not_looked_at[name] = unlooked(at_feature[1], protected)
        else:
            found.append(attribute)
    return tuple(found), not_looked_at


def codes_of(
    inputs: NDArray[np.float32] | None, attributes: Sequence[Attribute], rows: int
) -> NDArray[np.int16]:
    """[rows, attributes]; without inputs every row is of the group "missing"."""
    codes = np.empty((rows, len(attributes)), np.int16)
    for at, attribute in enumerate(attributes):
        codes[:, at] = len(attribute.groups) - 1 if inputs is None else attribute.codes(inputs)
    return codes


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of decisions by group. Adding two is exact, in any order."""

    counts: tuple[NDArray[np.int64], ...]
    """For each attribute [groups, 6]: decided; with the favourable decision; of those with a label: wanted and
    favoured, unwanted and favoured, wanted, unwanted. Wanted: the favourable decision would have been right."""

    @classmethod
    def empty(cls, attributes: Sequence[Attribute]) -> Self:
        """Nothing counted."""
        return cls(tuple(np.zeros((len(each.groups), _CELLS), np.int64) for each in attributes))

    @classmethod
    def of(
        cls,
        attributes: Sequence[Attribute],
        codes: NDArray[np.int16],
        favoured: NDArray[np.bool_],
        wanted: NDArray[np.float64] | None = None,
    ) -> Self:
        """Count rows.

        Args:
            attributes: A of them.
            codes: [n, A], each row's group.
            favoured: [n], whether the row got the favourable decision.
            wanted: [n], 1 where that was right by the label, 0 where it was not, NaN without a label; None: no labels.
        """
        right = np.full(len(favoured), np.nan) if wanted is None else wanted
        yes, no = right == 1, right == 0
        cells = (np.ones(len(favoured), bool), favoured, yes & favoured, no & favoured, yes, no)
        return cls(
            tuple(
                np.stack(
                    [np.bincount(codes[cell, at], minlength=len(each.groups)) for cell in cells], axis=1
                ).astype(np.int64)
                for at, each in enumerate(attributes)
            )
        )

    def __add__(self, other: Tally) -> Tally:
        """Both. MUST be of the same attributes."""
        return Tally(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of so many rows, with its Wilson interval; of none it is None."""

    rows: int
    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Group:
    """One group's rates."""

    name: str
    rows: int
    judged: bool
    """Whether it has the minimum of rows."""
    favourable: Rate
    """Share of favourable decisions."""
    true_favourable: Rate
    """Of those who should have got it by their label: share who did."""
    false_favourable: Rate
    """Of those who should not."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between two judged groups' rates."""

    value: float
    interval: Interval
    """Of the difference between these two groups; that they are the two furthest apart of several is not in it."""
    low: str
    high: str
    ratio: float | None
    """The lower rate over the higher one; None where both are 0."""
    least: float
    """By which at least some two groups differ, whichever they are; 0 where none are shown to."""
    ratio_most: float
    """What the ratio of some two groups' rates is at most, whichever they are; 1 where none is shown to be less."""


Rated = Literal["favourable", "true_favourable", "false_favourable"]
RATES: Final[tuple[Rated, ...]] = ("favourable", "true_favourable", "false_favourable")


@dataclass(frozen=True, slots=True)
class Judged:
    """One attribute."""

    attribute: str
    groups: tuple[Group, ...]
    """Those that have rows, in the attribute's order."""
    gaps: Mapping[Rated, Gap]
    """By rate; absent where fewer than two groups can be judged."""


def judge(
    attributes: Sequence[Attribute], tally: Tally, minimum: int, confidence: float = 0.95
) -> tuple[Judged, ...]:
    """Rates and what lies between them.

    Args:
        attributes: those of the tally.
        tally: what was counted.
        minimum: rows that a group needs to be judged; with labels, wanted (or unwanted) rows.
        confidence: of the two-sided intervals.
    """
    found = []
    for attribute, counts in zip(attributes, tally.counts, strict=True):
        groups = tuple(
            _group(name, row, minimum, confidence)
            for name, row in zip(attribute.groups, counts.tolist(), strict=True)
            if row[_DECIDED]
        )
        gaps = {rate: gap for rate in RATES if (gap := _gap(groups, rate, minimum, confidence)) is not None}
        found.append(Judged(attribute.name, groups, gaps))
    return tuple(found)


def _group(name: str, row: Sequence[int], minimum: int, confidence: float) -> Group:
    return Group(
        name,
        row[_DECIDED],
        row[_DECIDED] >= minimum,
        _rate(row[_FAVOURED], row[_DECIDED], confidence),
        _rate(row[_TRUE_FAVOURED], row[_WANTED], confidence),
        _rate(row[_FALSE_FAVOURED], row[_UNWANTED], confidence),
    )


def _rate(count: int, rows: int, confidence: float) -> Rate:
    if not rows:
        return Rate(0, None, None)
    return Rate(rows, count / rows, wilson(count, rows, confidence))


def _gap(groups: Sequence[Group], name: Rated, minimum: int, confidence: float) -> Gap | None:
    rates = [(getattr(group, name), group.name) for group in groups]
    judged = [(rate, name) for rate, name in rates if rate.rows >= minimum]
    if len(judged) < 2:
        return None
    (low, low_name), (high, high_name) = _furthest(judged)
    value = high.value - low.value
    down = math.sqrt((high.value - high.interval.low) ** 2 + (low.interval.high - low.value) ** 2)
    up = math.sqrt((high.interval.high - high.value) ** 2 + (low.value - low.interval.low) ** 2)
    ratio = low.value / high.value if high.value else None
    least, ratio_most = _near_ends([rate for rate, _ in judged], confidence)
    return Gap(value, Interval(value - down, value + up), low_name, high_name, ratio, least, ratio_most)


def _furthest(judged: Sequence[tuple[Any, str]]) -> Sequence[tuple[Any, str]]:
    """The two groups whose rates are furthest apart, the lower one first; of several such pairs the first."""
    low = min(judged, key=lambda each: each[0].value)
    high = max(judged, key=lambda each: each[0].value)
    return (low, high) if low[0].value < high[0].value else sorted(judged[:2], key=lambda each: each[1])


def _near_ends(rates: Sequence[Rate], confidence: float) -> tuple[float, float]:
    """See `Gap.least` and `Gap.ratio_most`. Of two rates that are equal each is wrong at most so often as its level."""
    pairs = len(rates) * (len(rates) - 1) // 2
    shared = 1 - (1 - confidence) / pairs
    known = sorted(
        (each.value or 0.0, *wilson(round((each.value or 0.0) * each.rows), each.rows, shared))
        for each in rates
    )
    value, lower, _ = np.array(known).T
    least, most = 0.0, 1.0
    # Each with all that are above it at once: a category may have thousands of values, and then millions of pairs.
    for at in range(len(known) - 1):
        (low, _, low_end), high, high_end = known[at], value[at + 1 :], lower[at + 1 :]
        down = np.sqrt((high - high_end) ** 2 + (low_end - low) ** 2)
        least = max(least, float((high - low - down).max()))
        there = high_end > 0
        if there.any():
            high, high_end = high[there], high_end[there]
            top, bottom = low_end * (2 * low - low_end), high_end * (2 * high - high_end)
            root = np.sqrt(np.maximum(0.0, (low * high) ** 2 - top * bottom))
            most = min(most, float(((low * high + root) / bottom).min()))
    return least, most
