"""The daily proof: what it runs, as whom, what it may reach, and who is told when it does not go well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from audit.config import load
from cli.main import app
from cli.tables import problems
from tests.components.image import run_in_image
from tests.components.kubernetes import render
from tests.components.prometheus import promtool
from tests.components.sealed import SealedLog, sealed_log
from tests.deploy.helm_chart import CHART, MATRIX, Pod, of_kind, pods, settings, settings_file, the

DAY = 86400
IN_A_CLUSTER = ("audit.log.kafka", "audit.objects.bucket", "registry.approvals.board", "registry.erasure")


def job() -> Pod:
    """Its pod."""
    (found,) = [each for each in pods("bank") if each.component == "auditor"]
    return found


def cronjob() -> dict[str, Any]:
    return the("bank", "CronJob", "-auditor")


def test_it_runs_a_command_that_there_is_by_an_image_of_its_own() -> None:
    """Off by default. Further arguments are those of `affiant audit verify`."""
    container = job().container("verify")
    assert container["command"] == ["affiant", "audit", "verify"]
    assert container["image"].startswith("registry.example.com/affiant/affiant-auditor@sha256:6666")
    command: Any = typer.main.get_command(app)
    for word in container["command"][1:]:
        command = command.get_command(None, word)
    assert {"--checkpoint", "--no-payloads"} <= {
        option for one in command.params for option in (*one.opts, *one.secondary_opts)
    }
    for name in set(MATRIX) - {"bank"}:
        assert not [each for each in pods(name) if each.component == "auditor"]


@pytest.fixture
def sealed(tmp_path: Path) -> SealedLog:
    return sealed_log(tmp_path)


def test_its_image_has_what_it_needs_and_a_run_that_finds_something_fails(sealed: SealedLog) -> None:
    """With the log in Kafka and the trees in a bucket, too. What was changed makes the job fail: the exit code is 1."""
    command = ("audit", "verify", "--config", sealed.settings())

    def verified() -> tuple[int, str]:
        done = run_in_image("auditor", IN_A_CLUSTER, command, {"HOME": str(sealed.root)})
        return done.returncode, done.stdout + done.stderr

    code, said = verified()
    assert (code, "nothing is wrong" in said) == (0, True), said
    tile = max(
        (each for each in sealed.folder.rglob("*") if "entries" in each.parts and each.is_file()), key=str
    )
    content = bytearray(tile.read_bytes())
    content[len(content) // 2] ^= 1
    tile.chmod(0o600)
    tile.write_bytes(content)
    code, said = verified()
    assert (code, "WRONG" in said) == (1, True), said


def test_a_run_that_fails_or_is_stuck_holds_up_none() -> None:
    """Two never run beside each other; each has an end; what it said of a failure is kept."""
    spec = cronjob()["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["failedJobsHistoryLimit"] >= 1
    run = spec["jobTemplate"]["spec"]
    assert 0 < run["activeDeadlineSeconds"] < 86400
    assert run["backoffLimit"] == 0
    assert run["template"]["spec"]["restartPolicy"] == "Never"


def test_the_alert_waits_for_the_end_of_the_next_run() -> None:
    """By default, and with numbers that may be said, up to a run a month."""
    default = yaml.safe_load((CHART / "values.yaml").read_text())["auditor"]
    assert default["schedule"].endswith("* * *")
    assert default["staleSeconds"] > DAY + default["deadlineSeconds"]
    monthly = ("auditor.schedule=23 2 1 * *", f"auditor.staleSeconds={31 * DAY + default['deadlineSeconds']}")
    rendered = render(CHART, [MATRIX["bank"]], *(word for each in monthly for word in ("--set", each)))
    assert f"> {31 * DAY + default['deadlineSeconds']}" in rendered


def test_it_has_the_rights_of_who_reads() -> None:
    """A user and an account of its own; no key of anybody; nobody comes in, and only logs and buckets are reached."""
    pod = job()
    assert pod.spec["serviceAccountName"] == "affiant-auditor"
    assert pod.spec["automountServiceAccountToken"] is False
    assert {"keys", "secrets", "data", "docker"}.isdisjoint(pod.volumes())
    secrets = [one["secret"]["name"] for one in pod.volumes()["kafka"]["projected"]["sources"]]
    assert secrets == ["record-cluster-ca-cert", "affiant-auditor"]
    assert {each["name"] for each in pod.container("verify")["env"]} == {
        "AFFIANT_CONFIG",
        "HOME",
        "AWS_REGION",
    }
    (user,) = [each for each in of_kind("bank", "KafkaUser") if each["metadata"]["name"] == "affiant-auditor"]
    assert "Write" not in str(user["spec"])
    (policy,) = [
        each["spec"]
        for each in of_kind("bank", "NetworkPolicy")
        if each["metadata"]["name"] == "affiant-auditor"
    ]
    assert policy["ingress"] == []
    assert [rule["ports"][0]["port"] for rule in policy["egress"]] == [9093, 443, 443]


def test_its_settings_are_right_and_name_all_that_is_sealed(tmp_path: Path) -> None:
    """Trees, the archive's payloads, witnesses and the root; payload keys are not its: stored bytes are verified."""
    (tmp_path / "affiant.toml").write_text(settings_file("bank", "auditor"))
    config = load(tmp_path / "affiant.toml")
    assert problems(config) == []
    table = settings("bank", "auditor")
    assert table["notary"]["store"] == settings("bank", "notary")["notary"]["store"]
    assert table["notary"]["payload_store"] == settings("bank", "notary")["notary"]["payload_store"]
    assert table["notary"]["witnesses"] == settings("bank", "notary")["notary"]["witnesses"]
    assert table["governance"]["root"] == settings("bank", "controller")["governance"]["root"]
    assert {"encryption", "gateway", "journal"}.isdisjoint(table)


OURS = {"namespace": "bank", "affiant_installation": "bank/affiant"}


def told(since: str) -> dict[str, Any]:
    return {
        "exp_labels": OURS | {"severity": "page", "cronjob": "affiant-auditor"},
        "exp_annotations": {
            "summary": f"No run of affiant-auditor has gone well for {since}: either something that is sealed was "
            "changed, or nobody has looked. Its log says which.",
            "runbook_url": "https://docs.bank.example/affiant/runbooks/AffiantAuditStopped.md",
        },
    }


# Begun at hour 24 and done ten minutes later; begun at hour 48.
WELL = {"scheduled": "0x1439 86400x3000", "well": "600x1449 87000x2990", "active": "0x1439 1x9 0x3000"}
FAILED = {"scheduled": "0x1439 86400x3000", "well": "600x5000", "active": "0x1439 1x9 0x3000"}
SUSPENDED = {"scheduled": "0x5000", "well": "600x5000", "active": "0x5000"}
NEVER = {"made": "0x5000", "active": "0x5000"}
STUCK = {"scheduled": "0x1439 86400x3000", "well": "600x5000", "active": "0x1439 1x3000"}


@pytest.mark.parametrize(
    ("series", "minutes"),
    [
        (WELL, {1445: None, 1500: None, 1460: None}),
        (FAILED, {1448: None, 1457: "1d 0h 7m 0s"}),  # ten minutes of work, and then five for
        (SUSPENDED, {1440: None, 2160: None, 2177: "1d 12h 7m 0s"}),
        (STUCK, {1500: None, 2177: "1d 12h 7m 0s"}),
        (NEVER, {2160: None, 2170: "1d 12h 10m 0s"}),
    ],
    ids=["well", "failed", "suspended", "stuck", "never"],
)  # fmt: skip
def test_a_run_that_failed_is_told_of_at_once_and_one_that_never_comes_after_a_day_and_a_half(
    series: dict[str, str], minutes: dict[int, str | None], tmp_path: Path
) -> None:
    """Not one that is at work, nor another release's. One that never went well is as old as itself."""
    (group,) = [
        each
        for each in the("bank", "PrometheusRule", "affiant")["spec"]["groups"]
        if each["name"] == "affiant-audit"
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}))
    metrics = {
        "scheduled": "kube_cronjob_status_last_schedule_time", "well": "kube_cronjob_status_last_successful_time",
        "active": "kube_cronjob_status_active", "made": "kube_cronjob_created",
    }  # fmt: skip
    of = '{namespace="bank",cronjob="%s"}'
    given = [
        {"series": metrics[which] + of % name, "values": values}
        for name in ("affiant-auditor", "affiant-next-auditor")
        for which, values in (series if name == "affiant-auditor" else FAILED).items()
    ]
    tests = [
        {
            "eval_time": f"{at}m",
            "alertname": "AffiantAuditStopped",
            "exp_alerts": [told(since)] if since else [],
        }
        for at, since in minutes.items()
    ]
    case = {"interval": "1m", "input_series": given, "alert_rule_test": tests}
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [case]}))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout
