"""Rules, runbooks and metrics belong together: none without the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring import names
from monitoring.alerts.expiry import EXPIRES
from monitoring.alerts.form import Figure, Rule, Select, selects
from monitoring.alerts.limits import NAMES
from monitoring.alerts.rules import groups_of
from monitoring.enforced import SECONDS
from service import metrics as gateway
from tests.components.alerts import full_policy

DOCS = Path(__file__).parents[2] / "docs"
RUNBOOKS = DOCS / "runbooks"
RULES: list[Rule] = [rule for group in groups_of(full_policy()) for rule in group.rules]
CHART = DOCS.parent / "deploy" / "helm" / "affiant"
OF_CHART = re.findall(r"- alert: (\w+)", (CHART / "templates" / "prometheus.yaml").read_text())
"""Those that the Helm chart alone makes."""
ALERTS = sorted({*(rule.alert for rule in RULES), *OF_CHART})
OF_MONITOR = {each.name: each for each in [*vars(names).values(), EXPIRES] if isinstance(each, names.Name)}


def _read() -> list[tuple[Rule, Select, tuple[str, ...]]]:
    """What rules read, and the labels that they group it by or look it up with."""
    found = []
    for rule in RULES:
        found += [(rule, select, getattr(rule.when, "by", ())) for select in selects(rule.when)]
        found += [(rule, each.select, each.on) for each in rule.figures if isinstance(each, Figure)]
    return found


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    """And the list has all of them."""
    pages = sorted(page.stem for page in RUNBOOKS.glob("*.md") if page.stem != "README")
    assert pages == ALERTS
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [(each, each) for each in ALERTS]


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(alert: str) -> None:
    """Three parts, and links that lead somewhere; of its commands see test_commands.py."""
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert re.findall(r"^#+ (.+)$", text, re.MULTILINE) == [alert, "What it means", "Look", "Do"]
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (RUNBOOKS / target).is_file(), target


def test_the_monitor_s_metrics_have_the_labels_that_rules_ask_for() -> None:
    """A rule on a label that there is not would be silent for ever."""
    seen = 0
    for rule, select, labels in _read():
        name = OF_MONITOR.get(select.name) or OF_MONITOR.get(select.name.removesuffix("_total"))
        if name is not None:
            seen += 1
            asked = {*labels, *(match.label for match in select.matches)} - {"instance"}
            assert asked <= set(name.labels), (rule.alert, select.name)
    assert seen > 30


def test_texts_name_labels_that_the_alert_has() -> None:
    """What is filled in is there: of the condition's groups, or of the rule."""
    for rule in RULES:
        known = {*getattr(rule.when, "by", ()), *rule.labels, "severity", "value"}
        assert set(re.findall(r"\{([a-z_]+)\}", rule.summary)) <= known, rule.alert
        for figure in rule.figures:
            assert set(figure.on) <= known


def test_no_two_rules_make_the_same_alert() -> None:
    """One name, one set of labels: else one would say that it fires, and the other that it does not."""
    made = [
        (
            rule.alert, rule.severity, tuple(sorted(rule.labels.items())),
            tuple((m.label, m.value) for m in selects(rule.when)[0].matches if m.label != "severity"),
        )
        for rule in RULES
    ]  # fmt: skip
    assert len(made) == len(set(made))


def test_the_gateway_s_bounds_are_those_that_rules_count_on() -> None:
    """A bucket that there is not would never be slow."""
    assert SECONDS == gateway.SECONDS


def test_the_page_lists_every_limit() -> None:
    """docs/alerts.md, and none that is not there."""
    text = (DOCS / "alerts.md").read_text()
    assert set(re.findall(r"`([a-z]+_[a-z_]+_(?:warn|page))`", text)) == set(NAMES)
