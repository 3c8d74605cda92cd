"""How fast a package spends the budget of its objectives, by the panes of a part of the log.

The evidence of a rollback for the cause `slo`, and the same again, years later. Integers: the same panes give the same
figures, to the bit.

Prometheus looks at samples of counters at the times of its scrapes, which nobody can do again. So what an alert says is
no evidence: the windows here are over the log's own times, and end with the newest pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from audit.log.base import LogReader
from monitoring.batch import panes_of
from monitoring.errors import EvidenceWrong
from monitoring.figures import Digest, Finite, Range, Slot
from monitoring.inside import counted as scored
from monitoring.inside import outside
from monitoring.panes import LATENCY_BOUNDS, Of, Pane
from monitoring.read import External, Packages, Profile
from monitoring.slo import (
    OF_PACKAGE,
    Counted,
    Name,
    Objective,
    Rate,
    added,
    burn_limit,
    burns,
    objectives,
    of_confidence,
    of_latency,
    rates,
)
from registry.policy.behaviour import Slo

_SECONDS: Final = tuple(bound / 1e9 for bound in LATENCY_BOUNDS)
NO_SCORES: Final = Counted(0, 0)
_Natural = Annotated[int, Field(ge=0)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BurnSaid(_Form):
    """One objective at one rate: what was counted in both windows, and whether it pages."""

    objective: Name
    budget: Finite
    """Share of bad ones that the policy allows."""
    factor: Finite
    limit: Finite
    """The share of bad ones from which the budget is spent so many times too fast."""
    long: _Natural
    short: _Natural
    """Seconds of the windows."""
    bad: _Natural
    requests: _Natural
    """Of the long window."""
    short_bad: _Natural
    short_requests: _Natural
    pages: bool


class Burns(_Form):
    """Burn rates of a package, and where the panes stand in the log.

    MUST hold all that a recomputation needs besides the log, the package and the policy.
    """

    format: Literal[1] = 1
    topic: str
    """Hex id of the log's topic."""
    pane_records: int
    """Offsets of a pane."""
    service: str
    digest: Digest
    slot: Slot
    policy: Digest
    """Whose objectives were applied."""
    since: _Natural
    """When the package got its place, ms since 1970 UTC by the log's clock: panes up to then do not count."""
    reach: _Natural
    """Seconds of the longest window that was looked at; rates of longer ones are not in `burns`."""
    ranges: tuple[Range, ...]
    """Of every partition of the topic, in their order, whole panes. The first pane of each is from before the longest
    window, or from before the package's place, or is the partition's very first: so nothing of the windows is missing.
    """
    begun: _Natural = 0
    """Time of the oldest pane that counts, ms since 1970 UTC by the log's clock."""
    ended: _Natural = 0
    """The same of the newest pane: the windows end there."""
    rows: _Natural = 0
    """Of the package, in the longest window."""
    burns: tuple[BurnSaid, ...] = ()

    @property
    def window_rows(self) -> int:
        """What the policy's `minimum_rows` is about."""
        return self.rows

    @property
    def paging(self) -> tuple[str, ...]:
        """Objectives that page, in the order of the policy's."""
        return tuple(dict.fromkeys(each.objective for each in self.burns if each.pages))


class NotCovered(EvidenceWrong, ValueError):  # noqa: N818 - the name says what happened
    """The ranges are not such as burn rates can be computed of."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one pane has of a package. `time`: of its end, ms; `counted`: by objective."""

    time: int
    rows: int
    counted: tuple[Counted, ...]


class _Only(Packages):
    """One package: records of the others are passed over without being read."""

    def __init__(self, packages: Packages, of: Of) -> None:
        self._packages = packages
        self._of = of

    def get(self, service: str, digest: str) -> Profile | None:
        """See `Packages.get`."""
        if (service, digest) != (self._of.service, self._of.digest):
            return None
        return self._packages.get(service, digest)


def of_answers(
    objective: Objective,
    latency: Sequence[int],
    confidence: Sequence[int],
    scores: Counted = NO_SCORES,
) -> Counted:
    """Latency and confidence, of what panes count: in bins of LATENCY_BOUNDS and of CONFIDENCE_BINS.

    `scores`: of the objective's interval, as `monitoring.inside` counts them.

    Raises:
        ValueError: another objective.
    """
    if objective.name not in OF_PACKAGE:
        raise ValueError(f"{objective.name} is not counted by a package's answers")
    if objective.name == "scores":
        return scores
    return (
        of_latency(objective, _SECONDS, latency)
        if objective.name == "latency"
        else of_confidence(objective, confidence)
    )


def bins_of(wanted: Sequence[Objective], profile: Profile) -> NDArray[np.bool_] | None:
    """The package's bins of scores that are outside of the policy's interval; None: it promises nothing of scores."""
    between = next((each.between for each in wanted if each.between is not None), None)
    return None if between is None else outside(profile.reference.scores, between)


def paged(slo: Slo) -> tuple[Rate, ...]:
    """The rates that page, the shortest windows first."""
    return tuple(sorted((each for each in rates(slo) if each.severity == "page"), key=lambda each: each.long))


def part_of(pane: Pane, of: Of, wanted: Sequence[Objective], bins: NDArray[np.bool_] | None = None) -> Part:
    """Of one pane; `bins`: see `bins_of`."""
    tally = pane.tallies.get(of)
    if tally is None:
        return Part(pane.time, 0, (Counted(0, 0),) * len(wanted))
    latency, confidence = tally.latency.dense().tolist(), tally.confidence.dense().tolist()
    scores = NO_SCORES if bins is None else scored(tally.scores, bins)
    return Part(
        pane.time, tally.rows, tuple(of_answers(each, latency, confidence, scores) for each in wanted)
    )


def said_of(
    parts: Sequence[Part], wanted: Sequence[Objective], looked: Iterable[Rate], ended: int
) -> tuple[BurnSaid, ...]:
    """The burn rates at `ended`, ms: a window of w s is (ended - w, ended]. The order of parts does not matter."""
    found = []
    for rate in looked:
        for place, each in enumerate(wanted):
            long, short = (
                added(part.counted[place] for part in parts if part.time > ended - 1000 * window)
                for window in (rate.long, rate.short)
            )
            limit = burn_limit(each.budget, rate.factor)
            said = BurnSaid(
                objective=each.name, budget=each.budget, factor=rate.factor, limit=limit,
                long=rate.long, short=rate.short, bad=long.bad, requests=long.requests,
                short_bad=short.bad, short_requests=short.requests, pages=burns(limit, long, short),
            )  # fmt: skip
            found.append(said)
    return tuple(found)


def again(
    given: Burns,
    reader: LogReader,
    packages: Packages,
    slo: Slo,
    policy: str,
    external: External | None = None,
) -> Burns:
    """The burn rates of the same ranges, counted from the log. Of `given` only where it is of is believed.

    Args:
        given: topic, pane size, package, since when, how far back, ranges.
        reader: of the record log, or of an archive of it.
        packages: where the package's profile is had.
        slo: of the policy that was in force, or of another one.
        policy: its digest.
        external: what the object store has under a digest.

    Raises:
        NotCovered: the ranges miss some of a window, no window of the policy is so long, or there is no such package.
        LogUnavailable, OffsetGone: the log does not have, or does not give, what stood there.
        StoreUnavailable: the package cannot be had now.
    """
    of = Of(given.service, given.digest, given.slot)
    looked = [each for each in paged(slo) if each.long <= given.reach]
    if given.reach not in {each.long for each in looked}:
        raise NotCovered(f"no rate that pages has a window of {given.reach} s")
    profile = packages.get(of.service, of.digest)
    if profile is None:
        raise NotCovered(f"{of.digest} never answered for {of.service!r}")
    wanted = [each for each in objectives(slo) if each.name in OF_PACKAGE]
    only, bins = _Only(packages, of), bins_of(wanted, profile)
    read = {
        each: [
            part_of(pane, of, wanted, bins)
            for pane in panes_of(
                reader,
                each.partition,
                each.first,
                each.end,
                only,
                {},
                size=given.pane_records,
                external=external,
            )
        ]
        for each in given.ranges
    }
    ended = max((part.time for parts in read.values() for part in parts), default=0)
    begin = max(ended - 1000 * given.reach, given.since)
    _covers(read, begin)
    parts = [part for parts in read.values() for part in parts if part.time > begin]
    return given.model_copy(
        update={
            "policy": policy,
            "begun": min((part.time for part in parts), default=ended),
            "ended": ended,
            "rows": sum(part.rows for part in parts),
            "burns": said_of(parts, wanted, looked, ended),
        }
    )


def _covers(read: Mapping[Range, Sequence[Part]], begin: int) -> None:
    for each, parts in read.items():
        if parts and each.first and parts[0].time > begin:
            raise NotCovered(
                f"partition {each.partition}: what is before offset {each.first} is missing in the window"
            )
