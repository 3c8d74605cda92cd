"""What of the Terraform module may be chosen, and what comes of it in the chart."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.log import kafka_check
from tests.components.kubernetes import Refused, render
from tests.components.terraform import Module, evaluate, example
from tests.deploy.helm_chart import CHART
from tests.deploy.test_helm_ways import closed, used

OF_PODS = ("gateway", "notary", "monitor", "controller")


@pytest.fixture(scope="module")
def call() -> dict[str, Any]:
    """What the example gives."""
    return example()


@pytest.fixture(scope="module")
def rendered(call: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The manifests of it."""
    folder = tmp_path_factory.mktemp("values")
    files = []
    for text in (yaml.safe_dump(evaluate(call).locals["chart_values"]), *call["values"]):
        files.append(folder / f"{len(files)}.yaml")
        files[-1].write_text(text)
    return tuple(each for each in yaml.safe_load_all(render(CHART, files)) if each)


@pytest.mark.parametrize("days", [14, None])
def test_kafka_drops_the_record_alone_and_only_where_that_was_said(
    call: Mapping[str, Any], days: int | None
) -> None:
    """Where it does, components are told that there is an archive; `affiant topics check` finds nothing in either."""
    given = {**call, "kafka_retention_ms": days * 86_400_000 if days else -1}
    found = evaluate(given).locals
    assert found["log_settings"]["retention.ms"] == "-1"
    assert found["record_settings"] == {
        **found["log_settings"], "retention.ms": str(given["kafka_retention_ms"]),
    }  # fmt: skip
    kafka = found["chart_values"]["kafka"]
    assert (kafka["archived"], kafka["retentionMs"]) == (days is not None, given["kafka_retention_ms"])
    assert (
        kafka_check.judge(found["record_settings"], replicas=3, brokers=3, archived=kafka["archived"]) == []
    )


def test_components_log_in_by_the_names_that_brokers_know(call: Mapping[str, Any], tmp_path: Path) -> None:
    """With SASL the principal's own name, and a password in each one's Secret; with certificates no name."""
    users = evaluate(call).locals["chart_values"]["kafka"]["users"]
    assert {each["username"] for each in users.values()} == {""}
    principals = {each: f"User:affiant-{each}" for each in OF_PODS}
    given = {**call, "audit": False, "kafka_security_protocol": "SASL_SSL", "kafka_users": principals}
    values = evaluate(given).locals["chart_values"]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    configs = [
        each["data"]["affiant.toml"]
        for each in yaml.safe_load_all(render(CHART, [tmp_path / "values.yaml"]))
        if each and each["kind"] == "ConfigMap" and "affiant.toml" in each["data"]
    ]
    logs = [tomllib.loads(each)["log"] for each in configs]
    assert {each["sasl_username"] for each in logs} == {
        "affiant-gateway", "affiant-notary", "affiant-monitor", "affiant-controller",
    }  # fmt: skip
    assert {each["security_protocol"] for each in logs} == {"SASL_SSL"}
    assert {each["sasl_mechanism"] for each in logs} == {"SCRAM-SHA-512"}


@pytest.mark.parametrize("named", [(), ("follow",), ("operator", "auditor")])
def test_who_is_not_named_has_no_rights_and_no_password_is_wanted_of_who_runs_elsewhere(
    call: Mapping[str, Any], named: tuple[str, ...]
) -> None:
    """Jobs, people, pipelines and auditors are for who wants them; left out, or null, they are nobody."""
    principals = {user: f"User:{user}" for user in (*OF_PODS, *named)}
    for absent in ({}, dict.fromkeys({"follow", "operator", "auditor"} - set(named))):
        found = evaluate({**call, "kafka_users": principals | absent})
        assert (found.refused, found.wrong) == ((), ())
        assert {each["user"] for each in found.locals["acls"].values()} == set(principals)
        of_the_chart = found.locals["chart_values"]["kafka"]["users"]
        assert set(of_the_chart) == {*OF_PODS, *named} - {"operator"}
    twice = evaluate({**call, "kafka_users": {**principals, "auditor": "User:gateway"}})
    assert twice.refused == ("kafka_users: one each, or one of them could do what another may.",)


def test_roles_of_people_are_there_for_whom_somebody_named(call: Mapping[str, Any]) -> None:
    """Nobody is an auditor or an eraser by default; what one of them may is not the other's."""
    for named in ({}, {"auditor": ["arn:aws:iam::111122223333:user/eve"]}, call["role_principals"]):
        found = evaluate({**call, "audit": False, "role_principals": {"auditor": [], "eraser": [], **named}})
        assert (found.refused, found.wrong) == ((), ())
        assert set(found.locals["objects"]) == {*OF_PODS, *named}
        assert found.locals["people"] == named
    of_all = {"eraser": ["arn:aws:iam::111122223333:role/*"]}
    assert evaluate({**call, "role_principals": of_all}).refused


@pytest.mark.parametrize("audit", [True, False])
def test_the_daily_proof_reads_the_buckets_by_a_role_of_its_own(
    call: Mapping[str, Any], tmp_path: Path, *, audit: bool
) -> None:
    """Its account may take it; without the job there is neither, where no person audits."""
    found = evaluate({**call, "audit": audit, "role_principals": {"auditor": [], "eraser": []}})
    assert (found.refused, found.wrong) == ((), ())
    assert set(found.locals["objects"]) == set(found.locals["service_accounts"])
    assert ("auditor" in found.locals["service_accounts"]) == audit
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(found.locals["chart_values"]))
    made = [each for each in yaml.safe_load_all(render(CHART, [tmp_path / "values.yaml"])) if each]
    (*accounts,) = [
        each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for each in made
        if each["kind"] == "ServiceAccount" and each["metadata"]["name"] == "affiant-auditor"
    ]
    assert accounts == ["aws_iam_role/auditor/arn"] * audit
    assert [each["metadata"]["name"] for each in made if each["kind"] == "CronJob"] == [
        "affiant-auditor"
    ] * audit


def test_nobody_audits_without_an_image_and_a_user(call: Mapping[str, Any], tmp_path: Path) -> None:
    """The chart refuses the one, and a precondition the other, before anything is changed."""
    images = {name: each for name, each in call["images"].items() if name != "auditor"}
    for absent in ({}, {"auditor": None}):
        values = evaluate({**call, "images": images | absent}).locals["chart_values"]
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
        with pytest.raises(Refused, match=r"images\.auditor\.digest is not set"):
            render(CHART, [tmp_path / "values.yaml"])
    (lifecycle,) = Module.read().resources["helm_release.affiant"]["lifecycle"]
    (precondition,) = lifecycle["precondition"]
    assert "!var.audit || contains(" in precondition["condition"]
    assert precondition["error_message"].startswith("audit: ")


def test_a_key_of_ours_or_of_somebody_else_encrypts(call: Mapping[str, Any]) -> None:
    """One is made where none is named, rotates, and is not destroyed by a plan; a role may use it and no other."""
    yours = "arn:aws:kms:eu-central-1:111122223333:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    assert evaluate(call).locals["kms_key_arn"] == "aws_kms_key/buckets/arn"
    found = evaluate({**call, "kms_key_arn": yours})
    assert (found.locals["kms_key_arn"], found.refused, found.wrong) == (yours, (), ())
    module = Module.read()
    made = module.resources["aws_kms_key.this"]
    assert made["enable_key_rotation"] is True
    assert made["lifecycle"] == [{"prevent_destroy": True}]
    assert "policy" not in made  # AWS' own: the account's policies say, and the roles' are below
    assert module.text.count("local.kms_key_arn") == 3  # buckets, roles, output


def test_what_people_need_for_the_first_deployment_comes_without_the_release(call: Mapping[str, Any]) -> None:
    """The release waits for gateways that are ready, and none is before something is deployed: it alone is left out."""
    module = Module.read()
    release = module.resources["helm_release.affiant"]
    assert (release["count"], release["wait"]) == ("${var.release ? 1 : 0}", True)
    assert module.variables["release"]["default"] is True
    assert [name for name, body in module.resources.items() if "var.release " in str(body)] == [
        "helm_release.affiant"
    ]
    for chosen in (True, False):
        found = evaluate({**call, "release": chosen})
        assert (found.refused, found.wrong) == ((), ())


def test_no_way_that_the_example_uses_is_closed(rendered: tuple[Any, ...], call: Mapping[str, Any]) -> None:
    """A pod that cannot reach its packages or its roles is never ready, and the release would wait in vain."""
    values = yaml.safe_load(call["values"][0])
    assert {"kafka", "objectStore", "models", "identity"} <= set(used(rendered))
    assert closed(rendered, values) == set()
    del values["networkPolicy"]["identity"]
    assert closed(rendered, values) == {"identity"}


def test_payload_keys_are_the_gateway_s_and_not_the_notary_s(rendered: tuple[Any, ...]) -> None:
    """Of the Secret that the example names."""
    have = {
        each["metadata"]["name"]
        for each in rendered
        if each["kind"] in ("Deployment", "StatefulSet") and "affiant-payload-keys" in json.dumps(each)
    }
    assert have == {"affiant-gateway", "affiant-monitor", "affiant-controller"}
