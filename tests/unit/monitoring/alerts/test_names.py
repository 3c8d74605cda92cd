"""Rules read what some process of ours really exports: under that name, with those labels, in those buckets."""

from __future__ import annotations

from monitoring.alerts.form import Figure, Select, selects
from monitoring.alerts.rules import groups_of
from monitoring.enforced import SECONDS
from tests.components.alerts import full_policy
from tests.components.exported import exported, labels_of

ADDED = {"instance", "job"}
"""By Prometheus itself."""


def _read() -> list[tuple[Select, set[str]]]:
    """What rules read, and every label that they ask of it."""
    found = []
    for rule in (rule for group in groups_of(full_policy()) for rule in group.rules):
        found += [(each, {*getattr(rule.when, "by", ())}) for each in selects(rule.when)]
        found += [(each.select, {*each.on}) for each in rule.figures if isinstance(each, Figure)]
    return [(select, {*labels, *(match.label for match in select.matches)}) for select, labels in found]


def test_each_metric_that_a_rule_reads_is_exported() -> None:
    """Asked of what exports it, and not of its text."""
    known = {name for series in exported().values() for name in series} | {"up"}
    assert {select.name for select, _ in _read()} <= known


def test_what_processes_export_has_the_labels_that_rules_ask_for() -> None:
    """A rule on a label that there is not would be silent for ever. Of the monitor see tests/project."""
    known = labels_of()
    asked = [(select.name, labels) for select, labels in _read() if select.name in known]
    for name, labels in asked:
        assert labels <= known[name] | ADDED, name
    gateway = {name for name, _ in asked}
    assert {
        "affiant_requests_total",
        "affiant_request_seconds_bucket",
        "affiant_request_seconds_count",
    } <= gateway


def test_a_rule_counts_on_a_bucket_that_there_is() -> None:
    """As it is written: `0.05` and not `5e-2`."""
    bounds = {str(each) for each in SECONDS}
    written = {match.value for select, _ in _read() for match in select.matches if match.label == "le"}
    assert written
    assert written <= bounds
