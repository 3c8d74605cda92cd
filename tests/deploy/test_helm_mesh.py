"""What Istio does with the chart, as its documentation has it: who speaks TLS, who is let in, and what a proxy needs.

- A proxy parses a Service's port by the protocol that the port's name begins with; an `http` route of a VirtualService
  is followed on such a port alone.
- Traffic goes from the proxy to its process as it came out of the mesh's TLS: what a caller encrypted itself stays so.
- STRICT takes the mesh's TLS alone; PERMISSIVE lets other TLS through to the process as it is, and does not end it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest
import yaml

from tests.components.kubernetes import render
from tests.deploy.helm_chart import CHART, MATRIX, Manifest

JOBS = {"gateway": 3000, "sidecar": 9464, "notary": 9465, "monitor": 9466, "controller": 9467}
AGENT = 15020
CERTIFICATES = {"caFile", "certFile", "keyFile"}
VARIANTS = {
    "certificates": (),
    "in the clear": ("--set", "istio.metricsCertificates=,istio.plaintextMetrics=true"),
    "both": ("--set", "istio.plaintextMetrics=true"),
    "permissive": ("--set", "istio.metricsCertificates=,istio.mtlsMode=PERMISSIVE"),
    "one monitor": ("--set", "monitor.autoscaling.kind=none"),
    "token": (
        "--set", "certManager.enabled=false,controller.tls.clientCertificates=false",
        "--set", "controller.tokenSecret.secretName=x,prometheus.alertmanagerConfig.enabled=false",
    ),
}  # fmt: skip
"""Of the bank's values, which have Istio and cert-manager."""


@cache
def rendered(*given: str) -> tuple[Manifest, ...]:
    text = render(CHART, [MATRIX["bank"]], *given)
    return tuple(each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each)


def of_kind(found: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [each for each in found if each["kind"] == kind]


def service(found: Sequence[Manifest], labels: Mapping[str, str]) -> Manifest:
    """The one whose own labels have these."""
    (one,) = [
        each for each in of_kind(found, "Service") if labels.items() <= each["metadata"]["labels"].items()
    ]
    return one


def templates(found: Sequence[Manifest]) -> list[tuple[str, Manifest]]:
    """(where, metadata) of every pod."""
    return [
        (
            f"{each['kind']}/{each['metadata']['name']}",
            each["metadata"]
            if each["kind"] == "Pod"
            else each["spec"].get("jobTemplate", each)["spec"]["template"]["metadata"],
        )
        for each in found
        if each["kind"] in ("Pod", "Job", "CronJob", "StatefulSet", "Deployment")
    ]


def speaks_tls(found: Sequence[Manifest], component: str) -> bool:
    """Whether the process itself serves HTTPS, by its settings."""
    (config,) = [
        each["data"]["affiant.toml"]
        for each in of_kind(found, "ConfigMap")
        if "affiant.toml" in each["data"] and each["metadata"]["name"].endswith(f"-{component}")
    ]
    return f"[{component}]" in config and 'tls_certificate = "' in config


def mode(found: Sequence[Manifest], component: str, port: int) -> str:
    """What the proxy of a component takes on a port."""
    (one,) = [
        each["spec"]
        for each in of_kind(found, "PeerAuthentication")
        if each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == component
    ]
    return str(one.get("portLevelMtls", {}).get(str(port), one["mtls"])["mode"])


def test_what_istio_routes_is_http_to_it_and_to_the_process() -> None:
    """Each destination of the VirtualService that is ours: a port named http, before a process that speaks no TLS."""
    found = rendered()
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(found, "Service")}
    (virtual,) = of_kind(found, "VirtualService")
    (route,) = virtual["spec"]["http"]
    ours = [
        each["destination"]
        for each in route["route"]
        if each["destination"]["host"].startswith("affiant-gateway.")
    ]
    assert len(ours) == 1
    (port,) = [
        each for each in services["affiant-gateway"]["ports"] if each["port"] == ours[0]["port"]["number"]
    ]
    assert port["name"].partition("-")[0] == "http"
    assert not speaks_tls(found, "gateway")
    (gateway,) = of_kind(found, "StatefulSet")
    for container in gateway["spec"]["template"]["spec"]["containers"]:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["scheme"] == "HTTP"
    assert "affiant-gateway-tls" not in {each["metadata"]["name"] for each in of_kind(found, "Certificate")}
    # Callers in the mesh, who know the service by its own name, are split as those from outside.
    assert {"predict.bank.example", ours[0]["host"]} == set(virtual["spec"]["hosts"])


def test_without_a_mesh_the_gateway_still_speaks_tls() -> None:
    """The same values, and Istio off: the certificate is made, and served."""
    found = rendered("--set", "istio.enabled=false")
    assert speaks_tls(found, "gateway")
    assert "affiant-gateway-tls" in {each["metadata"]["name"] for each in of_kind(found, "Certificate")}
    assert not of_kind(found, "VirtualService")


@pytest.mark.parametrize("given", VARIANTS.values(), ids=VARIANTS)
def test_prometheus_asks_each_as_its_proxy_wants_it(given: tuple[str, ...]) -> None:
    """By the mesh's TLS where nothing else is taken, by the process's own or in the clear where that is let through."""
    found = rendered(*given)
    looked = set()
    for each in of_kind(found, "ServiceMonitor"):
        (endpoint,) = each["spec"]["endpoints"]
        job = endpoint["relabelings"][0]["replacement"].removeprefix("affiant-")
        looked.add(job)
        component = "gateway" if job == "sidecar" else job
        ports = service(found, each["spec"]["selector"]["matchLabels"])["spec"]["ports"]
        (target,) = [one["port"] for one in ports if one["name"] == endpoint["port"]]
        tls = endpoint.get("tlsConfig", {})
        if target == AGENT:  # of Istio's own, in the clear, whatever the mode is
            assert (job, endpoint["path"], tls) == ("gateway", "/stats/prometheus", {})
            assert any("envoy" in rule["regex"] for rule in endpoint["metricRelabelings"])
            continue
        assert (target, endpoint["path"]) == (JOBS[job], "/metrics")
        if mode(found, component, target) == "STRICT":
            assert set(tls) == {*CERTIFICATES, "insecureSkipVerify"}, job
            assert not speaks_tls(found, component), job  # under the mesh's, Prometheus speaks none
        else:
            assert not CERTIFICATES & set(tls), job
            assert bool(tls) == speaks_tls(found, component), job
        assert endpoint.get("scheme", "http") == ("https" if tls else "http")
    assert looked == set(JOBS)


@pytest.mark.parametrize("given", VARIANTS.values(), ids=VARIANTS)
def test_predictions_come_by_the_mesh_alone(given: tuple[str, ...]) -> None:
    """No variant of the metrics opens the gateway's own port."""
    wanted = "PERMISSIVE" if any("PERMISSIVE" in each for each in given) else "STRICT"
    assert mode(rendered(*given), "gateway", JOBS["gateway"]) == wanted


def test_the_agent_reads_the_gateway_s_metrics_where_prometheus_cannot() -> None:
    """The pod says where they are, its service has the agent's port, and the network lets Prometheus there alone."""
    found = rendered(*VARIANTS["in the clear"])
    (gateway,) = of_kind(found, "StatefulSet")
    annotations = gateway["spec"]["template"]["metadata"]["annotations"]
    assert {key: annotations[f"prometheus.io/{key}"] for key in ("scrape", "port", "path")} == {
        "scrape": "true", "port": "3000", "path": "/metrics",
    }  # fmt: skip
    rules = [
        rule
        for each in of_kind(found, "NetworkPolicy")
        for rule in each["spec"].get("ingress", ())
        if AGENT in {port["port"] for port in rule["ports"]}
    ]
    assert [rule["from"][0]["namespaceSelector"]["matchLabels"] for rule in rules] == [
        {"kubernetes.io/metadata.name": "monitoring"}
    ]
    assert not any("prometheus.io" in key for _, each in templates(rendered()) for key in each["annotations"])


def test_alertmanager_and_monitors_are_heard_without_the_mesh() -> None:
    """It comes by the controller's own TLS; one monitor asks another at its pod, which the mesh does not encrypt."""
    assert mode(rendered(), "controller", 9467) == "PERMISSIVE"
    assert speaks_tls(rendered(), "controller")
    assert mode(rendered(*VARIANTS["token"]), "controller", 9467) == "STRICT"
    assert mode(rendered(), "monitor", 9466) == "PERMISSIVE"
    assert mode(rendered(*VARIANTS["one monitor"]), "monitor", 9466) == "STRICT"


def test_each_pod_asks_for_its_proxy_and_is_not_outlived_by_it() -> None:
    """A native one: shipping and sealing need it to the end, and a job ends. Of the control plane that was said."""
    drained = ("--set", "drain.claims={data-affiant-gateway-9}")
    found = templates(rendered(*drained))
    assert {where.partition("/")[0] for where, _ in found} == {
        "StatefulSet", "Deployment", "Job", "CronJob", "Pod",
    }  # fmt: skip
    for where, about in found:
        assert about["labels"]["sidecar.istio.io/inject"] == "true", where
        assert about["labels"]["istio.io/rev"] == "stable", where
        assert about["annotations"]["sidecar.istio.io/nativeSidecar"] == "true", where
    for where, about in templates(rendered(*drained, "--set", "istio.enabled=false")):
        assert not any("istio" in key for key in {**about["labels"], **about["annotations"]}), where


def test_each_proxy_reaches_the_control_plane() -> None:
    """Every pod, jobs and tests too; without a mesh nobody does."""
    drained = ("--set", "drain.claims={data-affiant-gateway-9}")
    for given, wanted in (((), True), (("--set", "istio.enabled=false"), False)):
        found = rendered(*drained, *given)
        for where, about in templates(found):
            rules: list[Any] = [
                rule
                for each in of_kind(found, "NetworkPolicy")
                if each["spec"]["podSelector"]["matchLabels"].items() <= about["labels"].items()
                for rule in each["spec"].get("egress", ())
            ]
            ports = {port["port"] for rule in rules for port in rule["ports"]}
            assert (15012 in ports) == wanted, where
