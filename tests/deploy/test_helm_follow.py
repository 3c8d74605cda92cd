"""The jobs that bring kept cards and MLflow's tags to what is signed: as whom, and who is told when they stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from audit.config import load
from cli.main import app
from cli.tables import problems
from tests.components.kubernetes import render
from tests.components.prometheus import promtool
from tests.deploy.helm_chart import (
    CHART,
    MATRIX,
    Manifest,
    Pod,
    of_kind,
    pod,
    pods,
    settings,
    settings_file,
    the,
)

JOBS = {"cards": ["affiant", "card", "sync"], "mlflow": ["affiant", "model", "sync-mlflow"]}
ELSEWHERE = (
    "--set", "follow.enabled=true,governance.rootConfigMap=root,kafka.users.follow.secretName=affiant-follow-kafka",
    "--set", "kafka.users.follow.username=follow",
)  # fmt: skip
"""The jobs, in an example whose packages are in MLflow's model registry."""


def jobs(name: str) -> dict[str, Pod]:
    """By the container that does it."""
    return {each.spec["containers"][0]["name"]: each for each in pods(name) if each.component == "follow"}


def _of_ours(each: Manifest) -> bool:
    return bool(each["metadata"]["labels"]["app.kubernetes.io/component"] == "follow")


def cronjobs() -> list[Manifest]:
    return [each for each in of_kind("bank", "CronJob") if _of_ours(each)]


def rendered(*given: str) -> dict[str, Manifest]:
    """The jobs of the example with packages in MLflow."""
    found = yaml.load_all(render(CHART, [MATRIX["gpu"]], *ELSEWHERE, *given), Loader=yaml.CSafeLoader)
    return {
        each["metadata"]["name"].rpartition("-")[2]: each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for each in found
        if each and each["kind"] == "CronJob"
    }


def environment(spec: Any) -> dict[str, Any]:
    """Name → value, or the Secret that has it."""
    (container,) = spec["containers"]
    return {
        each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"]["name"]
        for each in container["env"]
    }


def test_each_job_runs_a_command_that_there_is_once() -> None:
    """With the controller's image, which has what they need; without `--every`, or it would never end."""
    found = jobs("bank")
    assert {name: each.spec["containers"][0]["command"] for name, each in found.items()} == JOBS
    image = pod("bank", "controller").container("controller")["image"]
    for name, each in found.items():
        assert each.container(name)["image"] == image
        command: Any = typer.main.get_command(app)
        for word in JOBS[name][1:]:
            command = command.get_command(None, word)
        assert {"--every", "--touch"} <= {option for one in command.params for option in one.opts}
    assert not [name for name in MATRIX if name != "bank" and of_kind(name, "CronJob")]  # off by default


def test_a_run_that_fails_or_is_stuck_holds_up_none() -> None:
    """Two never run beside each other; each has an end; the next does the whole again."""
    found = cronjobs()
    assert len(found) == len(JOBS)
    for each in found:
        assert each["spec"]["concurrencyPolicy"] == "Forbid"
        run = each["spec"]["jobTemplate"]["spec"]
        assert 0 < run["activeDeadlineSeconds"] <= 600
        assert run["backoffLimit"] == 0
        assert run["template"]["spec"]["restartPolicy"] == "Never"
        assert len(each["metadata"]["name"]) <= 52  # or the cluster refuses it: its jobs' names are longer


def test_they_have_the_rights_that_they_need_and_no_other() -> None:
    """A user of their own, who reads the governance log; no private key; who writes cards does not write tags."""
    found = jobs("bank")
    for name, each in found.items():
        assert each.spec["serviceAccountName"] == "affiant-follow"
        assert each.spec["automountServiceAccountToken"] is False
        assert each.volumes()["config"]["configMap"]["name"] == "affiant-follow"
        assert {"keys", "secrets", "data"}.isdisjoint(each.volumes())
        secrets = [one["secret"]["name"] for one in each.volumes()["kafka"]["projected"]["sources"]]
        assert secrets == ["record-cluster-ca-cert", "affiant-follow"]
        assert {"AWS_ACCESS_KEY_ID", "AWS_REGION"}.isdisjoint(environment(each.spec))
        docker = each.volumes()["docker"]["secret"]["secretName"]
        assert docker == {"cards": "registry-push-cards", "mlflow": "registry-pull"}[name]
    to_mlflow = {"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    assert to_mlflow <= set(environment(found["mlflow"].spec))
    assert to_mlflow.isdisjoint(environment(found["cards"].spec))
    assert environment(found["mlflow"].spec)["MLFLOW_TRACKING_PASSWORD"] == "mlflow-affiant-follow"
    (policy,) = [
        each["spec"]
        for each in of_kind("bank", "NetworkPolicy")
        if each["metadata"]["name"].endswith("-follow")
    ]
    assert policy["ingress"] == []


def test_their_settings_are_right_and_read_no_payload(tmp_path: Path) -> None:
    """`affiant config check` has nothing against them; payload keys are not theirs."""
    (tmp_path / "affiant.toml").write_text(settings_file("bank", "follow"))
    config = load(tmp_path / "affiant.toml")
    assert problems(config) == []
    assert "encryption" not in settings("bank", "follow")
    assert "encryption" in settings("bank", "controller")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((), {"cards": "mlflow-affiant", "mlflow": "mlflow-affiant"}),
        (("follow.store.credentials.secretName=writer",), {"cards": "writer", "mlflow": "writer"}),
        (
            ("follow.store.credentials.secretName=writer", "follow.mlflow.credentials.secretName=tagger"),
            {"cards": "writer", "mlflow": "tagger"},
        ),
    ],
)  # fmt: skip
def test_where_packages_are_in_mlflow_tags_go_to_that_server(
    given: tuple[str, ...], wanted: dict[str, str]
) -> None:
    """Without naming it again; as somebody who may write there, where one is named."""
    found = rendered(*(word for each in given for word in ("--set", each)))
    assert {name: environment(spec)["MLFLOW_TRACKING_PASSWORD"] for name, spec in found.items()} == wanted
    assert all(
        "MLFLOW_TRACKING_URI" not in environment(spec) for spec in found.values()
    )  # the settings say it


def test_each_job_is_switched_off_alone() -> None:
    """Cards by their switch, MLflow by naming no server."""
    assert set(rendered("--set", "follow.cards=false")) == {"mlflow"}
    given = render(CHART, [MATRIX["bank"]], "--set", "follow.mlflow.trackingUri=")
    names = [
        each["metadata"]["name"]
        for each in yaml.load_all(given, Loader=yaml.CSafeLoader)
        if each and each["kind"] == "CronJob" and _of_ours(each)
    ]
    assert names == ["affiant-cards"]


OURS = {"namespace": "bank", "affiant_installation": "bank/affiant"}


def test_jobs_that_stop_going_well_are_told_of(tmp_path: Path) -> None:
    """After an hour: one that fails or hangs, and one that never went well. Not one that goes well, nor another's."""
    rules = the("bank", "PrometheusRule", "affiant")["spec"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))

    def series(metric: str, job: str, values: str) -> dict[str, str]:
        return {"series": f'{metric}{{namespace="bank",cronjob="{job}"}}', "values": values}

    went, made = "kube_cronjob_status_last_successful_time", "kube_cronjob_created"
    cards, mlflow = (each["metadata"]["name"] for each in cronjobs())

    def told(job: str, since: str) -> dict[str, Any]:
        return {
            "exp_labels": OURS | {"severity": "warn", "cronjob": job},
            "exp_annotations": {
                "summary": f"No run of {job} has gone well for {since}: cards, or MLflow's tags, may say production of "
                "a package that was revoked since. What answers does not go by them.",
                "runbook_url": "https://docs.bank.example/affiant/runbooks/AffiantFollowingStopped.md",
            },
        }

    case = {
        "interval": "1m",
        "input_series": [
            series(made, cards, "0x240"),
            series(went, cards, "0+60x100 6000x140"),  # well for 100 minutes, and then no more
            series(made, mlflow, "0x240"),  # never
            series(made, "affiant-next-cards", "0x240"),
            series(made, "backup", "0x240"),
        ],
        "alert_rule_test": [
            {"eval_time": "60m", "alertname": "AffiantFollowingStopped", "exp_alerts": []},
            {"eval_time": "70m", "alertname": "AffiantFollowingStopped", "exp_alerts": [told(mlflow, "1h 10m 0s")]},
            {
                "eval_time": "170m", "alertname": "AffiantFollowingStopped",
                "exp_alerts": [told(cards, "1h 10m 0s"), told(mlflow, "2h 50m 0s")],
            },
        ],
    }  # fmt: skip
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [case]}))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr
