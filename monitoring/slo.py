"""What an objective counts: bad requests among those that it looks at. Pure, over plain numbers.

| objective | looks at | bad |
|---|---|---|
| errors | every request | status 5xx, or never answered (0) |
| refusals | every request | status 4xx: refused for what it asks |
| latency | requests that a package answered | took longer than `p99_milliseconds` |
| confidence | predictions | the largest class probability is below `at_least` |

A bin that holds both good and bad counts as good: an objective is never missed by a rounding.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from registry.policy.behaviour import Slo

Name = Literal["errors", "refusals", "latency", "confidence"]
NAMES: Final[tuple[Name, ...]] = ("errors", "refusals", "latency", "confidence")
LATE_SHARE: Final = 0.01
"""Of the requests, what may be slower than a 99th percentile."""
UNANSWERED: Final = 0
"""The status of a request that was accepted and never answered."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of bad requests that a policy allows."""

    name: Name
    budget: float
    limit: float | None = None
    """latency: seconds; confidence: probability."""


class Counted(NamedTuple):
    """Of an objective: what it looked at, and what of that was bad. Adds up over panes."""

    bad: int
    requests: int


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
    # i / bins, not i * (1 / bins): as whoever counts divides, so that a limit on an edge is that edge.
    bad = sum(count for i, count in enumerate(counts) if (i + 1) / bins <= objective.limit)
    return Counted(int(bad), int(sum(counts)))


def added(counted: Iterable[Counted]) -> Counted:
    """The sum."""
    bad, requests = 0, 0
    for each in counted:
        bad, requests = bad + each.bad, requests + each.requests
    return Counted(bad, requests)


def bound_above(bounds: Sequence[float], limit: float) -> float | None:
    """The smallest bound that is not below a limit; None: all are."""
    at = bisect_left(bounds, limit)
    return bounds[at] if at < len(bounds) else None
