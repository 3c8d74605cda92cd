"""`affiant alerts`: files that are the policy's, and a check that sees when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

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
