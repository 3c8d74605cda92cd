"""`affiant alerts`: files that are the policy's, and a check that sees when they are not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import GaugeMetricFamily

from audit.config import load
from cli.monitor_alerts import configured_evaluating
from monitoring.alerts.expiry import EXPIRES
from monitoring.settings import MonitorSettings
from tests.components.alerts import FULL_POLICY, full_policy
from tests.components.approvals import Done, affiant

RULES, ROUTES = "affiant-rules.yml", "alertmanager.yml"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """policy.yaml."""
    path = tmp_path / "policy.yaml"
    path.write_bytes(FULL_POLICY)
    return path


def render(policy: Path, *more: object) -> Done:
    return affiant("alerts", "render", "--policy", policy, *more)


def test_both_files_are_written_and_the_same_policy_gives_the_same_bytes(
    policy: Path, tmp_path: Path
) -> None:
    """With the policy's digest at the head; comments of the policy change nothing."""
    assert render(policy, "--out", tmp_path / "a").code == 0
    policy.write_bytes(b"# another comment\n" + FULL_POLICY)
    assert render(policy, "--out", tmp_path / "b").code == 0
    for name in (RULES, ROUTES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    text = (tmp_path / "a" / RULES).read_text()
    assert f"# Of the policy {full_policy().digest}\n" in text
    assert render(policy).out == text
    told = render(policy, "--json").json
    assert told["policy"] == full_policy().digest
    assert told["prometheus"] == yaml.safe_load(text)
    assert told["alertmanager"] == yaml.safe_load((tmp_path / "a" / ROUTES).read_text())


def test_who_signs_a_policy_is_told_what_it_asks_for_in_vain(policy: Path) -> None:
    """No controller rolls back for performance: each such page would be refused."""
    said = "warning: credit: no controller rolls back for performance"
    assert said in render(policy).err
    assert said in affiant("policy", "check", policy).err
    policy.write_bytes(FULL_POLICY.replace(b"[prediction, performance, slo]", b"[prediction, slo]"))
    assert render(policy).err == ""
    assert said not in affiant("policy", "check", policy).err


def test_a_file_that_is_there_is_left_unless_it_is_to_be_replaced(policy: Path, tmp_path: Path) -> None:
    """Neither file is written when one of them may not be."""
    (tmp_path / ROUTES).write_text("mine")
    done = render(policy, "--out", tmp_path)
    assert done.code == 2
    assert ROUTES in done.err
    assert (tmp_path / ROUTES).read_text() == "mine"
    assert not (tmp_path / RULES).exists()
    done = render(policy, "--out", tmp_path, "--force", "--json")
    assert done.code == 0
    assert done.json["files"] == {name: str(tmp_path / name) for name in (RULES, ROUTES)}


def test_who_is_told_is_an_option_and_secrets_are_files(policy: Path) -> None:
    """Mail, Slack, another webhook; the token by the file that holds it."""
    told = render(
        policy, "--json", "--email", "ops@example.org", "--smarthost", "mail:25", "--email-from", "a@example.org",
        "--slack-file", "/run/slack", "--webhook", "https://people.example/", "--token-file", "/run/token",
        "--controller", "https://controller:9467/alerts", "--ca-file", "/run/ca.pem",
    ).json["alertmanager"]  # fmt: skip
    controller, people = told["receivers"]
    (hook,) = controller["webhook_configs"]
    assert hook["http_config"]["authorization"] == {"type": "Bearer", "credentials_file": "/run/token"}
    assert hook["http_config"]["tls_config"] == {"ca_file": "/run/ca.pem"}
    assert hook["send_resolved"] is True
    assert people["slack_configs"] == [{"api_url_file": "/run/slack", "send_resolved": True}]
    assert people["email_configs"][0]["smarthost"] == "mail:25"
    assert people["webhook_configs"][0]["url"] == "https://people.example/"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "unshiped_seconds_warn=5"], "did you mean 'unshipped_seconds_warn'"),
        (["--limit", "unshipped_seconds_warn=soon"], "a number is wanted"),
        (["--limit", "unshipped_seconds_warn=-1"], "above 0"),
        (["--limit", "unshipped_seconds_warn=nan"], "above 0"),
        (["--controller", "controller:9467"], "no http:// or https:// address"),
        (["--controller", "https://user:secret@controller/"], "a password does not belong"),
        (["--webhook", "http://[::1"], "is no address"),
        (["--email", "ops@example.org"], "mail needs the mail server"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(
    policy: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    """And nothing is written."""
    done = render(policy, "--out", tmp_path / "out", *words)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_a_limit_changes_its_rule_and_no_other(policy: Path, tmp_path: Path) -> None:
    """`check` wants to be told of it, too."""
    render(policy, "--out", tmp_path, "--limit", "unshipped_seconds_warn=5")
    file = tmp_path / RULES
    assert (
        affiant("alerts", "check", file, "--policy", policy, "--limit", "unshipped_seconds_warn=5").code == 0
    )
    done = affiant("alerts", "check", file, "--policy", policy, "--json")
    assert done.code == 1
    assert done.json["same"] is False
    assert done.json["differences"] == ["affiant-sidecar: AffiantUnshipped is another rule"]


def test_limits_of_the_settings_are_those_of_rules_check_and_dashboards(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[alerts]; an option goes before it. The file is found as everywhere."""
    settings = tmp_path / "other.toml"
    settings.write_text("[alerts]\nunshipped_seconds_warn = 7\nunshipped_seconds_page = 9.5\n")
    render(policy, "--out", tmp_path, "--config", settings)
    rules = tmp_path / RULES
    assert "> 7\n" in rules.read_text()
    assert "> 9.5\n" in rules.read_text()
    check = ("alerts", "check", rules, "--policy", policy)
    assert affiant(*check).code == 1
    monkeypatch.setenv("AFFIANT_CONFIG", str(settings))
    assert affiant(*check).code == 0
    done = affiant(*check, "--limit", "unshipped_seconds_page=600", "--json")
    assert done.json["differences"] == ["affiant-sidecar: AffiantUnshipped is another rule"]
    assert affiant("dashboards", "render", "--out", tmp_path / "grafana").code == 0
    assert '"value": 9.5' in (tmp_path / "grafana" / "dashboards" / "affiant-record.json").read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("unshiped_seconds_warn = 5", "did you mean 'unshipped_seconds_warn'"),
        ("unshipped_seconds_warn = 0", "unshipped_seconds_warn: Input should be greater than 0"),
        ("unshipped_seconds_page = inf", "unshipped_seconds_page: Input should be a finite number"),
        ('unshipped_seconds_warn = "5"', "unshipped_seconds_warn: Input should be a valid number"),
        ("unshipped_seconds_warn = true", "unshipped_seconds_warn: Input should be a valid number"),
        ("unshipped_seconds_warn = 600", "unshipped_seconds_page is 600 and unshipped_seconds_warn is 600"),
        (
            "hours_to_full_page = 24",
            "hours_to_full_warn is 24: what wakes people must be less",
        ),
        ("expiry_days_warn = 1", "expiry_days_page is 2 and expiry_days_warn is 1"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    policy: Path, tmp_path: Path, settings: str, said: str
) -> None:
    """Wherever they are read; and as options, of whatever the settings are."""
    file = tmp_path / "affiant.toml"
    file.write_text(f"[alerts]\n{settings}\n")
    for words in (("alerts", "render", "--policy", policy), ("config", "check")):
        done = affiant(*words, "--config", file)
        assert done.code == 2
        assert said in done.err
    file.write_text("[alerts]\nnotary_seconds_warn = 100\n")
    done = affiant(
        "alerts", "render", "--policy", policy, "--config", file, "--limit", "notary_seconds_page=100"
    )
    assert done.code == 2
    assert "must be more than what warns" in done.err


def test_the_monitor_evaluates_by_the_limits_of_the_settings(tmp_path: Path) -> None:
    """An approval that ends in 20 days: by the default nobody hears of it, by a limit of 30 days people do."""
    now = time.time()

    class Leads:
        """What a monitor that leads says."""

        leads = True

        def collect(self) -> Iterable[Any]:
            yield GaugeMetricFamily("affiant_monitor_leader", "", 1)
            family = GaugeMetricFamily(EXPIRES.name, "", labels=EXPIRES.labels)
            family.add_metric(["credit", "0123456789ab"], now + 20 * 86_400)
            yield family

    fires = {}
    for name, limit in (("default", ""), ("wide", "[alerts]\nexpiry_days_warn = 30\n")):
        file = tmp_path / f"{name}.toml"
        file.write_text(f'[data]\ndirectory = "data"\n{limit}')
        config, monitor = load(file), Leads()
        evaluating = configured_evaluating(config, MonitorSettings(), monitor, full_policy)  # type: ignore[arg-type]
        assert evaluating is not None
        evaluating.look()
        fires[name] = [each.labels["alertname"] for each in evaluating.firing]
    assert fires == {"default": [], "wide": ["AffiantApprovalExpires"]}


def test_of_several_installations_one_s_rules_and_routes_are_its_own(policy: Path, tmp_path: Path) -> None:
    """Rules ask for its label, Alertmanager tells its controller of no other's; the check wants the same words."""
    assert render(policy, "--out", tmp_path, "--match", "cluster=east").code == 0
    rules, routes = (yaml.safe_load((tmp_path / name).read_text()) for name in (RULES, ROUTES))
    asked = {rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    assert [each for each in asked if 'cluster="east"' not in each] == []
    (controller,) = [each for each in routes["route"]["routes"] if each["receiver"] == "controller"]
    assert 'cluster="east"' in controller["matchers"]
    assert "cluster" in controller["group_by"]
    assert "cluster" in routes["inhibit_rules"][0]["equal"]
    for words, code in (((), 1), (("--match", "cluster=west"), 1), (("--match", "cluster=east"), 0)):
        assert affiant("alerts", "check", tmp_path / RULES, "--policy", policy, *words).code == code, words


def test_a_file_for_the_chart_leaves_the_release_open(policy: Path) -> None:
    """The chart puts its own in; who gives it by hand, too, is told."""
    said = render(policy, "--chart").out
    assert 'affiant_installation="@installation@"' in said
    done = render(policy, "--chart", "--match", "affiant_installation=bank/affiant")
    assert done.code == 2
    assert "affiant_installation is given twice" in done.err
    done = render(policy, "--match", "service=credit")
    assert done.code == 2
    assert "the rules use this label themselves" in done.err


def test_an_edit_of_the_rules_is_seen(policy: Path, tmp_path: Path) -> None:
    """A rule that is gone, one that is new, one that fires later; texts for people are theirs to change."""
    render(policy, "--out", tmp_path)
    file = tmp_path / RULES
    content = yaml.safe_load(file.read_text())
    of_path = next(group for group in content["groups"] if group["name"] == "affiant-gateway")
    gone = of_path["rules"].pop(0)
    of_path["rules"][0]["for"] = "2h"
    of_path["rules"][1]["annotations"]["summary"] = "in other words"
    content["groups"].append({"name": "mine", "rules": [gone | {"alert": "Mine\x1b[31m"}]})
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    done = affiant("alerts", "check", file, "--policy", policy)
    assert done.code == 1
    assert done.out.splitlines() == [
        "affiant-gateway: AffiantNotReady is another rule",
        "affiant-gateway: AffiantTargetDown is not there",
        "mine: Mine\ufffd[31m is none of the policy's",
    ]


@pytest.mark.parametrize("content", ["", "[1]", "groups: 1", "a: [", "\x00"])
def test_what_is_no_rules_file_is_said(policy: Path, tmp_path: Path, content: str) -> None:
    """Of whatever is in it."""
    file = tmp_path / "rules.yml"
    file.write_text(content)
    done = affiant("alerts", "check", file, "--policy", policy)
    assert done.code == 2
    assert "rules.yml" in done.err


def test_odd_groups_are_differences_and_no_crash(policy: Path, tmp_path: Path) -> None:
    """Groups and rules of other shapes count as what is not there."""
    file = tmp_path / "rules.yml"
    file.write_text("groups: [1, {name: [x], rules: {}}, {name: a, rules: [1, {alert: {}}]}]")
    done = affiant("alerts", "check", file, "--policy", policy)
    assert done.code == 1
    assert "affiant-credit: AffiantScoreDrift is not there" in done.out


def test_without_a_policy_the_one_in_force_is_wanted(tmp_path: Path) -> None:
    """Settings that name no governance log have none."""
    (tmp_path / "affiant.toml").write_text("")
    done = affiant("alerts", "render", "--config", tmp_path / "affiant.toml")
    assert done.code == 2
