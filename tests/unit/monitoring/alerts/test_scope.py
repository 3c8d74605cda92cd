"""Rules of one installation: its own series as before, and of another's nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.errors import ConfigError
from monitoring.alerts.form import Group, Match, selects
from monitoring.alerts.limits import Limits, limits
from monitoring.alerts.rules import groups_of
from monitoring.alerts.samples import History
from monitoring.alerts.scope import CHART, INSTALLATION, matches_of, of_installation
from monitoring.alerts.standing import Standing
from tests.components.alert_cases import CASES, Case
from tests.components.alerts import full_policy
from tests.unit.monitoring.alerts.test_cases import MINUTE, read, sorted_items

HERE = matches_of([f"{INSTALLATION}=bank/affiant"])
SERIES = {"bank/affiant": "here", "bank/next": "there"}


def fires(case: Case, groups: list[Group], installation: str) -> list[dict[str, str]]:
    """What fires at the case's minute when an installation has its series."""
    series, history, standing = read(case), History(groups), Standing()
    found: list[dict[str, str]] = []
    for minute in range(case.at + 1):
        now = float(minute * MINUTE)
        for target in {each[0] for each in series}:
            history.observe(
                target,
                now,
                [
                    sample._replace(value=value, labels={**sample.labels, INSTALLATION: installation})
                    for whose, sample, told in series
                    if whose == target and minute < len(told) and (value := told[minute]) is not None
                ],
            )
        alerts = [alert for group in groups for alert in standing.evaluate(group, history, now)]
        found = [dict(alert.labels) for alert in alerts if alert.ends is None]
    return found


@pytest.mark.parametrize("installation", SERIES, ids=SERIES.values())
def test_each_rule_reads_its_own_installation(installation: str) -> None:
    """Every case: what fired fires, with the label; another's series are as good as none."""
    base = Limits(completeness_hours_warn=1)
    for case in CASES:
        made = of_installation(groups_of(full_policy(), limits(case.limits, base)), HERE)
        groups = [
            Group(each.name, tuple(rule for rule in each.rules if rule.alert == case.alert), each.interval)
            for each in made
        ]
        wanted = [{**labels, "alertname": case.alert, INSTALLATION: "bank/affiant"} for labels in case.fires]
        if installation != "bank/affiant":
            wanted = fires(replace(case, series={}), groups, installation)
        found = fires(case, groups, installation)
        assert sorted(map(sorted_items, found)) == sorted(map(sorted_items, wanted)), case


def test_every_selector_has_the_label() -> None:
    """Those of figures, too: an alert does not show another's number."""
    for group in of_installation(groups_of(full_policy()), HERE):
        for rule in group.rules:
            read_by = [*selects(rule.when), *(each.select for each in rule.figures)]
            assert [each for each in read_by if HERE[0] not in each.matches] == [], rule.alert
            assert rule.labels[INSTALLATION] == "bank/affiant"


def test_one_installation_alone_has_the_rules_as_they_were() -> None:
    """Nothing more to read in them."""
    groups = groups_of(full_policy())
    assert of_installation(groups, ()) == groups


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cluster", "a value of letters"),
        ("=east", "a label is wanted"),
        ("__name__=up", "a label is wanted"),
        ("a-b=c", "a label is wanted"),
        ('cluster="}', "a value of letters"),
        ("cluster={{ .Labels }}", "a value of letters"),
        (f"{INSTALLATION}=@installation@", "a value of letters"),
    ],
)
def test_what_is_no_label_is_refused(given: str, said: str) -> None:
    """Nothing gets into an expression, or into a template, that would mean something there."""
    with pytest.raises(ConfigError, match=said):
        matches_of([given])


@pytest.mark.parametrize("label", ["service", "job", "instance", "severity", "objective", "le"])
def test_a_label_that_rules_use_tells_no_installations_apart(label: str) -> None:
    """They would find nothing, or group by it."""
    with pytest.raises(ConfigError, match=f"{label}: the rules use this label themselves"):
        of_installation(groups_of(full_policy()), [Match(label, "=", "x")])


def test_a_label_twice_is_refused() -> None:
    """Of two values none has both."""
    with pytest.raises(ConfigError, match="is given twice"):
        of_installation((), (*HERE, CHART))
