"""A policy's section, as the detectors take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from monitoring.detect.edetector import choose_delta
from monitoring.detect.figures import PAGE_DELTA, WARN_DELTA
from monitoring.detect.limits import Limits
from monitoring.detect.limits import Rule as DetectRule
from monitoring.errors import DeltaRefused, DetectError
from registry.policy import Policy, Rule
from registry.policy.behaviour import DISTANCE, INDEX
from registry.reference import Reference

NOBODY: Final = "sha256:" + "0" * 64
"""In place of a policy's digest where there is none: the defaults hold."""
_WARN_OF_PAGE: Final = 0.5
"""A fixed index warns at this part of what it pages at, as the usual 0.1 and 0.2 do."""


@dataclass(frozen=True, slots=True)
class Judged:
    """By what a service is judged.

    Attributes:
        limits: of the detectors.
        window_rows: rows that distances are computed of, at least.
        ignore: features that never alarm.
        policy: the digest of the policy that says so.
    """

    limits: Limits
    window_rows: int
    ignore: frozenset[str]
    policy: str

    def written(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ignore": sorted(self.ignore)}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """What `written` gave. Raises DetectError: it is none."""
        try:
            limits, ignore = Limits(**content["limits"]), frozenset(map(str, content["ignore"]))
            return cls(limits, int(content["window_rows"]), ignore, str(content["policy"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DetectError(f"not what a service is judged by: {error}") from error


def judged_by(policy: Policy | None, service: str) -> Judged:
    """What a policy says of a service; the defaults where it, or its section, is not there.

    Raises:
        DetectError: limits that contradict each other.
    """
    section = None if policy is None else policy.services.get(service)
    drift = None if section is None else section.drift
    # Who names no rule asks for no delta: then it is as small as each reference supports.
    rule = (drift.rule if drift is not None else None) or Rule(warn_delta="auto", page_delta="auto")
    page = INDEX if drift is None or drift.psi is None else drift.psi
    distance = DISTANCE if drift is None or drift.ks is None else drift.ks
    limits = Limits(
        rule=_rule(rule),
        warn_delta=rule.warn_delta,
        page_delta=rule.page_delta,
        run=float(rule.checks_between_false_alarms),
        page_distance=distance,
        page_rows=1000 if drift is None else drift.minimum_rows,
        clear_distance=min(rule.clear_ks, distance),
        clear_windows=rule.clear_windows,
        cooldown=0,  # the controller's, which counts what it has done
        alpha=rule.p_value,
        psi_warn=_WARN_OF_PAGE * page,
        psi_page=page,
    )
    return Judged(
        limits, rule.window_rows, frozenset(rule.ignore), NOBODY if policy is None else policy.digest
    )


def _rule(rule: Rule) -> DetectRule:
    if rule.detector == "psi":
        return "psi"
    if rule.detector == "ks":
        return "ks-bonferroni" if rule.correction == "bonferroni" else "ks-benjamini-hochberg"
    return "e-detector"


def unsupported(judged: Judged, reference: Reference) -> str | None:
    """Why a reference has too few rows for what a service is judged by; None: it has enough."""
    if judged.limits.rule != "e-detector":
        return None
    try:
        choose_delta(judged.limits.warn_delta, WARN_DELTA, reference)
        choose_delta(judged.limits.page_delta, PAGE_DELTA, reference)
    except DeltaRefused as error:
        return str(error)
    return None
