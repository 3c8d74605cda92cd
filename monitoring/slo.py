"""What an objective counts: bad requests among those that it looks at. Pure, over plain numbers.

| objective | looks at | bad |
|---|---|---|
| errors | every request | status 5xx, or never answered (0): of those that name a service |
| refusals | every request | status 4xx: refused for what it asks |
| latency | requests that a package answered | took longer than `p99_milliseconds` |
| confidence | predictions | the largest class probability is below `at_least` |
| scores | each score of each prediction | it lies outside of `between`, or is no number (monitoring/inside.py) |

A bin that holds both good and bad counts as good: an objective is never missed by a rounding.

How fast a budget may be spent is after Google's "The Site Reliability Workbook", chapter 5, table 5-8: with a promise
over 30 days, 2 % of the budget in an hour and 5 % in six page, 10 % in a day and in three warn; each with a short
window of a twelfth, so that an alert ends soon after its cause. Another period stretches the windows, and keeps the
rates.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from registry.policy.behaviour import Slo

Name = Literal["errors", "refusals", "latency", "confidence", "scores"]
NAMES: Final[tuple[Name, ...]] = ("errors", "refusals", "latency", "confidence", "scores")
LATE_SHARE: Final = 0.01
"""Of the requests, what may be slower than a 99th percentile."""
UNANSWERED: Final = 0
"""The status of a request that was accepted and never answered."""
OF_PACKAGE: Final[frozenset[Name]] = frozenset({"latency", "confidence", "scores"})
"""Objectives of what a package has answered. What failed or was refused may never have reached one."""

_HOUR: Final = 3600
PERIOD: Final = 30.0
"""Days of a promise, where the policy does not say."""
SHORTEST_LONG: Final = 300
SHORTEST: Final = 60
"""Seconds: a window must hold some scrapes."""
MINIMUM_BAD: Final = 10
"""Fewer bad requests in the long window never alert: of three requests at night one may fail."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of bad requests that a policy allows."""

    name: Name
    budget: float
    limit: float | None = None
    """latency: seconds; confidence: probability."""
    between: tuple[float, float] | None = None
    """scores: the interval."""


class Counted(NamedTuple):
    """Of an objective: what it looked at, and what of that was bad. Adds up over panes."""

    bad: int
    requests: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Spending the budget so many times too fast, seen in both windows (seconds)."""

    factor: float
    long: int
    short: int
    severity: Literal["warn", "page"]


RATES: Final = (
    Rate(14.4, _HOUR, _HOUR // 12, "page"),
    Rate(6, 6 * _HOUR, _HOUR // 2, "page"),
    Rate(3, 24 * _HOUR, 2 * _HOUR, "warn"),
    Rate(1, 72 * _HOUR, 6 * _HOUR, "warn"),
)
"""Of a promise over `PERIOD`."""


def rates(slo: Slo) -> tuple[Rate, ...]:
    """Of a policy's period, in the order of RATES: the longer, the slower."""
    scale = (slo.period_days or PERIOD) / PERIOD
    return tuple(
        replace(
            each,
            long=max(SHORTEST_LONG, round(each.long * scale)),
            short=max(SHORTEST, round(each.short * scale)),
        )
        for each in RATES
    )


def burn_limit(budget: float, factor: float) -> float:
    """The share of bad requests from which a budget is spent so many times too fast.

    Never more than half-way between the budget and all: of a budget of a tenth, 14.4 times would be more than there is.
    """
    return min(factor * budget, (1 + budget) / 2)


def burns(limit: float, long: Counted, short: Counted) -> bool:
    """Whether the share of what is bad is above the limit in both windows, and not of a few alone."""
    return long.bad >= MINIMUM_BAD and all(
        each.requests > 0 and each.bad / each.requests > limit for each in (long, short)
    )


def objectives(slo: Slo) -> tuple[Objective, ...]:
    """What a policy promises, in the order of NAMES."""
    found: list[Objective] = []
    if slo.errors is not None:
        found.append(Objective("errors", slo.errors))
    if slo.refusals is not None:
        found.append(Objective("refusals", slo.refusals))
    if slo.p99_milliseconds is not None:
        found.append(Objective("latency", LATE_SHARE, slo.p99_milliseconds / 1000))
    if slo.confidence is not None:
        found.append(Objective("confidence", round(1 - slo.confidence.share, 12), slo.confidence.at_least))
    if slo.scores is not None:
        share = round(1 - slo.scores.share, 12)
        found.append(Objective("scores", share, between=slo.scores.between))
    return tuple(found)


def of_statuses(objective: Objective, statuses: Mapping[int, int]) -> Counted:
    """Errors and refusals: HTTP status → requests. Raises ValueError for another objective."""
    if objective.name == "errors":
        bad = sum(count for status, count in statuses.items() if status >= 500 or status == UNANSWERED)
    elif objective.name == "refusals":
        bad = sum(count for status, count in statuses.items() if 400 <= status < 500)
    else:
        raise ValueError(f"{objective.name} is not counted by status")
    return Counted(bad, sum(statuses.values()))


def of_latency(objective: Objective, bounds: Sequence[float], counts: Sequence[int]) -> Counted:
    """Latency.

    Args:
        objective: with its limit in seconds.
        bounds: upper bounds of the bins, inclusive, ascending, in seconds.
        counts: requests by bin; one more than bounds, the last of what is above all.
    """
    assert objective.limit is not None
    if len(counts) != len(bounds) + 1:
        raise ValueError(f"{len(bounds)} bounds make {len(bounds) + 1} bins, not {len(counts)}")
    good = min(bisect_left(bounds, objective.limit) + 1, len(counts))
    return Counted(int(sum(counts[good:])), int(sum(counts)))


def of_confidence(objective: Objective, counts: Sequence[int]) -> Counted:
    """Confidence: predictions by their largest class probability, in equal bins of [0, 1]; [] where there is none."""
    assert objective.limit is not None
    bins = len(counts)
    bad = sum(count for i, count in enumerate(counts) if _edge(i, bins) <= objective.limit)
    return Counted(int(bad), int(sum(counts)))


def added(counted: Iterable[Counted]) -> Counted:
    """The sum."""
    bad, requests = 0, 0
    for each in counted:
        bad, requests = bad + each.bad, requests + each.requests
    return Counted(bad, requests)


def edge_below(bins: int, limit: float) -> float:
    """The largest edge of equal bins of [0, 1] that is not above a limit: what `of_confidence` calls bad is below."""
    return max((_edge(i, bins) for i in range(bins) if _edge(i, bins) <= limit), default=0.0)


def _edge(at: int, bins: int) -> float:
    """The upper edge of a bin. Not by 1 / bins: as whoever counts divides, so that a limit on an edge is that edge."""
    return (at + 1) / bins


def bound_above(bounds: Sequence[float], limit: float) -> float | None:
    """The smallest bound that is not below a limit; None: all are."""
    at = bisect_left(bounds, limit)
    return bounds[at] if at < len(bounds) else None
