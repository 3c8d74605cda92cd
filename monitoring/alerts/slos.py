"""Objectives as burn rates over several windows.

After Google's "The Site Reliability Workbook", chapter 5, table 5-8: with a promise over 30 days, 2 % of the budget in
an hour and 5 % in six page, 10 % in a day and in three warn; each with a short window of a twelfth, so that an alert
ends soon after its cause. Another period stretches the windows, and keeps the rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from monitoring import names
from monitoring.slo import Objective, bound_above, objectives
from registry.policy.behaviour import Slo

from .form import Burn, Group, Labels, Match, Rule, Select, Severity
from .promql import duration

_HOUR: Final = 3600
PERIOD: Final = 30.0
"""Days of a promise, where the policy does not say."""
SHORTEST_LONG: Final = 300
SHORTEST: Final = 60
"""Seconds: a window must hold some scrapes."""
MINIMUM_BAD: Final = 10
"""Fewer bad requests in the long window never alert: of three requests at night one may fail."""

SECONDS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip
"""Bounds of the gateway's histogram: service.metrics has them, and a test holds both together."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Spending the budget so many times too fast, seen in both windows (seconds, of a promise over 30 days)."""

    factor: float
    long: int
    short: int
    severity: Severity


RATES: Final = (
    Rate(14.4, _HOUR, _HOUR // 12, "page"),
    Rate(6, 6 * _HOUR, _HOUR // 2, "page"),
    Rate(3, 24 * _HOUR, 2 * _HOUR, "warn"),
    Rate(1, 72 * _HOUR, 6 * _HOUR, "warn"),
)


def slo_groups(service: str, slo: Slo) -> Iterator[Group]:
    """The rules of a service's objectives; fast windows and slow ones are evaluated at their own pace."""
    rules = [*_burns(service, slo)]
    for severity, name, interval in (("page", "fast", 15), ("warn", "slow", 60)):
        found = tuple(rule for rule in rules if rule.severity == severity)
        if found:
            yield Group(f"affiant-{service}-slo-{name}", found, interval)


def limit(budget: float, factor: float) -> float:
    """The share of bad requests from which a budget is spent so many times too fast.

    Never more than half-way between the budget and all: of a budget of a tenth, 14.4 times would be more than there is.
    """
    return min(factor * budget, (1 + budget) / 2)


def _burns(service: str, slo: Slo) -> Iterator[Rule]:
    own = Match("service", "=", service)
    scale = (slo.period_days or PERIOD) / PERIOD
    for rate in RATES:
        long, short = max(SHORTEST_LONG, round(rate.long * scale)), max(SHORTEST, round(rate.short * scale))
        for each in objectives(slo):
            told = (own, Match("slot", "=~", "live|canary"), Match("objective", "=", each.name))
            bad, every = (
                Select(f"{names.SLO_BAD.name}_total", told),
                Select(f"{names.SLO_ALL.name}_total", told),
            )
            by = ("service", "slot", "objective")
            burn = Burn(bad, every, by, long, short, limit(each.budget, rate.factor), MINIMUM_BAD)
            yield _rule("AffiantObjectiveBurn", burn, rate, each, "by the records: ")
            gateway = _gateway(own, each)
            if gateway is not None:
                part, whole, inverted = gateway
                of_gateway: Labels = ("service",)
                burn = Burn(
                    part,
                    whole,
                    of_gateway,
                    long,
                    short,
                    limit(each.budget, rate.factor),
                    MINIMUM_BAD,
                    inverted,
                )
                yield _rule("AffiantGatewayBurn", burn, rate, each, "by the gateways: ")


def _rule(alert: str, burn: Burn, rate: Rate, objective: Objective, who: str) -> Rule:
    return Rule(
        alert,
        burn,
        rate.severity,
        f"{objective.name} of {{service}}, {who}{{value}} of the requests of {duration(burn.long)} are bad, "
        f"{objective.budget:g} may be",
        # Both windows of a severity may fire: without their own label they would be one alert that contradicts itself.
        {"cause": "slo", "objective": objective.name, "window": duration(burn.long)},
    )


def _gateway(own: Match, objective: Objective) -> tuple[Select, Select, bool] | None:
    """What the gateway itself counts of an objective: part, whole, and whether the part is what is good."""
    requests = "affiant_requests_total"
    if objective.name == "errors":
        return Select(requests, (own, Match("status", "=~", "5.."))), Select(requests, (own,)), False
    if objective.name == "latency" and objective.limit is not None:
        bound = bound_above(SECONDS, objective.limit)
        if bound is None:
            return None
        seconds = "affiant_request_seconds"
        within = Select(f"{seconds}_bucket", (own, Match("le", "=", str(float(bound)))))
        return within, Select(f"{seconds}_count", (own,)), True
    return None
