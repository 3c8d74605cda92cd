"""A pane: what the records of a range of offsets hold, counted. All of it is integers, and adding is exact.

A pane MUST be a pure function of the records at its offsets, of how far each journal had come before them, of the
largest log time before them, and of the packages: never of when or how they were read (docs/pane-format.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from .counts import Counts, Dense

Slot = Literal["live", "canary", "shadow"]
SLOTS: Final[tuple[Slot, ...]] = ("live", "canary", "shadow")
"""By their number in an entry."""

CONFIDENCE_BINS: Final = 20
"""Of the largest class probability: bin i holds [i / 20, (i + 1) / 20), the last one 1, too, and what is beyond."""

_STEPS: Final = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
LATENCY_BOUNDS: Final = (*(step * 10**power for power in range(3, 9) for step in _STEPS), 10**11)
"""Nanoseconds from accepting a request to giving its record to the journal: 100 µs to 100 s, ten a decade (the
preferred numbers R10 of ISO 3, rounded). Bin i holds what is at most bound i and above the one before; one more bin
holds what is above the last."""


class Of(NamedTuple):
    """Whose answers: of a service's package in a slot."""

    service: str
    digest: str
    """sha256:…"""
    slot: Slot


class At(NamedTuple):
    """Where requests were answered or refused. The service is empty when no package was chosen for the request:
    nobody but a stranger says then which one was meant.
    """

    service: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class Tally:
    """What one package was asked and answered. Bins are those of its reference."""

    requests: int
    rows: int
    features: Counts
    """All columns one after another, each as `Column.count` has it."""
    scores: Counts
    confidence: Counts
    """[CONFIDENCE_BINS], of rows whose answer is a number; [0] for a regression."""
    latency: Counts
    """[len(LATENCY_BOUNDS) + 1], of requests."""
    positive: int = 0
    """Rows with the positive class as their decision; 0 where the signature has no threshold."""


@dataclass(frozen=True, slots=True)
class Pane:
    """Offsets [first, end) of a partition, counted."""

    partition: int
    number: int
    first: int
    end: int
    time: int
    """The largest log time of the partition up to `end`, ms since 1970 UTC."""
    tallies: Mapping[Of, Tally] = field(default_factory=dict)
    statuses: Mapping[At, Mapping[int, int]] = field(default_factory=dict)
    """HTTP status → requests, explanations too; 0: accepted and never answered."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """Records that could not be counted, by reason (`read.Reason`)."""
    reached: Mapping[bytes, int] = field(default_factory=dict)
    """Journal → its newest sequence before this pane, of those journals that are in it and were known."""
    fresh: frozenset[bytes] = frozenset()
    """Journals that are in it and were not known before."""
    apart: Mapping[Of, Mapping[int, int]] = field(default_factory=dict)
    """The `statuses` of a service's canaries once more, by package: only where `tallies` do not tell whose they are,
    since several canaries were asked, or one that has answered nothing."""

    def __post_init__(self) -> None:
        for name in ("tallies", "statuses", "unreadable", "reached", "apart"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def tells_apart(self, service: str) -> bool:
        """Whether it tells each canary's requests; of several, a pane that a monitor of before has counted does not."""
        answered = sum((of.service, of.slot) == (service, "canary") for of in self.tallies)
        return answered < 2 or any(of.service == service for of in self.apart)

    def asked(self, canary: Of) -> Mapping[int, int]:
        """HTTP status → requests of one canary's package, whichever others stand beside it."""
        where = At(canary.service, canary.slot)
        if any(At(of.service, of.slot) == where for of in self.apart):
            return self.apart.get(canary, {})
        # Of one that was asked alone, and has answered: nothing else was counted there.
        answered = [of for of in self.tallies if At(of.service, of.slot) == where]
        return self.statuses.get(where, {}) if answered == [canary] else {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pane) and _plain(self) == _plain(other)

    def __hash__(self) -> int:
        return hash((self.partition, self.number))


def _plain(pane: Pane) -> tuple[Any, ...]:
    return (
        pane.partition, pane.number, pane.first, pane.end, pane.time, dict(pane.tallies),
        {at: dict(some) for at, some in pane.statuses.items()}, dict(pane.unreadable), dict(pane.reached), pane.fresh,
        {of: dict(some) for of, some in pane.apart.items()},
    )  # fmt: skip


@dataclass(slots=True)
class Sum:
    """Tallies of one package, added: the arrays of `Tally`, dense. Grows by `add`."""

    requests: int
    rows: int
    positive: int
    features: Dense
    scores: Dense
    confidence: Dense
    latency: Dense

    @classmethod
    def zero(cls, like: Tally) -> Sum:
        """Nothing, of the same bins."""
        bins = (like.features, like.scores, like.confidence, like.latency)
        return cls(0, 0, 0, *(np.zeros(counts.size, np.int64) for counts in bins))

    def add(self, tally: Tally) -> None:
        """One more. Of another package, whose bins are other ones, it MUST NOT be.

        Raises:
            ValueError: it has not the same number of bins.
        """
        parts = (
            (self.features, tally.features), (self.scores, tally.scores),
            (self.confidence, tally.confidence), (self.latency, tally.latency),
        )  # fmt: skip
        if any(len(total) != counts.size for total, counts in parts):
            raise ValueError("tallies of other bins cannot be added")
        for total, counts in parts:
            counts.add_to(total)
        self.requests += tally.requests
        self.rows += tally.rows
        self.positive += tally.positive


def add(panes: Iterable[Pane]) -> dict[Of, Sum]:
    """The tallies of panes, added. The order does not matter: integers are exact."""
    found: dict[Of, Sum] = {}
    for pane in panes:
        for of, tally in pane.tallies.items():
            total = found.get(of)
            if total is None:
                total = found[of] = Sum.zero(tally)
            total.add(tally)
    return found


def add_statuses(panes: Iterable[Pane]) -> dict[At, dict[int, int]]:
    """The requests of panes by status, added."""
    found: dict[At, dict[int, int]] = {}
    for pane in panes:
        for at, statuses in pane.statuses.items():
            total = found.setdefault(at, {})
            for status, count in statuses.items():
                total[status] = total.get(status, 0) + count
    return found
