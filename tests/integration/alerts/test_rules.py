"""Each rule on series that it is for, and on series that it is not, by Prometheus' own test runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.form import Group, Rule
from monitoring.alerts.limits import Limits, limits
from monitoring.alerts.promql import template
from monitoring.alerts.render import RULES_FILE, rules_yaml
from monitoring.alerts.rules import groups_of
from tests.components.alert_cases import CASES, PACKAGE, P
from tests.components.alerts import full_policy
from tests.components.prometheus import promtool

pytestmark = pytest.mark.prometheus

POLICY = full_policy()


BASE = Limits(completeness_hours_warn=1)


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else(tmp_path: Path) -> None:
    """All cases in one run of promtool; of each alert its own rules alone, so that the run is short."""
    files = []
    for at, (alert, given) in enumerate(dict.fromkeys((case.alert, case.limits) for case in CASES)):
        # Only labels are compared here: texts are another test's, so the rules lose theirs.
        found = [
            Group(each.name, tuple(_bare(rule) for rule in each.rules if rule.alert == alert))
            for each in groups_of(POLICY, limits(given, BASE))
        ]
        rules = tmp_path / f"{at}.yml"
        rules.write_text(rules_yaml([each for each in found if each.rules], digest=POLICY.digest))
        tests = [
            {
                "name": f"{number} {case.alert}",
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "alert_rule_test": [
                    {
                        "eval_time": f"{case.at}m",
                        "alertname": case.alert,
                        "exp_alerts": [
                            {"exp_labels": labels, "exp_annotations": {"summary": ""}}
                            for labels in case.fires
                        ],
                    }
                ],
            }
            for number, case in enumerate(CASES)
            if (case.alert, case.limits) == (alert, given)
        ]
        file = tmp_path / f"{at}.json"
        file.write_text(json.dumps({"rule_files": [rules.name], "evaluation_interval": "1m", "tests": tests}))
        files.append(file)
    done = promtool("test", "rules", *files)
    assert done.returncode == 0, done.stdout


def _bare(rule: Rule) -> Rule:
    return Rule(rule.alert, rule.when, rule.severity, "", labels=rule.labels, wait=rule.wait, keep=rule.keep)


def test_no_alert_is_without_a_case() -> None:
    """Each is seen to fire."""
    fired = {case.alert for case in CASES if case.fires}
    assert fired == {rule.alert for group in groups_of(POLICY) for rule in group.rules}


def test_what_is_told_of_drift_has_its_figures(tmp_path: Path) -> None:
    """The texts, by Prometheus' own templates: the distances, the e-value beside its limit, the rows, the runbook."""
    (tmp_path / RULES_FILE).write_text(
        rules_yaml(groups_of(POLICY), digest=POLICY.digest, runbooks="https://example.org/runbooks/")
    )
    figures = {
        "ks_lower": "0.1234567", "ks_upper": "0.2", "psi_debiased": "0.3", "window_rows": "2304",
        "log_e_value": "16.5", "log_e_limit": "16.31",
    }  # fmt: skip
    labels = f'{PACKAGE},feature="age \\"in\\" years"'
    series = {f'affiant_drift_alarm{{{labels},severity="page"}}': "1x5"}
    for name, value in figures.items():
        by = PACKAGE if name in ("window_rows", "log_e_limit") else labels
        by += ',severity="page"' if name.startswith("log_e") else ""
        series[f"affiant_drift_{name}{{{by}}}"] = f"{value}x5"
    alert: dict[str, Any] = {
        "exp_labels": P
        | {
            "feature": 'age "in" years', "severity": "page", "cause": "input", "affiant_action": "retrain"
        },
        "exp_annotations": figures
        | {
            "ks_lower": "0.1235",
            "summary": 'age "in" years of credit live 0123456789ab has drifted from the training data',
            "runbook_url": "https://example.org/runbooks/AffiantInputDrift.md",
        },
    }  # fmt: skip
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "2m", "alertname": "AffiantInputDrift", "exp_alerts": [alert]}],
    }
    file = tmp_path / "tests.json"
    file.write_text(json.dumps({"rule_files": [RULES_FILE], "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout
    assert template("{a} {value}") == '{{ $labels.a }} {{ $value | printf "%.4g" }}'
