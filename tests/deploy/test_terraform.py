"""The Terraform module, read as data: everything is declared and used, and what it sets is what the others want."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from audit.log import kafka_check
from audit.settings import NotarySettings
from monitoring import state_topic
from tests.components.kubernetes import Refused, render
from tests.components.terraform import MODULE, README, Evaluated, Module, evaluate, example, readme

CHART = MODULE.parent / "helm" / "affiant"
BLOCKS = r"(?:aws|kafka|helm)_\w+"


@pytest.fixture(scope="module")
def module() -> Module:
    return Module.read()


@pytest.fixture(scope="module")
def call() -> dict[str, Any]:
    """What the example gives."""
    return example()


@pytest.fixture(scope="module")
def evaluated(call: Mapping[str, Any]) -> Evaluated:
    return evaluate(call)


@pytest.fixture(scope="module")
def rendered(
    evaluated: Evaluated, call: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[Any]:
    """The manifests that the example's call gives."""
    files = []
    for number, text in enumerate([yaml.safe_dump(evaluated.locals["chart_values"]), *call["values"]]):
        files.append(tmp_path_factory.mktemp("values") / f"{number}.yaml")
        files[-1].write_text(text)
    return [each for each in yaml.safe_load_all(render(CHART, files)) if each]


def without_variables(text: str) -> str:
    """A module's text without its variables' blocks, whose validations name themselves."""
    return re.sub(r'^variable ".*?^}$', "", text, flags=re.MULTILINE | re.DOTALL)


def test_each_variable_is_described_typed_and_used(module: Module) -> None:
    """And every variable and local that is used is there."""
    used = set(re.findall(r"\bvar\.(\w+)", without_variables(module.text)))
    assert used == set(module.variables)
    for name, body in module.variables.items():
        assert body["description"].endswith("."), name
        assert body["type"], name
        assert "sensitive" not in body, name  # nothing secret is given: Secrets are named
    assert set(re.findall(r"\blocal\.(\w+)", module.text)) == set(module.locals)


def test_each_thing_that_is_referred_to_is_there(module: Module) -> None:
    """Resources and data, by type and name; every output says what it is."""
    text = re.sub(r'^(resource|data) "(\w+)" "(\w+)"', "", module.text, flags=re.MULTILINE)
    data = set(re.findall(rf"\bdata\.({BLOCKS}\.\w+)", text))
    assert data == set(module.data)
    rest = re.sub(rf"\bdata\.{BLOCKS}\.\w+", "", text)
    assert set(re.findall(rf"(?<![.\w])({BLOCKS}\.\w+)", rest)) <= set(module.resources)
    assert all(body["description"] for body in module.outputs.values())


def test_what_must_be_given_is_validated_and_says_what_it_wants(module: Module) -> None:
    """A message begins with the variable's name."""
    for name, body in module.variables.items():
        assert "default" in body or body.get("validation"), name
        for rule in body.get("validation", ()):
            assert re.match(rf"{name}(\.\w+)?: ", rule["error_message"]), rule


def test_the_example_gives_what_is_wanted(
    module: Module, call: Mapping[str, Any], evaluated: Evaluated
) -> None:
    """Nothing unknown, nothing missing; every validation holds, and every expression can be evaluated."""
    assert set(call) <= set(module.variables)
    assert {name for name, body in module.variables.items() if "default" not in body} <= set(call)
    assert evaluated.refused == ()
    assert evaluated.wrong == ()


def test_each_validation_refuses_what_is_wrong(module: Module, call: Mapping[str, Any]) -> None:
    """One wrong value for each; all that are wrong are told."""
    wrong: dict[str, Any] = {
        "name": "Affiant",
        "namespace": "a_b",
        "images": {**call["images"], "notary": "0.1.0"},
        "gateways": 1.5,
        "journal_volume": {"size": "10G", "storage_class": ""},
        "api_keys_secret": "",
        "models_reference": "https://registry.example.com/models",
        "root": "{",
        "notary": {**call["notary"], "public_key": call["notary"]["public_key"] + "\n"},
        "controller": {"enabled": True, "key_secret": "", "token_secret": "t"},
        "kafka_bootstrap": "kafka",
        "kafka_partitions": 0,
        "kafka_replication": 2,
        "kafka_users": dict.fromkeys(("gateway", "notary", "monitor", "controller"), "User:one"),
        "buckets": {"sealed": "a", "archive": "a", "payloads": "b"},
        "region": "Frankfurt",
        "retention_days": 0,
        "lock_mode": "NONE",
        "kms_key_arn": "alias/affiant",
        "kafka_retention_ms": 3600000,
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": "GSSAPI",
        "role_principals": {"auditor": ["arn:aws:iam::111122223333:root"], "eraser": []},
        "oidc_provider": {**call["oidc_provider"], "url": "https://oidc.example.com"},
    }
    assert set(wrong) == {name for name, body in module.variables.items() if body.get("validation")}
    found = evaluate({**call, **wrong})
    assert {re.split(r"[.:]", each)[0] for each in found.refused} == set(wrong)


def test_chart_values_are_the_chart_s(evaluated: Evaluated) -> None:
    """By its schema, which refuses what it does not know."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = json.loads(json.dumps(evaluated.locals["chart_values"]))
    jsonschema.validate(values, schema)
    values["gateway"]["replica"] = 3
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(values, schema)


def test_the_chart_renders_with_them(rendered: list[Any]) -> None:
    """With the gateways, the controller, and the rules that the example asks for."""
    kinds = {(each["kind"], each["metadata"]["name"]) for each in rendered}
    assert {("StatefulSet", "affiant-gateway"), ("Deployment", "affiant-controller")} <= kinds
    assert {kind for kind, _ in kinds} >= {"ServiceMonitor", "PrometheusRule", "NetworkPolicy"}


def test_what_is_left_out_is_refused_by_the_chart(call: Mapping[str, Any], tmp_path: Path) -> None:
    """Which is what holds this test to something: without API keys nothing is rendered."""
    values = evaluate({**call, "api_keys_secret": ""}).locals["chart_values"]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(Refused, match="apiKeys"):
        render(CHART, [tmp_path / "values.yaml"])


def test_topics_have_the_settings_that_keep_the_promise(module: Module) -> None:
    """Those that `affiant topics create` gives, and in which `affiant topics check` finds nothing."""
    log, panes = (plain(module.locals[name]) for name in ("log_settings", "panes_settings"))
    assert (log, panes) == (kafka_check.wanted(3), state_topic.wanted(3))
    assert kafka_check.judge(log, replicas=3, brokers=3, archived=False) == []
    assert state_topic.judge(panes, replicas=3, brokers=3) == []
    for name, settings in (("entries", "record"), ("governance", "log"), ("panes", "panes")):
        topic = module.resources[f"kafka_topic.{name}"]
        assert topic["config"] == f"${{local.{settings}_settings}}"
        assert topic["lifecycle"] == [{"prevent_destroy": True}]
    assert module.resources["kafka_topic.governance"]["partitions"] == 1
    assert ">= 3" in module.variables["kafka_replication"]["validation"][0]["condition"]


def plain(settings: Mapping[str, str]) -> dict[str, str]:
    """Keys without the quotes that they are written in."""
    return {name.strip('"'): value for name, value in settings.items()}


def test_rights_are_those_of_the_chart_s_own_users(module: Module, call: Mapping[str, Any]) -> None:
    """Where Strimzi makes users of the chart, they may do the same: nobody creates, alters or deletes."""
    evaluated = evaluate({**call, "kafka_users": {**call["kafka_users"], "follow": "User:CN=affiant-follow"}})
    ours: dict[str, dict[str, set[str]]] = {}
    for acl in evaluated.locals["acls"].values():
        topics = ours.setdefault(f"affiant-{acl['user']}", {})
        topics.setdefault(evaluated.locals["topics"][acl["topic"]], set()).add(acl["operation"])
    theirs = {}
    for each in yaml.safe_load_all(render(CHART, [CHART / "ci" / "bank-values.yaml"])):
        if each and each["kind"] == "KafkaUser":
            topics = [
                acl for acl in each["spec"]["authorization"]["acls"] if acl["resource"]["type"] == "topic"
            ]
            theirs[each["metadata"]["name"]] = {
                acl["resource"]["name"]: set(acl["operations"]) for acl in topics
            }
    assert ours == theirs
    assert module.resources["kafka_acl.topic"]["acl_permission_type"] == "Allow"
    assert not re.search(r'"(All|Create|Alter|AlterConfigs|Delete|ClusterAction)"', module.text)


def test_what_is_sealed_is_locked_and_payloads_are_not(module: Module) -> None:
    """docs/archive.md: a default rule of the bucket's, on trees and entries alone; the notary is told."""
    assert module.resources["aws_s3_bucket.this"]["object_lock_enabled"] == '${each.key == "sealed"}'
    lock = module.resources["aws_s3_bucket_object_lock_configuration.sealed"]
    assert lock["bucket"] == '${aws_s3_bucket.this["sealed"].id}'
    (rule,) = lock["rule"]
    assert rule["default_retention"] == [{"mode": "${var.lock_mode}", "days": "${var.retention_days}"}]
    assert module.variables["lock_mode"]["default"] == "COMPLIANCE"
    (expiry,) = module.resources["aws_s3_bucket_lifecycle_configuration.sealed"]["rule"]
    assert set(expiry) == {
        "id", "status", "filter", "noncurrent_version_expiration", "abort_incomplete_multipart_upload",
    }  # fmt: skip
    assert expiry["noncurrent_version_expiration"] == [{"noncurrent_days": "${var.retention_days}"}]


def test_nobody_may_shorten_and_who_erases_deletes_no_proof(module: Module, evaluated: Evaluated) -> None:
    """No component has a right that would; what is sealed stays for as long as the rule says, whoever asks."""
    actions = set(re.findall(r'"((?:s3|kms):[\w*]+)"', module.text))
    assert actions == {
        "s3:*", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject",
        "kms:Decrypt", "kms:GenerateDataKey",
    }  # fmt: skip
    (statement,) = module.data["aws_iam_policy_document.tls"]["statement"]
    assert (statement["effect"], statement["actions"]) == ("Deny", ["s3:*"])  # of who speaks without TLS
    rights = evaluated.locals["objects"]
    assert {role: (each["write"], each["delete"]) for role, each in rights.items()} == {
        "gateway": (["payloads"], []),
        "notary": (["sealed", "archive"], []),
        "monitor": ([], []),
        "controller": ([], []),
        "auditor": ([], []),
        "eraser": (["archive"], ["archive", "payloads"]),
    }
    assert {role for role, each in rights.items() if len(each["read"]) == 3} == {"auditor", "eraser"}
    (delete,) = [
        each["statement"]
        for each in module.data["aws_iam_policy_document.objects"]["dynamic"]
        if each["statement"]["content"][0]["sid"] == "Erase"
    ]
    assert "for_each = length(each.value.delete) > 0 ? [each.value.delete] : []" in module.text
    assert delete["content"][0]["actions"] == ["s3:DeleteObject"]


def test_the_notary_s_settings_are_told_of_the_lock(rendered: list[Any]) -> None:
    """Its affiant.toml is one that the notary takes."""
    (config,) = (
        each
        for each in rendered
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "affiant-notary")
    )
    table = tomllib.loads(config["data"]["affiant.toml"])["notary"]
    settings = NotarySettings.model_validate(table)
    assert settings.object_lock
    assert (settings.store, settings.payload_store) == (
        "s3://bank-affiant-sealed/v1?region=eu-central-1",
        "s3://bank-affiant-archive/v1?region=eu-central-1",
    )


def test_roles_are_of_the_chart_s_service_accounts(
    module: Module, evaluated: Evaluated, rendered: list[Any]
) -> None:
    """Their names are in the trust, and their annotations name the roles."""
    pods, people = (each["statement"] for each in module.data["aws_iam_policy_document.trust"]["dynamic"])
    assert "for_each = contains(local.service_accounts, each.key) ? [each.key] : []" in module.text
    (trusted,), (named,) = pods["content"], people["content"]
    assert trusted["condition"][0]["values"] == [
        "system:serviceaccount:${var.namespace}:${var.name}-${statement.value}"
    ]
    assert "for_each = [for role, principals in local.people : principals if role == each.key]" in module.text
    assert named["principals"] == [{"type": "AWS", "identifiers": "${statement.value}"}]
    accounts = {
        each["metadata"]["name"]: each["metadata"].get("annotations", {})
        for each in rendered
        if each["kind"] == "ServiceAccount"
    }
    for component in evaluated.locals["service_accounts"]:
        arn = accounts[f"affiant-{component}"]["eks.amazonaws.com/role-arn"]
        assert arn == f"aws_iam_role/{component}/arn"  # as hclcheck has it: AWS gives the real one


def test_the_readme_is_made_of_the_variables(module: Module) -> None:
    """`python -m tests.components.terraform` writes its tables."""
    assert README.read_text() == readme(module)


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    """A variable that nobody uses, one that nobody declares, a resource that is not there: these tests see each."""
    shutil.copytree(MODULE, tmp_path / "module")
    file = tmp_path / "module" / "outputs.tf"
    file.write_text(file.read_text().replace("local.topics", "var.unknown"))
    changed = Module.read(tmp_path / "module")
    with pytest.raises(AssertionError):
        test_each_variable_is_described_typed_and_used(changed)
    file.write_text('output "x" {\n  description = "x"\n  value = aws_s3_bucket.other\n}\n')
    with pytest.raises(AssertionError):
        test_each_thing_that_is_referred_to_is_there(Module.read(tmp_path / "module"))
