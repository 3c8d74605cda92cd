"""What the monitor says to Prometheus, computed when it is asked. Names and meanings are in names.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from registry.policy import Policy

from . import names
from .burns import NO_SCORES, of_answers
from .detect.figures import ColumnFigures
from .detect.judge import Severity
from .judging.judging import NONE
from .labels.export import Reading, export
from .labels.look import Look
from .leading import Aggregate, Life
from .names import SHORT, Name
from .panes import Of
from .slo import OF_PACKAGE, Counted, Objective, objectives, of_statuses

MOST_COLUMNS: Final = 256
"""Of a package, the columns that have figures: twelve series each, and a model may have 16,384 features."""
ALIKE: Final = 0.1
"""Distances count in steps of this. Of calm columns chance alone says which is the furthest: each window would show
others, and in the end Prometheus would have series of all. What has drifted by less alarms long before."""
_SEVERITIES: Final = ("warn", "page")
NOTHING: Final[Mapping[Of, Look]] = MappingProxyType({})
_COLUMN_GAUGES: Final[tuple[tuple[Name, str], ...]] = (
    (names.KS_LOWER, "ks_lower"), (names.KS_UPPER, "ks_upper"), (names.PSI, "psi"),
    (names.PSI_DEBIASED, "psi_debiased"), (names.EFFECT, "effect"), (names.MISSING, "missing"),
    (names.OUTSIDE, "out_of_range"), (names.UNSEEN, "unseen"),
)  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What a monitor says of its own work."""

    position: dict[int, int] = field(default_factory=dict)
    """Partition → next offset to be read."""
    lag: dict[int, int] = field(default_factory=dict)
    """Partition → records that are not counted yet."""
    age: dict[int, float] = field(default_factory=dict)
    """Partition → seconds since the newest counted record, 0 when all are."""
    leads: bool = False
    round: float = 0.0
    """When the last round ended, seconds of the clock that `now` is of."""
    waiting: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Partition → panes that wait to be judged, and since when the next of them is the next one, by the same clock."""
    labels: Reading = field(default_factory=Reading)
    now: float = 0.0


class Families:
    """Gauges and counters by name, filled label by label."""

    def __init__(self) -> None:
        self._found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}

    def add(self, name: Name, labels: Iterable[str], value: float) -> None:
        """A sample."""
        family = self._found.get(name.name)
        if family is None:
            kind = CounterMetricFamily if name.kind == "counter" else GaugeMetricFamily
            family = self._found[name.name] = kind(name.name, name.help, labels=name.labels)
        family.add_metric(list(labels), value)

    def __iter__(self) -> Iterator[Metric]:
        yield from self._found.values()


def families(
    aggregate: Aggregate | None, policy: Policy | None, seen: Seen, looks: Mapping[Of, Look] = NOTHING
) -> Iterator[Metric]:
    """Every family.

    Args:
        aggregate: of the monitor that leads; None: another one does.
        policy: in force.
        seen: of the monitor's own work.
        looks: what labels say.
    """
    found = Families()
    found.add(names.LEADER, (), int(seen.leads))
    for partition in sorted(seen.position):
        found.add(names.POSITION, (str(partition),), seen.position[partition])
        found.add(names.LAG, (str(partition),), seen.lag.get(partition, 0))
        found.add(names.READ_SECONDS, (str(partition),), seen.age.get(partition, 0.0))
    found.add(names.ROUND_SECONDS, (), max(0.0, seen.now - seen.round))
    histogram = HistogramMetricFamily(
        names.CONFIDENCE.name, names.CONFIDENCE.help, labels=names.CONFIDENCE.labels
    )
    if aggregate is not None:
        found.add(names.LATE, (), aggregate.late)
        found.add(names.MISSED, (), aggregate.missed)
        for partition in aggregate.partitions:
            panes, since = seen.waiting.get(partition, (0, seen.now))
            found.add(names.WAITING, (str(partition),), panes)
            found.add(names.WAITING_SECONDS, (str(partition),), max(0.0, seen.now - since))
        for reason, count in sorted(aggregate.unreadable.items()):
            found.add(names.UNREADABLE, (reason,), count)
        for of, life in sorted(aggregate.lives.items()):
            _life(found, histogram, of, life)
        for service, digest in sorted(aggregate.comparing):
            found.add(names.ROLLOUT_WEIGHT, (service, short(digest)), _share(aggregate, service, digest))
        _slos(found, aggregate, policy)
    export(found.add, looks, short, seen.labels)
    yield from found
    yield histogram


def _share(aggregate: Aggregate, service: str, digest: str) -> float:
    """A canary's of the requests that live or any canary has answered since they are compared; 0 before the first."""
    comparing = aggregate.comparing[service, digest]
    beside = (each for (name, _), each in aggregate.comparing.items() if name == service)
    reached = comparing.side("live").reached + sum(each.side("canary").reached for each in beside)
    return comparing.side("canary").reached / reached if reached else 0.0


def short(digest: str) -> str:
    """A digest as a label."""
    return digest.removeprefix("sha256:")[:SHORT]


def _life(found: Families, histogram: HistogramMetricFamily, of: Of, life: Life) -> None:
    judging, labels = life.judging, (of.service, short(of.digest), of.slot)
    reference = judging.profile.reference
    found.add(names.REFERENCE, (*labels, sha256(reference.encode()).hexdigest(), str(reference.rows)), 1)
    found.add(names.ROWS, labels, life.asked.rows)
    if judging.profile.threshold is not None:
        found.add(names.POSITIVE, labels, life.asked.positive)
    found.add(names.CHECKS, labels, judging.checks)
    found.add(names.WINDOW_ROWS, labels, judging.window_rows)
    window = judging.window
    found.add(names.WINDOW_SECONDS, labels, (window[-1].time - window[0].time) / 1000 if window else 0.0)
    found.add(names.UNSUPPORTED, labels, int(judging.unsupported is not None))
    for severity in _SEVERITIES:
        found.add(names.LOG_E_LIMIT, (*labels, severity), judging.threshold)
    _columns(found, labels, judging.figures(), life.alarms())
    if life.asked.confidence.any():
        histogram.add_metric(list(labels), *_confidence(life.asked.confidence.tolist()))


def _columns(
    found: Families,
    labels: tuple[str, str, str],
    figures: Sequence[ColumnFigures],
    alarms: Mapping[str, Severity],
) -> None:
    """The alarms of all columns that alarm, and figures of the most drifted.

    Alarms come first: who keeps a bounded number of series of a page, as `alerts/samples.py` does, loses none of them.
    """
    shown = most_drifted(figures, alarms)
    found.add(names.DRIFT_LEFT_OUT, labels, len(figures) - len(shown))
    there = {each.name for each in shown}
    for each in figures:
        for severity in _SEVERITIES:
            stands = alarms.get(each.name) in {"page", severity}
            if stands or each.name in there:
                found.add(names.ALARM, (*labels, each.name, severity), int(stands))
    for each in shown:
        _column(found, labels, each)


def most_drifted(figures: Sequence[ColumnFigures], alarms: Mapping[str, Severity]) -> Sequence[ColumnFigures]:
    """At most MOST_COLUMNS: what pages, then what warns, then what is furthest from the reference, but for ALIKE."""
    if len(figures) <= MOST_COLUMNS:
        return figures
    grave: dict[Severity | None, int] = {"page": 0, "warn": 1, None: 2}
    ranked = sorted(figures, key=lambda each: (grave[alarms.get(each.name)], -(each.ks_lower // ALIKE)))
    return ranked[:MOST_COLUMNS]


def _column(found: Families, labels: tuple[str, ...], figures: ColumnFigures) -> None:
    where = (*labels, figures.name)
    for name, field_ in _COLUMN_GAUGES:
        found.add(name, where, getattr(figures, field_))
    for severity, value in (("warn", figures.log_e_warn), ("page", figures.log_e_page)):
        found.add(names.LOG_E, (*where, severity), max(value, NONE))


def _confidence(counts: list[int]) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets of equal width, and what the sum may be: each prediction at its bin's middle."""
    buckets, running, total = [], 0, 0.0
    for place, count in enumerate(counts):
        running += count
        total += count * (place + 0.5) / len(counts)
        bound = (place + 1) / len(counts)
        buckets.append((f"{bound:g}" if place + 1 < len(counts) else "+Inf", float(running)))
    return buckets, total


def _slos(found: Families, aggregate: Aggregate, policy: Policy | None) -> None:
    for service, section in (policy.services if policy is not None else {}).items():
        for objective in objectives(section.slo):
            found.add(names.SLO_BUDGET, (service, objective.name), objective.budget)
            for (digest, slot), counted in _counted(aggregate, service, objective):
                labels = (service, digest, slot, objective.name)
                found.add(names.SLO_BAD, labels, counted.bad)
                found.add(names.SLO_ALL, labels, counted.requests)


def _counted(
    aggregate: Aggregate, service: str, objective: Objective
) -> Iterator[tuple[tuple[str, str], Counted]]:
    """By digest, which is empty where no package need have been reached, and slot."""
    if objective.name not in OF_PACKAGE:
        for at, statuses in aggregate.statuses.items():
            if at.service == service:
                yield ("", at.slot), of_statuses(objective, statuses)
        return
    for of, life in sorted(aggregate.lives.items()):
        if of.service == service:
            asked, scored = life.asked, life.scored
            # Of another interval than the policy's nothing is said, until the next pane is counted by that.
            scores = scored.counted if scored and scored.between == objective.between else NO_SCORES
            yield (
                (short(of.digest), of.slot),
                of_answers(objective, asked.latency.tolist(), asked.confidence.tolist(), scores),
            )
