"""Objectives as burn rates over several windows: monitoring/slo.py has the rates, and where they are from.

Of what a package has answered an alert names the package, so that the controller can act on it where the policy lets
it; of what failed or was refused, and of what the gateways count, it names the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring import names
from monitoring.enforced import SECONDS, by_records
from monitoring.slo import (
    MINIMUM_BAD,
    OF_PACKAGE,
    Objective,
    Rate,
    bound_above,
    burn_limit,
    objectives,
    rates,
)
from registry.policy.behaviour import Slo

from .form import Burn, Group, Labels, Match, Rule, Select
from .promql import duration


def slo_groups(service: str, slo: Slo, action: Mapping[str, str]) -> Iterator[Group]:
    """The rules of a service's objectives; fast windows and slow ones are evaluated at their own pace.

    `action`: labels of a page about a package's answers.
    """
    rules = [*_burns(service, slo, action)]
    for severity, name, interval in (("page", "fast", 15), ("warn", "slow", 60)):
        found = tuple(rule for rule in rules if rule.severity == severity)
        if found:
            yield Group(f"affiant-{service}-slo-{name}", found, interval)


def _burns(service: str, slo: Slo, action: Mapping[str, str]) -> Iterator[Rule]:
    own = Match("service", "=", service)
    for rate in rates(slo):
        for each in objectives(slo):
            whose: Labels = ("digest",) if each.name in OF_PACKAGE else ()
            # Nobody is given a shadow's answers.
            told = (own, Match("slot", "=~", "live|canary"), Match("objective", "=", each.name))
            burn = Burn(
                Select(f"{names.SLO_BAD.name}_total", told),
                Select(f"{names.SLO_ALL.name}_total", told),
                ("service", *whose, "slot", "objective"),
                rate.long,
                rate.short,
                burn_limit(each.budget, rate.factor),
                MINIMUM_BAD,
            )
            what = f"{each.name} of {{service}} {{slot}}{' {digest}' if whose else ''}"
            yield _rule(
                "AffiantObjectiveBurn",
                burn,
                rate,
                each,
                by_records(each),
                f"{what}, by the records: ",
                action if whose and rate.severity == "page" else {},
            )
            gateway = _gateway(own, each)
            if gateway is not None:
                part, whole, inverted = gateway
                burn = Burn(
                    part,
                    whole,
                    ("service",),
                    rate.long,
                    rate.short,
                    burn_limit(each.budget, rate.factor),
                    MINIMUM_BAD,
                    inverted,
                )
                yield _rule(
                    "AffiantGatewayBurn",
                    burn,
                    rate,
                    each,
                    None if each.limit is None else bound_above(SECONDS, each.limit),
                    f"{each.name} of {{service}}, by the gateways: ",
                    {},
                )


def _rule(
    alert: str,
    burn: Burn,
    rate: Rate,
    objective: Objective,
    held: float | None,
    what: str,
    action: Mapping[str, str],
) -> Rule:
    window = duration(burn.long)
    return Rule(
        alert,
        burn,
        rate.severity,
        f"{what}{{value}} of the requests of {window} are bad{_held(objective, held)}, {objective.budget:g} may be",
        # Both windows of a severity may fire: without their own label they would be one alert that contradicts itself.
        {"cause": "slo", "objective": objective.name, "window": duration(burn.long), **action},
    )


def _held(objective: Objective, held: float | None) -> str:
    """What is bad in fact, and what the policy says where that is not the same."""
    if objective.between is not None:
        low, high = objective.between
        return f" (a score outside of {low:g} to {high:g})"
    if objective.limit is None or held is None:
        return ""
    unit, bad = (" s", "slower than") if objective.name == "latency" else ("", "less sure than")
    said = "" if held == objective.limit else f"; the policy says {objective.limit:g}{unit}"
    return f" ({bad} {held:g}{unit}{said})"


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
