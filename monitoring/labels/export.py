"""What labels say, for Prometheus. Names and meanings are in names.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitoring import names
from monitoring.groups import Group, Judged
from monitoring.names import Name
from monitoring.panes import Of

from .look import Look

MOST_GROUPS: Final = 64
"""Of an attribute, those that are shown: a category may have as many values as a table has rows."""
Add = Callable[[Name, Iterable[str], float], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading the log a second time costs, and how far it is."""

    unread: Mapping[int, int] = field(default_factory=dict)
    """Partition → records that were not read yet; empty: nothing is read for labels."""
    seconds: float = 0.0
    unmatched: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Service → reason → labels that are in no figure."""
    short: Mapping[str, str] = field(default_factory=dict)
    """Service → why its coverage is not judged; empty: it is."""


def export(
    add: Add, looks: Mapping[Of, Look], short: Callable[[str], str], reading: Reading | None = None
) -> None:
    """Every sample.

    Args:
        add: takes a metric's name, labels and value.
        looks: what stands.
        short: a digest as a label.
        reading: of the log, for labels.
    """
    if reading is not None and reading.unread:
        for partition, records in sorted(reading.unread.items()):
            add(names.LABEL_UNREAD, (str(partition),), records)
        add(names.LABEL_READING, (), reading.seconds)
        for service, reasons in sorted(reading.unmatched.items()):
            for reason, labels_ in sorted(reasons.items()):
                add(names.LABELS_UNMATCHED, (service, reason), labels_)
        for service, why in sorted(reading.short.items()):
            add(names.LABELS_SHORT, (service,), int(bool(why)))
    for package, each in sorted(looks.items()):
        labels = (package.service, short(package.digest), package.slot)
        if each.coverage is not None:
            add(names.LABEL_COVERAGE, labels, each.coverage)
        _cohort(add, labels, each)
        _loss(add, labels, each)
        for metric, severity in each.alarms.items():
            # As with drift: what pages warns, too.
            add(names.PERFORMANCE_ALARM, (*labels, metric, "warn"), int(severity is not None))
            add(names.PERFORMANCE_ALARM, (*labels, metric, "page"), int(severity == "page"))
        _groups(add, labels, each)


def _groups(add: Add, labels: tuple[str, ...], found: Look) -> None:
    for judged in found.groups:
        shown = largest(judged)
        add(names.GROUP_LEFT_OUT, (*labels, judged.attribute), len(judged.groups) - len(shown))
        for group in shown:
            where = (*labels, judged.attribute, group.name)
            add(names.GROUP_ROWS, where, group.rows)
            if group.favourable.value is not None:
                add(names.GROUP_RATE, where, group.favourable.value)
        for rate, gap in judged.gaps.items():
            of_rate = (*labels, judged.attribute, rate)
            add(names.GROUP_GAP, of_rate, gap.value)
            add(names.GROUP_GAP_LEAST, of_rate, gap.least)
            add(names.GROUP_RATIO_MOST, of_rate, gap.ratio_most)
    for attribute, why in found.unlooked.items():
        add(names.GROUP_UNLOOKED, (*labels, attribute, why), 1)


def largest(judged: Judged) -> Sequence[Group]:
    """At most MOST_GROUPS: those between which there is a difference beyond chance, then those with most decisions.

    Decisions count in powers of two: of groups that are about as large, each look would else show others.
    """
    if len(judged.groups) <= MOST_GROUPS:
        return judged.groups
    apart = {name for gap in judged.gaps.values() if gap.least > 0 for name in (gap.low, gap.high)}
    ranked = sorted(judged.groups, key=lambda group: (group.name not in apart, -group.rows.bit_length()))
    return ranked[:MOST_GROUPS]


def _loss(add: Add, labels: tuple[str, ...], found: Look) -> None:
    """Nothing before there is a labelled row; `before` only once there was a change."""
    if found.concept is None or not found.concept.rows:
        return
    add(names.LOSS_CHANGES, labels, found.concept.changes)
    add(names.LOSS, (*labels, "since"), found.concept.mean)
    if found.concept.newest is not None:
        add(names.LOSS, (*labels, "before"), found.concept.newest.before)


def _cohort(add: Add, labels: tuple[str, ...], found: Look) -> None:
    if found.cohort is None:
        return
    for quantile, seconds in found.cohort.delays.items():
        add(names.LABEL_DELAY, (*labels, f"{quantile:g}"), seconds)
    for metric, estimate in found.cohort.metrics.items():
        bounds = {"value": estimate.value, "lower": estimate.interval.low, "upper": estimate.interval.high}
        for bound, value in bounds.items():
            add(names.METRIC, (*labels, metric, bound), value)
