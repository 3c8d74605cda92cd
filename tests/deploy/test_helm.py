from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.kubernetes import KUBERNETES, OLDEST, given_by, helm, kubeconform, render
from tests.deploy.helm_chart import CHART, MATRIX, ROOT, Manifest, Pod, manifests, of_kind, pod, pods, text
from tests.deploy.helm_policy import broken

EVERY = pytest.mark.parametrize("name", MATRIX)


def test_helm_itself_has_nothing_against_the_chart() -> None:
    """Not even a warning, of any of the examples."""
    for name in MATRIX:
        helm("lint", "--strict", "--quiet", "--kube-version", KUBERNETES, *given_by(MATRIX[name]), str(CHART))


@pytest.mark.parametrize("kubernetes", [KUBERNETES, OLDEST])
def test_what_it_renders_is_what_kubernetes_takes(tmp_path: Path, kubernetes: str) -> None:
    """Each manifest has a schema, and nothing that the schema does not name: a new cluster's, and the oldest one's."""
    for name in MATRIX:
        (tmp_path / f"{name}.yaml").write_text(text(name))
    assert kubeconform(tmp_path, kubernetes) == []


def test_what_the_oldest_kubernetes_does_not_know_would_be_found(tmp_path: Path) -> None:
    """A field that is younger than the oldest cluster that the chart is for."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}-0"
    (stateful,) = copy.deepcopy(of_kind("minimal", "StatefulSet"))
    stateful["spec"]["template"]["spec"]["resources"] = {"limits": {"cpu": "1"}}  # a pod's own: 1.32
    (tmp_path / "young.yaml").write_text(yaml.safe_dump(stateful))
    assert kubeconform(tmp_path) == []
    (said,) = kubeconform(tmp_path, OLDEST)
    assert "resources" in said


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("StatefulSet", "podManagementPolicy:", "podManagmentPolicy:"),
        ("ConfigMap", "data:", "date:"),
        ("ScaledObject", "triggers:", "trigger:"),
        ("Certificate", "secretName:", "secret:"),
        ("KafkaUser", '"Write"', '"write"'),
        ("VirtualService", "attempts: 0", "attempts: none"),
        ("NetworkPolicy", "podSelector:", "podSelectors:"),
    ],
)
def test_a_mistake_in_a_manifest_would_be_found(tmp_path: Path, kind: str, old: str, new: str) -> None:
    """A field or a word that there is not, in Kubernetes' own kinds and in others'."""
    parts = [each for each in text("bank").split("---\n") if f"\nkind: {kind}\n" in each and old in each]
    (tmp_path / "wrong.yaml").write_text(parts[0])
    assert kubeconform(tmp_path) == []
    (tmp_path / "wrong.yaml").write_text(parts[0].replace(old, new, 1))
    (said,) = kubeconform(tmp_path)
    assert kind in said


@EVERY
def test_each_pod_keeps_the_rules(name: str) -> None:
    """No root, nothing to be written to, no token, bounds, probes, images that say which they are."""
    found = pods(name)
    assert len(found) >= 2
    assert [each for one in found for each in broken(one)] == []


def _change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        at: Any = spec
        *before, last = path.split(".")
        for part in before:
            at = at[int(part)] if part.isdigit() else at[part]
        if value is None:
            del at[last]
        else:
            at[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("securityContext.runAsNonRoot", None),
        ("securityContext.runAsUser", 0),
        ("securityContext.seccompProfile", None),
        ("securityContext.fsGroupChangePolicy", "Always"),
        ("automountServiceAccountToken", True),
        ("hostNetwork", True),
        ("terminationGracePeriodSeconds", 1),
        ("containers.0.securityContext.privileged", True),
        ("containers.0.securityContext.allowPrivilegeEscalation", True),
        ("containers.0.securityContext.readOnlyRootFilesystem", False),
        ("containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}),
        ("containers.0.resources.limits", {"cpu": 1}),
        ("containers.0.image", "affiant-gateway:latest"),
        ("containers.0.image", "registry:5000/affiant-gateway"),
        ("containers.0.readinessProbe", None),
        ("initContainers.3.livenessProbe", None),
        ("initContainers.0.securityContext.runAsNonRoot", None),
        ("containers.0.env", [{"name": "MLFLOW_TRACKING_PASSWORD", "value": "x"}]),
        ("volumes.0", {"name": "config", "hostPath": {"path": "/"}}),
        ("containers.0.volumeMounts.0.name", "configs"),
        ("containers.0.volumeMounts.1.mountPath", "/etc/affiant/tmp"),
    ],
)
def test_a_pod_that_breaks_a_rule_is_found(path: str, value: Any) -> None:
    """Each rule, broken alone."""
    good = pod("minimal", "gateway")
    spec = copy.deepcopy(dict(good.spec))
    _change(path, value)(spec)
    assert broken(good) == []
    assert len(broken(replace(good, spec=spec))) == 1


@EVERY
def test_nothing_is_there_twice(name: str) -> None:
    """Of two manifests of one kind and name the cluster keeps the second."""
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in manifests(name)
    ]
    assert len(set(names)) == len(names)


@EVERY
def test_no_secret_and_no_right_is_in_it(name: str) -> None:
    """Secrets are referred to alone, and nothing speaks to the cluster."""
    kinds = {each["kind"] for each in manifests(name)}
    assert not kinds & {"Secret", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
    for account in of_kind(name, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@EVERY
def test_what_selects_finds_pods_and_ports(name: str) -> None:
    """Services, budgets, policies, monitors and autoscalers lead to something that is there."""
    found = pods(name)
    for each in of_kind(name, "Service"):
        selected = _selected(found, each["spec"]["selector"])
        assert len(selected) == 1, each["metadata"]["name"]
        ports = {port["name"] for _, one in selected[0].containers() for port in one.get("ports", ())}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports
    for each in of_kind(name, "PodDisruptionBudget"):
        assert len(_selected(found, each["spec"]["selector"]["matchLabels"])) == 1
    for each in of_kind(name, "ServiceMonitor"):
        services = [
            one
            for one in of_kind(name, "Service")
            if each["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
        ]
        assert len(services) == 1, each["metadata"]["name"]
        ports = {port["name"] for port in services[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in each["spec"]["endpoints"]} <= ports
    for each in of_kind(name, "ScaledObject", "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        (scaled,) = [
            one for one in of_kind(name, target["kind"]) if one["metadata"]["name"] == target["name"]
        ]
        assert "replicas" not in scaled["spec"]


def _selected(found: list[Pod], labels: Manifest) -> list[Pod]:
    return [each for each in found if labels.items() <= each.labels.items()]


@pytest.mark.parametrize("name", [name for name in MATRIX if of_kind(name, "NetworkPolicy")])
def test_nothing_is_open_that_nobody_named(name: str) -> None:
    """One policy takes every pod and allows nothing; the others name peers and ports that pods have."""
    found = pods(name)
    listening = {
        port["containerPort"]
        for one in found
        for _, each in one.containers()
        for port in each.get("ports", ())
    }
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(name, "NetworkPolicy")}
    (deny,) = [spec for called, spec in policies.items() if called.endswith("-deny")]
    assert set(deny) == {"podSelector", "policyTypes"}
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert len(_selected(found, deny["podSelector"]["matchLabels"])) == len(found)
    for called, spec in policies.items():
        assert called.endswith("-dns") or _selected(found, spec["podSelector"]["matchLabels"]) != []
        for rule in spec.get("ingress", ()):
            assert rule["from"], called
            assert all(rule["from"]), called
            assert {port["port"] for port in rule["ports"]} <= listening, called
        for rule in spec.get("egress", ()):
            assert rule["to"], called
            assert all(rule["to"]), called
            assert rule["ports"], called


def test_a_gateway_outlives_nothing_that_it_needs() -> None:
    """The sidecar is native: it is told to end when the gateway has ended, and its volume stays."""
    gateway = pod("minimal", "gateway")
    roles = [(role, each["name"]) for role, each in gateway.containers()]
    assert roles == [
        ("init", "keys"),
        ("sidecar", "key-follower"),
        ("init", "journal-keys"),
        ("sidecar", "sidecar"),
        ("main", "gateway"),
    ]
    (stateful,) = of_kind("minimal", "StatefulSet")
    assert stateful["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    for container in ("gateway", "sidecar"):  # whose parts of it: test_helm_private.py
        mounts = gateway.container(container)["volumeMounts"]
        assert [each for each in mounts if each["name"] == claim["metadata"]["name"]]


def test_an_update_that_hangs_is_put_right_by_the_next_one() -> None:
    """With pods in order the controller would wait for the one that is wrong, until somebody deletes it."""
    for name in MATRIX:
        (stateful,) = of_kind(name, "StatefulSet")
        assert stateful["spec"]["podManagementPolicy"] == "Parallel"
        assert stateful["spec"]["updateStrategy"] == {"type": "RollingUpdate"}  # of all pods, one by one


def test_a_pause_before_the_end_is_there_or_it_is_none() -> None:
    """Clusters before 1.33 refuse one of no seconds; the time to end is shorter by it."""
    (stateful,) = of_kind("minimal", "StatefulSet")
    assert _pause(stateful["spec"]["template"]["spec"]) == {"preStop": {"sleep": {"seconds": 10}}}
    rendered = render(CHART, [MATRIX["minimal"]], "--set", "gateway.preStopSeconds=0")
    (without,) = [
        each for each in yaml.load_all(rendered, yaml.CSafeLoader) if each and each["kind"] == "StatefulSet"
    ]
    assert _pause(without["spec"]["template"]["spec"]) is None
    times = [
        each["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] for each in (stateful, without)
    ]
    assert times[0] - times[1] == 10


def _pause(spec: Manifest) -> Any:
    (gateway,) = spec["containers"]
    return gateway.get("lifecycle")


def test_a_plan_is_followed_and_other_settings_restart() -> None:
    """The gateway's pods have no part of the plan in them; of another setting they have."""

    def template(*given: str) -> Any:
        rendered = render(CHART, [MATRIX["gpu"]], *given)
        for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader):
            if each and each["kind"] == "StatefulSet":
                return each["spec"]["template"]
        raise AssertionError

    before = template()
    assert template("--set", "plan[1].weight=25") == before
    assert template("--set", "settings.gateway.max_queue=7") != before


def test_readers_are_upgraded_before_gateways() -> None:
    """Their images alone change three Deployments; what answers and what ships is as it was (docs/operations.md)."""

    def workloads(*given: str) -> dict[tuple[str, str], Any]:
        rendered = yaml.load_all(render(CHART, [MATRIX["drain"]], *given), Loader=yaml.CSafeLoader)
        return {
            (each["kind"], each["metadata"]["name"]): each
            for each in rendered
            if each and each["kind"] != "Pod"
        }

    readers = ("notary", "monitor", "controller")
    new = [part for each in readers for part in ("--set", f"images.{each}.tag=9.9.9")]
    before, after = workloads(), workloads(*new)
    assert before.keys() == after.keys()
    assert {where for where in before if before[where] != after[where]} == {
        ("Deployment", f"affiant-{each}") for each in readers
    }
    documented = (ROOT / "docs" / "kubernetes.md").read_text()
    assert [each for each in readers if f"--set images.{each}.tag=" not in documented] == []


@pytest.mark.parametrize("name", [name for name in MATRIX if name != "small"])
def test_helm_test_asks_every_component(name: str) -> None:
    """Settings, topics as somebody who may read them all, and readiness at the ports that are there."""
    (asking,) = [each for each in pods(name) if each.component == "test"]
    urls = [each for each in asking.container("ready")["args"] if each.startswith("http")]
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(name, "Service")}
    for url in urls:
        host, _, port = url.partition("://")[2].removesuffix("/readyz").rpartition(":")
        assert int(port) in {each["port"] for each in services[host]["ports"]}
    assert len(urls) == len([each for each in pods(name) if each.long_lived])
    assert [each["name"] for _, each in asking.containers()] == ["settings", "topics", "ready"]
