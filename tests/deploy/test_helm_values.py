from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.approvals import affiant
from tests.components.kubernetes import Refused, render
from tests.deploy.helm_chart import CHART, MATRIX, ROOT

# Values of one list are wrong for themselves, and are told together.
REFUSED: list[tuple[str, str, dict[str, str]]] = [
    (
        "loss", "minimal",
        {"gateway.persistence.enabled=false": "an emptyDir dies with its pod", "notary.enabled=false": "fill for ever"},
    ),
    ("room", "minimal", {"gateway.persistence.size=4Gi": "gateway.persistence.size 4Gi is too small"}),
    ("workers", "minimal", {"settings.gateway.workers=4": "4 worker(s) may take 17179869184 bytes"}),
    (
        "missing", "minimal",
        {
            "kafka.bootstrap=": "kafka.bootstrap is not set",
            "gateway.apiKeys.secretName=": "gateway.apiKeys.secretName is not set",
            "objectStore.payloads=": "objectStore.payloads is not set",
            "objectStore.sealed=": "objectStore.sealed is not set",
            "models.reference=": "models.reference is not set",
            "notary.name=": "notary.name is not set",
            "notary.publicKey=": "notary.publicKey is not set",
            "notary.keySecret.secretName=": "notary.keySecret.secretName is not set",
            "controller.enabled=true": "that needs governance.root",
            "governance.checkpoint=true": "governance.checkpoint is true: that needs",
        },
    ),
    (
        "controller", "drain",
        {
            "controller.keySecret.secretName=": "controller.keySecret.secretName is not set",
            "controller.tokenSecret.secretName=": "controller.tokenSecret.secretName is not set",
            "monitor.enabled=false": "that needs monitor.enabled",
            "governance.root=x": "name the same thing",
        },
    ),
    (
        "nobody to tell", "drain",
        {"controller.enabled=false": "alertmanagerConfig.enabled is true: that needs controller.enabled"},
    ),
    (
        "cluster", "bank",
        {
            "certManager.issuer.name=": "certManager.issuer.name is not set",
            "prometheus.address=": "monitor.autoscaling.kind is keda: that needs prometheus.address",
            "strimzi.cluster=": "strimzi.cluster is not set",
            "gateway.autoscaling.maxReplicas=2": "gateway.autoscaling.maxReplicas is less than minReplicas",
            "kafka.securityProtocol=PLAINTEXT": "users are told apart by certificates",
            "strimzi.namespace=kafka": "kafka.users.controller.secretName is not set: Strimzi makes",
        },
    ),
    (
        "own TLS in a mesh", "bank",
        {
            "gateway.tls.secretName=x": "gateway.tls.secretName is set, and istio.mtlsMode is STRICT",
            "istio.virtualService.enabled=true": "istio.virtualService.enabled with gateway.tls.secretName",
            "istio.metricsCertificates=": "prometheus.serviceMonitors.enabled, and istio.mtlsMode is STRICT",
            "controller.tls.caKey=": "controller.tls.clientCertificates is true, and controller.tls.caKey is empty",
        },
    ),
    (
        "two keys", "tls",
        {"notary.keySecret.secretName=x": "notary.keySecret.secretName and settings.notary.signer_command both say"},
    ),
    (
        "clients' certificates", "minimal",
        {"gateway.tls.clientCertificates=true": "the gateway speaks no TLS: set gateway.tls.secretName"},
    ),
    (
        "retention", "tls",
        {
            "kafka.archived=false": "kafka.retentionMs is set, and kafka.archived is false",
            "kafka.retentionMs=3600000": "kafka.retentionMs 3600000 is less than a day",
            "notary.enabled=false": "kafka.retentionMs is set, and notary.enabled is false",
            "gateway.tls.caKey=": "gateway.tls.clientCertificates is true, and gateway.tls.caKey is empty",
            "caBundle.secretName=x": "caBundle.configMapName and caBundle.secretName name the same thing",
        },
    ),
    (
        "a path for a file", "small",
        {"prometheus.rules.file=alerts/affiant-rules.yml": "prometheus.rules.file holds no rules"},
    ),
    (
        "no such group", "small",
        {"prometheus.rules.excludedGroups[0]=affiant-completness": "no group is called affiant-completness"},
    ),
    (
        "rules that act on nothing", "drain",
        {"prometheus.rules.enabled=true": "no rule has the label affiant_action"},
    ),
    (
        "twice", "bank",
        {
            "kafka.partitions=1": "monitor.autoscaling.minReplicas 2 is more than kafka.partitions 1",
            "gateway.extraKeys[0].path=keys.json,gateway.extraKeys[0].secretName=x,gateway.extraKeys[0].key=y":
                "gateway.extraKeys: keys.json is there already",
            "monitor.podLabels.cost-centre=x": "monitor.podLabels and commonLabels both have cost-centre",
            "commonLabels.app\\.kubernetes\\.io/component=x": "commonLabels has app.kubernetes.io/component, which",
            "gateway.podLabels.app\\.kubernetes\\.io/instance=x": "gateway.podLabels has app.kubernetes.io/instance",
            "controller.podLabels.sidecar\\.istio\\.io/inject=x": "controller.podLabels has sidecar.istio.io/inject",
            "notary.podAnnotations.affiant\\.dev/settings=x": "notary.podAnnotations has affiant.dev/settings",
            "grafana.dashboards.labels.helm\\.sh/chart=x": "grafana.dashboards.labels has helm.sh/chart",
            "prometheus.rules.labels.cost-centre=x": "prometheus.rules.labels and commonLabels both have cost-centre",
        },
    ),
    (
        "nothing to follow", "bank",
        {"follow.cards=false,follow.mlflow.trackingUri=": "follow.enabled is true, and nothing is to follow"},
    ),
    (
        "two servers", "gpu",
        {"follow.enabled=true,follow.mlflow.trackingUri=https://other.example": "tags go to the server that has"},
    ),
    ("nothing is sealed", "minimal", {"auditor.enabled=true,notary.enabled=false": "that needs notary.enabled: "}),
    ("nobody signs", "minimal", {"follow.enabled=true": "follow.enabled is true: that needs governance.root"}),
    ("digest", "bank", {"images.notary.digest=": "images.notary.digest is not set, and images.requireDigest is true"}),
    (
        "elsewhere", "gpu",
        {
            "models.trackingUri=": "models.trackingUri is not set",
            "kafka.users.monitor.username=": "kafka.users.monitor: securityProtocol SASL_SSL needs",
        },
    ),
    (
        "schema", "gpu",
        {
            "gateway.replica=2": "'replica' not allowed",
            "settings.gateway.host=1.2.3.4": "'host' not allowed",
            "settings.journal.max_byte=1": "'max_byte' not allowed",
            "settings.journl.max_bytes=1": "'journl'",
            "settings.alerts.unshipped_seconds_page=5000": "'alerts'",
            "settings.monitor.people_webhook_file=x": "'people_webhook_file'",
            "settings.monitor.people_webhook_shape=slack": "'people_webhook_shape'",
            "settings.monitor.watched[0]=gateway": "'watched'",
            "settings.journal.release=memory": "/settings/journal/release",
            "settings.gateway.max_queue=0": "/settings/gateway/max_queue",
            "images.gateway.tag=latest": "/images/gateway/tag",
            "images.notary.digest=sha256:12": "/images/notary/digest",
            "gateway.replicas=two": "got string, want integer",
            "notary.resources.limits.memory=null": "missing property 'memory'",
            "security.runAsUser=0": "/security/runAsUser",
            "objectStore.sealed=/var/sealed": "/objectStore/sealed",
            "models.backend=layout": "/models/backend",
            "gateway.persistence.accessMode=ReadWriteMany": "/gateway/persistence/accessMode",
            "gateway.extraKeys[0].secretName=x": "missing properties 'key', 'path'",
            "networkPolicy.extraEgress.notary[0].ports[0].port=1": "missing property 'to'",
            "networkPolicy.istiod.to=null": "at '/networkPolicy/istiod': missing property 'to'",
            "istio.metricsCertificates=certs": "/istio/metricsCertificates",
            "kafka.retentionMs=-2": "/kafka/retentionMs",
            "plan[0].digest=credit:latest": "/plan/0/digest",
            "plan[1].weight=-1": "/plan/1/weight",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_cannot_be_is_refused_and_said(name: str, wrong: dict[str, str]) -> None:
    """Which value, why, and what to set."""
    given = [part for each in wrong for part in ("--set", each)]
    with pytest.raises(Refused) as refused:
        render(CHART, [MATRIX[name]], *given)
    assert [said for said in wrong.values() if said not in refused.value.said] == []


def test_a_rules_file_is_of_rules_and_of_this_release(tmp_path: Path) -> None:
    """Anything else would leave nobody told, or tell of other releases, in silence."""
    file = tmp_path / "rules.yml"
    policy = str(ROOT / "examples" / "credit" / "policy.yaml")
    given = ("--set-file", f"prometheus.rules.file={file}")
    rule = {"alert": "Mine", "expr": "vector(1)"}
    for content, said in (
        ({"route": {"receiver": "people"}, "receivers": []}, "prometheus.rules.file holds no rules"),
        ({"groups": []}, "prometheus.rules.file holds no rules"),
        ({"groups": [1]}, "prometheus.rules.file holds no rules"),
        ({"groups": [{"name": "a", "rules": 1}]}, "prometheus.rules.file holds no rules"),
        ({"groups": [{"name": "a", "rules": [{"alert": "A"}]}]}, "prometheus.rules.file holds no rules"),
        (
            {"groups": [{"name": "a", "rules": [rule, {"alert": "Up", "expr": 'up{job="affiant-notary"} == 0'}]}]},
            "Up would read every installation that Prometheus sees, or another one: it does not ask for {affiant_ins",
        ),
    ):  # fmt: skip
        file.write_text(yaml.safe_dump(content))
        with pytest.raises(Refused) as refused:
            render(CHART, [MATRIX["small"]], *given)
        assert said in refused.value.said
    for words in ((), ("--match", "affiant_installation=bank/other")):
        file.write_text(affiant("alerts", "render", "--policy", policy, *words).out)
        with pytest.raises(Refused, match="AffiantScoreDrift would read"):
            render(CHART, [MATRIX["small"]], *given)
    file.write_text(affiant("alerts", "render", "--policy", policy, "--chart").out)
    rendered = render(CHART, [MATRIX["small"]], *given)
    assert "AffiantScoreDrift" in rendered
    assert "@installation@" not in rendered


def test_all_that_is_missing_is_said_at_once() -> None:
    """Nobody has to try six times."""
    with pytest.raises(Refused) as refused:
        render(CHART)
    for each in (
        "kafka.bootstrap",
        "gateway.apiKeys",
        "objectStore.payloads",
        "models.reference",
        "notary.name",
    ):
        assert f"- {each}" in refused.value.said


def test_loss_is_accepted_only_by_word() -> None:
    """Both values together render an emptyDir, and the notes say so."""
    given = "gateway.persistence.enabled=false,gateway.persistence.acceptLoss=true"
    rendered = render(CHART, [MATRIX["minimal"]], "--set", given)
    assert "volumeClaimTemplates" not in rendered
    assert "emptyDir:\n            sizeLimit: 10Gi" in rendered


def test_every_value_is_in_the_schema_and_has_a_default_and_a_word() -> None:
    """values.yaml and values.schema.json have the same names; nothing unknown is let through."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    free = {where for where, part in _parts(schema) if "properties" not in part}
    named = {where for where, part in _parts(schema) if "properties" in part}
    given = set(_leaves(values, named))
    settings = {each for each in free if each.startswith("settings.")}
    assert given - settings - named == free - settings - {"global"}
    assert [
        where
        for where, part in _parts(schema)
        if "properties" in part and part.get("additionalProperties") is not False
    ] == []
    assert [each for each, part in _parts(schema) if each in free and "description" not in part] == []


def _leaves(values: Any, named: set[str], where: str = "values") -> Iterator[str]:
    """Where values stand whose names the schema does not know one by one."""
    if where not in named or not values:
        yield where
        return
    for name, value in values.items():
        yield from _leaves(value, named, f"{where}.{name}".removeprefix("values."))


def _parts(schema: dict[str, Any], where: str = "values") -> Iterator[tuple[str, dict[str, Any]]]:
    yield where, schema
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, f"{where}.{name}".removeprefix("values."))


def test_what_is_made_of_other_things_is_in_step() -> None:
    """Schema, README, rules, dashboards and golden renders: `scripts/chart` makes them anew."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "chart"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
