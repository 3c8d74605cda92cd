"""The rules of a policy: what its sections say of drift, labels and groups, one group of rules a service.

Which figure means what is in docs/drift.md; what to do about each alert is in docs/runbooks/, a page by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from monitoring import names
from monitoring.columns import SCORE
from registry.policy import Policy, ServicePolicy

from .form import Condition, Figure, Group, Labels, Level, Match, Rule, Select, Severity
from .limits import Limits
from .path import path_groups
from .slos import slo_groups

ACTION: Final = "affiant_action"
"""Label of an alert that the controller is told of: rollback, or retrain."""
PACKAGE: Final[Labels] = ("service", "digest", "slot")
COLUMN: Final[Labels] = (*PACKAGE, "feature")
SCORES: Final = SCORE + ".*"
TAKEN_OVER: Final = 60
"""Seconds that an alert of the monitor's figures goes on when they are gone: another monitor takes over meanwhile."""
SETTLED: Final = 3600
"""Seconds that a difference between groups must last: the newest rows alone swing."""


def groups_of(policy: Policy, limits: Limits | None = None) -> tuple[Group, ...]:
    """Every rule, in groups. The same policy and limits give the same groups, in the same order."""
    limits = limits if limits is not None else Limits()
    found: list[Group] = []
    for service, section in sorted(policy.services.items()):
        found.append(Group(f"affiant-{service}", tuple(_service(service, section))))
        found += slo_groups(service, section.slo, action(section, "slo", "page"))
    rolls_back = any(section.drift.rollback is not None for section in policy.services.values())
    return (*found, *path_groups(limits, rolls_back=rolls_back))


def _service(service: str, section: ServicePolicy) -> Iterator[Rule]:
    for severity in ("page", "warn"):
        yield _drift("AffiantScoreDrift", "prediction", "=~", service, section, severity)
        yield _drift("AffiantInputDrift", "input", "!~", service, section, severity)
    yield Rule(
        "AffiantReferenceSmall",
        Level(Select(names.UNSUPPORTED.name, (Match("service", "=", service),)), PACKAGE, "==", 1),
        "warn",
        "the reference of {service} {slot} {digest} has too few rows for the policy's deltas: larger ones hold",
        keep=TAKEN_OVER,
    )
    if section.performance is not None:
        yield from _performance(service, section)
    if section.live_fairness is not None:
        yield from _fairness(service, section)


def in_vain(policy: Policy) -> list[str]:
    """What a policy asks of a controller that none does: a line each, for whoever signs it."""
    return [
        f"{service}: no controller rolls back for performance, so people are told of each such page, and told again "
        "that it was refused (docs/rollback.md)"
        for service, section in sorted(policy.services.items())
        if section.drift.rollback is not None and "performance" in section.drift.rollback.causes
    ]


def action(section: ServicePolicy, cause: str, severity: Severity) -> Mapping[str, str]:
    """The label that brings an alert to the controller; none when the policy lets it do nothing about it."""
    if severity != "page":
        return {}
    rollback = section.drift.rollback
    if rollback is not None and cause in rollback.causes:
        return {ACTION: "rollback"}
    if section.drift.retrain and cause in ("input", "prediction"):
        return {ACTION: "retrain"}
    return {}


def _drift(
    alert: str, cause: str, scores: str, service: str, section: ServicePolicy, severity: Severity
) -> Rule:
    own = (Match("service", "=", service),)
    grave = Match("severity", "=", severity)
    shown = [
        Figure("ks_lower", Select(names.KS_LOWER.name), COLUMN),
        Figure("ks_upper", Select(names.KS_UPPER.name), COLUMN),
        Figure("psi_debiased", Select(names.PSI_DEBIASED.name), COLUMN),
        Figure("log_e_value", Select(names.LOG_E.name, (grave,)), COLUMN),
        Figure("log_e_limit", Select(names.LOG_E_LIMIT.name, (grave,)), PACKAGE),
        Figure("window_rows", Select(names.WINDOW_ROWS.name), PACKAGE),
    ]
    where = Match("feature", "=~" if scores == "=~" else "!~", SCORES)
    return Rule(
        alert,
        Level(Select(names.ALARM.name, (*own, grave, where)), COLUMN, "==", 1),
        severity,
        "{feature} of {service} {slot} {digest} has drifted from the training data",
        {"cause": cause, **action(section, cause, severity)},
        keep=TAKEN_OVER,
        figures=tuple(shown),
    )


def _performance(service: str, section: ServicePolicy) -> Iterator[Rule]:
    assert section.performance is not None
    own = Match("service", "=", service)
    by = (*PACKAGE, "metric")
    shown = tuple(
        Figure(bound, Select(names.METRIC.name, (Match("bound", "=", bound),)), by)
        for bound in ("lower", "value", "upper")
    )
    for severity in ("page", "warn"):
        yield Rule(
            "AffiantPerformance",
            Level(Select(names.PERFORMANCE_ALARM.name, (own, Match("severity", "=", severity))), by, "==", 1),
            severity,
            "{metric} of {service} {slot} {digest} breaks its limit, by the labels that came",
            {"cause": "performance", **action(section, "performance", severity)},
            keep=TAKEN_OVER,
            figures=shown,
        )
    if section.performance.coverage is not None:
        yield Rule(
            "AffiantLabelsLate",
            Level(
                Select(names.LABEL_COVERAGE.name, (own,)), PACKAGE, "<", section.performance.coverage, "min"
            ),
            "warn",
            "only {value} of a cohort of {service} {slot} {digest} has labels",
            {"cause": "performance"},
            wait=TAKEN_OVER,
            keep=TAKEN_OVER,
        )
        yield Rule(
            "AffiantLabelsNotKept",
            Level(Select(names.LABELS_SHORT.name, (own,)), ("service",), "==", 1),
            "warn",
            "answers of {service} are let go of before its coverage is judged: nobody is told that labels are late",
            keep=TAKEN_OVER,
        )


def _fairness(service: str, section: ServicePolicy) -> Iterator[Rule]:
    fair = section.live_fairness
    assert fair is not None
    own = (Match("service", "=", service),)
    yield Rule(
        "AffiantGroupUnlooked",
        Level(Select(names.GROUP_UNLOOKED.name, own), (*PACKAGE, "attribute", "reason"), "==", 1),
        "warn",
        "nobody looks at decisions of {service} {slot} {digest} by {attribute}: {reason}",
        keep=TAKEN_OVER,
    )
    by = (*PACKAGE, "attribute")
    # Not the largest difference itself: of groups that are alike it is over any small limit, again and again.
    decided = (*own, Match("rate", "=", "favourable"))
    errors = (*own, Match("rate", "=~", "true_favourable|false_favourable"))
    found: list[tuple[str, Condition]] = []
    if (most := fair.demographic_parity_difference) is not None:
        found.append(("difference", Level(Select(names.GROUP_GAP_LEAST.name, decided), by, ">", most)))
    if (least := fair.demographic_parity_ratio) is not None:
        found.append(("ratio", Level(Select(names.GROUP_RATIO_MOST.name, decided), by, "<", least, "min")))
    if (most := fair.error_rate_difference) is not None:
        found.append(("error_rate", Level(Select(names.GROUP_GAP_LEAST.name, errors), by, ">", most)))
    for measure, when in found:
        yield Rule(
            "AffiantGroupsDiffer",
            when,
            "warn",
            f"decisions of {{service}} {{slot}} {{digest}} by {{attribute}}: {measure.replace('_', ' ')} {{value}}"
            ", chance left out",
            {"cause": "prediction", "measure": measure},
            wait=SETTLED,
            keep=TAKEN_OVER,
        )
