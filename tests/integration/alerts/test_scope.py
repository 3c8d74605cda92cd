"""Two installations that one Prometheus sees, by its own test runner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitoring.alerts.render import RULES_FILE, rules_yaml
from monitoring.alerts.rules import groups_of
from monitoring.alerts.scope import matches_of, of_installation
from tests.components.alert_cases import PACKAGE, P
from tests.components.alerts import full_policy
from tests.components.prometheus import promtool

pytestmark = pytest.mark.prometheus


def test_neither_hides_the_other_nor_adds_to_it(tmp_path: Path) -> None:
    """Who judges is counted for each; a figure that is shown is its own."""
    policy = full_policy()
    files = []
    for name in ("prod", "stage"):
        groups = of_installation(groups_of(policy), matches_of([f"cluster={name}"]))
        (tmp_path / f"{name}-{RULES_FILE}").write_text(rules_yaml(groups, digest=policy.digest))
        files.append(f"{name}-{RULES_FILE}")

    def fires(where: str, labels: dict[str, str], said: dict[str, str]) -> dict[str, object]:
        return {"exp_labels": {"cluster": where, **labels}, "exp_annotations": said}

    nobody = {"summary": "no monitor judges: drift is not seen"}
    drifted = {
        "summary": "age of credit live 0123456789ab has drifted from the training data", "ks_lower": "0.5",
        "ks_upper": "", "psi_debiased": "", "log_e_value": "", "log_e_limit": "", "window_rows": "",
    }  # fmt: skip
    drift = P | {"feature": "age", "severity": "page", "cause": "input", "affiant_action": "retrain"}
    leaders = {
        name: {
            f'affiant_monitor_leader{{cluster="{where}"}}': f"{value}x10"
            for where, value in zip(("prod", "stage"), values, strict=True)
        }
        for name, values in {"one": (0, 1), "both": (1, 1)}.items()
    }
    of_drift = {
        f'affiant_drift_alarm{{cluster="prod",{PACKAGE},feature="age",severity="page"}}': "1x10",
        f'affiant_drift_ks_lower{{cluster="prod",{PACKAGE},feature="age"}}': "0.5x10",
        f'affiant_drift_ks_lower{{cluster="stage",{PACKAGE},feature="age"}}': "0.9x10",
    }
    tests = [
        (leaders["one"], "AffiantNoMonitor", [fires("prod", {"severity": "page"}, nobody)]),
        (leaders["both"], "AffiantNoMonitor", []),
        (leaders["both"], "AffiantTwoMonitors", []),
        (of_drift, "AffiantInputDrift", [fires("prod", drift, drifted)]),
    ]
    case = tmp_path / "tests.json"
    case.write_text(
        json.dumps(
            {
                "rule_files": files,
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [{"series": name, "values": each} for name, each in series.items()],
                        "alert_rule_test": [{"eval_time": "5m", "alertname": alert, "exp_alerts": told}],
                    }
                    for series, alert, told in tests
                ],
            }
        )
    )
    done = promtool("test", "rules", case)
    assert done.returncode == 0, done.stdout
