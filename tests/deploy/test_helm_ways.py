"""Where components may go: each way that the settings use has a value, and each value opens it to who needs it."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.kubernetes import render
from tests.deploy.helm_chart import CHART, COMPONENTS, MATRIX, ROOT, Manifest, manifests, settings

WHO = {
    "kafka": {"gateway", "notary", "monitor", "controller", "follow", "auditor", "drain", "test"},
    "objectStore": {"gateway", "notary", "monitor", "controller", "auditor", "drain"},
    "identity": {"gateway", "notary", "monitor", "controller", "auditor", "drain"},
    "models": {"gateway", "monitor", "controller", "follow"},
    "mlflow": {"follow"},
    "telemetry": {"gateway"},
    "keys": {"gateway", "notary", "monitor", "controller"},
    "fluentd": {"gateway", "drain"},
    "witnesses": {"notary"},
    "webhooks": {"controller"},
}
"""Who goes which way; the gateway's pod has the sidecar in it."""


def egress(found: tuple[Manifest, ...]) -> dict[str, set[int]]:
    """Component → ports that its own policy lets it go to."""
    return {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: {
            port["port"] for rule in each["spec"]["egress"] for port in rule["ports"]
        }
        for each in found
        if each["kind"] == "NetworkPolicy"
        and "app.kubernetes.io/component" in each["spec"]["podSelector"]["matchLabels"]
    }


def used(found: tuple[Manifest, ...]) -> Iterator[str]:
    """The ways that rendered settings and accounts use."""
    for each in found:
        if each["kind"] == "ServiceAccount" and "eks.amazonaws.com/role-arn" in each["metadata"].get(
            "annotations", {}
        ):
            yield "identity"
        if each["kind"] == "CronJob":
            (container,) = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            if "MLFLOW_TRACKING_URI" in {one["name"] for one in container["env"]}:
                yield "mlflow"
        if each["kind"] != "ConfigMap" or "affiant.toml" not in each["data"]:
            continue
        tables: Mapping[str, Any] = tomllib.loads(each["data"]["affiant.toml"])
        keys = {
            "kafka": ("log", "bootstrap"), "objectStore": ("sidecar", "object_store"), "models": ("store", "backend"),
            "telemetry": ("telemetry", "otlp_endpoint"), "fluentd": ("fluentd", "address"),
            "witnesses": ("notary", "witnesses"), "keys": ("encryption", "keys_command"),
            "webhooks": ("controller", "retrain_webhook"),
        }  # fmt: skip
        yield from (way for way, (table, key) in keys.items() if tables.get(table, {}).get(key))
        if tables.get("notary", {}).get("signer_command"):
            yield "keys"


def closed(found: tuple[Manifest, ...], values: Mapping[str, Any]) -> set[str]:
    """Ways that are used and that nobody opened."""
    policy = values.get("networkPolicy", {})
    return {way for way in used(found) if not policy.get(way, {}).get("to")}


@pytest.mark.parametrize("name", ["bank", "tls"])
def test_no_way_that_settings_use_is_closed(name: str) -> None:
    """In the examples that say them all."""
    values = yaml.safe_load(MATRIX[name].read_text())
    assert closed(manifests(name), values) == set()
    assert len(set(used(manifests(name)))) >= 6
    assert closed(manifests(name), {}) == set(used(manifests(name)))  # which is what holds this to something


@pytest.mark.parametrize("name", MATRIX)
def test_the_notes_tell_which_way_is_closed(name: str, tmp_path: Path) -> None:
    """Each that is used and that nobody opened."""
    values = yaml.safe_load(MATRIX[name].read_text())
    said = notes(tmp_path, name)
    on = values.get("networkPolicy", {}).get("enabled", True)
    assert set(said["ways"]) == (closed(manifests(name), values) if on else set())
    for way in WHO:
        assert (f"networkPolicy.{way}.to is empty" in said["notes"]) == (way in said["ways"])


def test_the_notes_tell_that_no_alert_is_for_the_controller(tmp_path: Path) -> None:
    """Where the rules are those that no policy speaks of, and somebody else's Alertmanager is to bring alerts."""
    others = (
        "--set",
        "prometheus.alertmanagerConfig.enabled=false",
        "--set",
        "prometheus.rules.enabled=true",
    )
    assert "NO ALERT is for the controller" in notes(tmp_path / "without", "drain", *others)["notes"]
    assert "NO ALERT is for the controller" not in notes(tmp_path / "with", "bank")["notes"]


@pytest.mark.parametrize(("given", "said"), [((), True), (("--is-upgrade",), False)])
def test_the_notes_of_an_install_tell_of_the_first_deployment(
    tmp_path: Path, given: tuple[str, ...], *, said: bool
) -> None:
    """Where somebody governs: nothing may answer yet, and who waits for that waits in vain."""
    told = notes(tmp_path / "governed", "bank", *given)["notes"]
    assert ("until something is deployed" in told) == said
    assert "until something is deployed" not in notes(tmp_path / "free", "minimal", *given)["notes"]


@pytest.mark.parametrize(
    ("said", "where", "elsewhere"),
    [
        ("LOSS IS ACCEPTED (gateway.persistence.acceptLoss): records that are not shipped die", "small", "minimal"),
        ("NOBODY reaches the gateway yet: networkPolicy.clients is empty", "minimal", "bank"),
        ("Nobody governs: governance.root is not set", "minimal", "tls"),
        ("Nobody is told of anything: prometheus.rules.enabled is false", "minimal", "small"),
        ("must be there before: `affiant topics create`", "minimal", "bank"),
        ("Ask it         https://scoring-gateway.bank.svc:80/v2/health/ready", "gpu", "minimal"),
        ("Ask it         http://affiant-gateway.bank.svc:80/v2/health/ready", "minimal", "gpu"),
    ],
)  # fmt: skip
def test_the_notes_tell_what_was_chosen(tmp_path: Path, said: str, where: str, elsewhere: str) -> None:
    """Where it is so, and nowhere else: who gives up records, or has nobody who looks, is told each time."""
    assert said in notes(tmp_path / "where", where)["notes"]
    assert said not in notes(tmp_path / "elsewhere", elsewhere)["notes"]


def test_the_notes_tell_whose_key_is_not_followed(tmp_path: Path) -> None:
    """Notary and controller sign with the key that they have read when they started; a notary whose key is in a key
    service has none.
    """
    for name, wanted in (("bank", {"notary", "controller"}), ("tls", {"controller"})):
        said = notes(tmp_path / name, name)["notes"]
        found = {each for each in ("notary", "controller") if f"restart deployment/affiant-{each} " in said}
        assert found == wanted, name


def notes(folder: Path, name: str, *given: str) -> dict[str, Any]:
    """What `helm install` prints after: Helm shows it to nobody without a cluster, so a manifest has it here."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text()
    assert 'range $way, $what := include "affiant.closed" . | fromYaml' in text
    told = f'{{{{- define "told.notes" -}}}}\n{text}\n{{{{- end -}}}}\n'
    told += 'ways: {{ include "affiant.closed" . | fromYaml | keys | toJson }}\n'
    told += 'notes: {{ include "told.notes" . | toJson }}\n'
    (chart / "templates" / "told.yaml").write_text(told)
    said: dict[str, Any] = yaml.safe_load(
        render(chart, [MATRIX[name]], "--show-only", "templates/told.yaml", *given)
    )
    return said


def test_each_way_is_opened_to_who_goes_it_and_to_nobody_else() -> None:
    """Each with a port of its own, that only it can have opened."""
    ports = {way: 20000 + number for number, way in enumerate(WHO)}
    given = ["--set", "drain.claims={data-affiant-gateway-9}"]
    for way, port in ports.items():
        given += [
            "--set",
            f"networkPolicy.{way}.to[0].ipBlock.cidr=10.0.0.0/8,networkPolicy.{way}.ports={{{port}}}",
        ]
    text = render(CHART, [MATRIX["bank"]], *given)
    found = egress(tuple(each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each))
    assert {way: {who for who, to in found.items() if port in to} for way, port in ports.items()} == WHO


def test_spans_are_of_who_may_bring_them_to_the_collector() -> None:
    """Whoever has its address has the way there; all log in the same form."""
    told = {component: settings("bank", component)["telemetry"] for component in (*COMPONENTS, "follow")}
    assert {component for component, each in told.items() if "otlp_endpoint" in each} == WHO["telemetry"]
    assert {each["logs"] for each in told.values()} == {"json"}


def test_names_are_asked_of_the_ports_that_answer_them(tmp_path: Path) -> None:
    """53; another where the values of docs/kubernetes.md for OpenShift say so, of its pods, and of no other."""

    def asked(*given: str) -> Any:
        found = yaml.load_all(render(CHART, [MATRIX["minimal"]], *given), Loader=yaml.CSafeLoader)
        (policy,) = [each for each in found if each and each["metadata"]["name"] == "affiant-dns"]
        (rule,) = policy["spec"]["egress"]
        (peer,) = rule["to"]
        namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        return namespace, peer["podSelector"]["matchLabels"], rule["ports"]

    def both(port: int) -> list[dict[str, Any]]:
        return [{"port": port, "protocol": protocol} for protocol in ("UDP", "TCP")]

    assert asked() == ("kube-system", {"k8s-app": "kube-dns"}, both(53))
    documented = (
        (ROOT / "docs" / "kubernetes.md").read_text().partition("<!-- values: openshift -->\n```yaml\n")[2]
    )
    (tmp_path / "openshift.yaml").write_text(documented.partition("```")[0])
    answers = {"dns.operator.openshift.io/daemonset-dns": "default"}
    there = asked("--values", str(tmp_path / "openshift.yaml"))
    assert there == ("openshift-dns", answers, both(5353))  # a list of values takes the whole list's place


def test_what_has_no_name_is_opened_to_one_component() -> None:
    """networkPolicy.extraEgress, for each; whole rules, and none without peers and ports."""
    given: list[str] = ["--set", "drain.claims={data-affiant-gateway-9}"]
    for number, who in enumerate((*COMPONENTS, "follow", "auditor", "drain")):
        at = f"networkPolicy.extraEgress.{who}[0]"
        given += ["--set", f"{at}.to[0].ipBlock.cidr=10.9.0.0/16,{at}.ports[0].port={30000 + number}"]
        given += ["--set", f"{at}.ports[0].protocol=TCP"]
    text = render(CHART, [MATRIX["bank"]], *given)
    found = egress(tuple(each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each))
    for number, who in enumerate((*COMPONENTS, "follow", "auditor", "drain")):
        assert {other for other, to in found.items() if 30000 + number in to} == {who}
