"""What labels say of the packages that serve, held against the policy. Pure: outcomes in, figures out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any, Final, Literal

from audit.labels import format_time
from monitoring.groups import NO_DECISION, Judged, judge
from monitoring.intervals import Interval, at_all_times
from monitoring.panes import Of
from registry.policy import ServicePolicy
from registry.policy.behaviour import LiveFairness, LiveLimit, Performance
from registry.policy.gates import LOWER_IS_BETTER

from .concept import Concept, concept
from .fair import favoured
from .join import Joined
from .performance import Cohort, Difference, Estimate, cohorts, compare, estimates, usable

HOUR: Final = 3600 * 10**9
"""ns."""
_DAY: Final = 24.0
"""Hours over which groups are looked at where no cohorts are asked for."""
ROWS: Final = 5_000
"""Newest labelled rows that are looked at for a change of the error: a quarter of a second's work."""
Severity = Literal["warn", "page"]


@dataclass(frozen=True, slots=True)
class Look:
    """Of one package."""

    cohort: Cohort | None = None
    """The newest one that has labels enough to be judged."""
    coverage: float | None = None
    """Share of rows with a label, of the newest cohort that is old enough to have them; None: there is none."""
    alarms: Mapping[str, Severity | None] = field(default_factory=dict)
    """Metric with a limit → how gravely it is broken. warn: its value is beyond the limit. page: so is the whole of an
    interval that holds at all looks at the cohort together."""
    groups: Sequence[Judged] = ()
    unlooked: Mapping[str, str] = field(default_factory=dict)
    """Attribute of the policy by which nothing is looked at → why."""
    concept: Concept | None = None
    """Whether the error has changed; None where the policy asks for no performance."""
    unmatched: Mapping[str, int] = field(default_factory=dict)
    """Reason → labels of the service that are in no figure."""
    short: str = ""
    """Why no coverage can be judged: answers are not kept for so long. Empty: they are."""

    def written(self) -> dict[str, Any]:
        """For JSON. Times are RFC 3339, UTC; what is no finite number is null."""
        said: dict[str, Any] = _finite(
            {
                "cohort": None if self.cohort is None else _written(self.cohort),
                "coverage": self.coverage,
                "alarms": {
                    metric: severity for metric, severity in self.alarms.items() if severity is not None
                },
                "groups": [asdict(each) for each in self.groups],
                "unlooked": dict(self.unlooked),
                "error": None if self.concept is None else _changed(self.concept),
                "unmatched": {reason: count for reason, count in self.unmatched.items() if count},
                "short": self.short,
            }
        )
        return said


def too_short(policy: ServicePolicy, window: float) -> str:
    """Why the coverage of a service is never judged, or of parts of cohorts alone; empty: it is.

    Args:
        policy: of the service.
        window: seconds that answers wait for their labels.
    """
    performance = policy.performance
    if performance is None or performance.coverage is None:
        return ""
    hours = performance.coverage_after_hours + 2 * performance.cohort_hours
    if hours * 3600 <= window:
        return ""
    return (
        f"coverage is of cohorts that began up to {hours:g} h ago, and answers are kept for {window / 3600:g} h: "
        "raise labels_seconds of [monitor], or ask for coverage earlier"
    )


def _written(cohort: Cohort) -> dict[str, Any]:
    said = asdict(cohort) | {"start": format_time(cohort.start), "end": format_time(cohort.end)}
    said["delays"] = {f"{quantile:g}": seconds for quantile, seconds in cohort.delays.items()}
    return said


def _changed(found: Concept) -> dict[str, Any]:
    said = asdict(found)
    if found.newest is not None:
        said["newest"] |= {"noticed": format_time(found.newest.noticed)}
    return said


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def look(
    joined: Mapping[Of, Joined],
    policy: ServicePolicy,
    serving: Mapping[Of, int],
    newest_ms: int,
    unlooked: Mapping[Of, Mapping[str, str]],
) -> dict[Of, Look]:
    """Of every package that serves, and has answered.

    Args:
        joined: of the service: at least what serves, and has answered.
        policy: of the service.
        serving: packages that are to answer now → since when, by any clock.
        newest_ms: the log's newest time, ms since 1970 UTC: what it is held to be now.
        unlooked: of packages, attributes that `Outcomes` was not given → why.
    """
    here = {package: joined[package] for package in serving if package in joined}
    now = newest_ms * 1_000_000
    found = {}
    for package, each in here.items():
        said = Look()
        if policy.performance is not None:
            other = _before(package, serving)
            before = None if other is None else here.get(other)
            said = _performance(each, before, policy.performance, now)
        if policy.live_fairness is not None:
            said = _fairness(said, each, policy, policy.live_fairness, now, unlooked.get(package, {}))
        found[package] = said
    return found


def _before(package: Of, serving: Mapping[Of, int]) -> Of | None:
    """Whom a package is held against on the same requests: of a shadow and what else answers, who came first. Of two
    that came together the shadow did: it is what was live until then.
    """
    others = [each for each in serving if (each.slot == "shadow") != (package.slot == "shadow")]
    if package.slot == "shadow":
        live = [each for each in others if each.slot == "live" and serving[each] < serving[package]]
        return live[0] if live else None
    shadows = [each for each in others if serving[each] <= serving[package]]
    return max(shadows, key=lambda each: (serving[each], each), default=None)


def _performance(joined: Joined, before: Joined | None, policy: Performance, now: int) -> Look:
    every = cohorts(joined, round(policy.cohort_hours * HOUR), policy.confidence)
    enough = [each for each in every if each.labelled >= policy.minimum_labels]
    after = round(policy.coverage_after_hours * HOUR)
    due = [each for each in every if each.end + after <= now]
    newest = enough[-1] if enough else None
    return Look(
        newest,
        due[-1].labelled / due[-1].rows if due else None,
        {} if newest is None else dict(_alarms(joined, before, policy, newest)),
        concept=concept(joined, most_rows=ROWS),
    )


def _alarms(
    joined: Joined, before: Joined | None, policy: Performance, cohort: Cohort
) -> Iterator[tuple[str, Severity | None]]:
    def sure(rows: int) -> float:
        return at_all_times(policy.confidence, rows, policy.minimum_labels)

    differences: Mapping[str, Difference] = {}
    if before is not None and (joined.task.kind, joined.task.classes) == (
        before.task.kind,
        before.task.classes,
    ):
        compared = compare(joined, before, sure, since=cohort.start, until=cohort.end)
        if compared.labelled >= policy.minimum_labels:
            differences = compared.differences
    wide: Mapping[str, Estimate] = {}
    if any(
        _beyond(cohort.metrics[metric].value, limit)
        for metric, limit in policy.metrics.items()
        if metric in cohort.metrics
    ):
        rows = usable(joined)
        rows = rows[(joined.time[rows] >= cohort.start) & (joined.time[rows] < cohort.end)]
        wide = estimates(joined, rows, sure(len(rows)))
    for metric, limit in policy.metrics.items():
        estimate, difference = wide.get(metric, cohort.metrics.get(metric)), differences.get(metric)
        broken: list[Severity | None] = []
        if estimate is not None:
            broken.append(_broken(estimate.value, estimate.interval, limit.minimum, limit.maximum))
        if difference is not None and limit.worse_than_before_by is not None:
            by = limit.worse_than_before_by
            broken.append(_worse(metric, difference.value, difference.interval, by))
        if broken:
            yield metric, "page" if "page" in broken else "warn" if "warn" in broken else None


def _beyond(value: float, limit: LiveLimit) -> bool:
    return (limit.minimum is not None and value < limit.minimum) or (
        limit.maximum is not None and value > limit.maximum
    )


def _broken(
    value: float, interval: Interval, minimum: float | None, maximum: float | None
) -> Severity | None:
    if (minimum is not None and interval.high < minimum) or (maximum is not None and interval.low > maximum):
        return "page"
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        return "warn"
    return None


def _worse(metric: str, value: float, interval: Interval, by: float) -> Severity | None:
    if metric in LOWER_IS_BETTER:
        return _broken(value, interval, None, by)
    return _broken(value, interval, -by, None)


def _fairness(
    said: Look,
    joined: Joined,
    policy: ServicePolicy,
    fair: LiveFairness,
    now: int,
    unlooked: Mapping[str, str],
) -> Look:
    hours = _DAY if policy.performance is None else policy.performance.cohort_hours
    counted = favoured(joined, fair.favourable, since=now - round(hours * HOUR))
    if counted is None:
        # An attribute that has a reason of its own keeps it: that one is to be mended in the policy.
        return replace(said, unlooked={each.name: NO_DECISION for each in joined.attributes} | dict(unlooked))
    return replace(said, groups=judge(joined.attributes, counted, fair.minimum_group), unlooked=unlooked)
