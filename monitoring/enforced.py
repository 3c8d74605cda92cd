"""What is held of an objective in fact: requests are counted in bins, and a limit within a bin is one of its edges.

Latency is rounded up, to the next bound of the bins: by the records that of the panes (monitoring/panes), by the
gateways that of their histogram. Confidence is rounded down, to a twentieth. So an objective is never missed by a
rounding, and may be held less tightly than the policy says it: who signs a policy is to see by how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from monitoring.panes import CONFIDENCE_BINS, LATENCY_BOUNDS
from monitoring.slo import Objective, bound_above, edge_below, objectives
from registry.policy import Policy
from registry.policy.behaviour import Slo

SECONDS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip
"""Bounds of the gateway's histogram: service.metrics has them, and a test holds both together."""
RECORDS: Final = tuple(bound / 1e9 for bound in LATENCY_BOUNDS)
"""The same of the panes, in seconds."""
_NOBODY: Final = 0.5
"""Of two classes the larger probability is never below."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """An objective with a limit: seconds, or a probability."""

    objective: Literal["latency", "confidence"]
    policy: float
    """As the policy says it."""
    records: float | None
    """What is bad by the records: slower than this, or less sure. None: nothing is, ever."""
    gateways: float | None
    """Latency by the gateways; None: they do not look at it."""

    @property
    def rounded(self) -> bool:
        """Whether any of them is another number than the policy's."""
        others = (self.records, self.gateways) if self.objective == "latency" else (self.records,)
        return any(each != self.policy for each in others)

    def told(self) -> str:
        """In a line."""
        if self.objective == "confidence":
            assert self.records is not None
            nobody = ": of two classes no answer ever is" if self.records <= _NOBODY else ""
            return f"confidence: unsure is an answer below {self.records:g}{nobody} (the policy says {self.policy:g})"
        records = (
            "none by the records" if self.records is None else f"above {_time(self.records)} by the records"
        )
        gateways = "not looked at" if self.gateways is None else f"above {_time(self.gateways)}"
        return (
            f"latency: late is {records}, {gateways} by the gateways (the policy says {_time(self.policy)})"
        )


def enforced(slo: Slo) -> tuple[Enforced, ...]:
    """Of a service's objectives those that have a limit."""
    found = []
    for each in objectives(slo):
        if each.name == "latency":
            assert each.limit is not None
            found.append(Enforced(each.name, each.limit, by_records(each), bound_above(SECONDS, each.limit)))
        elif each.name == "confidence":
            assert each.limit is not None
            found.append(Enforced(each.name, each.limit, by_records(each), None))
    return tuple(found)


def by_records(objective: Objective) -> float | None:
    """The limit that panes can tell; None: none, or the objective has no limit."""
    if objective.limit is None:
        return None
    if objective.name == "latency":
        return bound_above(RECORDS, objective.limit)
    return edge_below(CONFIDENCE_BINS, objective.limit)


def lines(policy: Policy) -> Iterator[str]:
    """Of every service, what is another number than the policy's."""
    for service, section in sorted(policy.services.items()):
        for each in enforced(section.slo):
            if each.rounded:
                yield f"{service}: {each.told()}"


def _time(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
