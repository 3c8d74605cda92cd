from __future__ import annotations

import re
from pathlib import Path

import yaml

from monitoring.alerts.routes import Receivers, routes_data
from tests.components.exported import exported
from tests.components.prometheus import promtool
from tests.deploy.helm_chart import (
    CHART,
    MATRIX,
    ROOT,
    of_kind,
    the,
)


def test_autoscalers_ask_for_metrics_that_there_are() -> None:
    """By their names as they are exported."""
    known = {series for family in exported().values() for series in family}
    gateway, monitor = (
        the("bank", "ScaledObject", each)["spec"]["triggers"] for each in ("-gateway", "-monitor")
    )
    (asked,) = [each["metadata"]["query"] for each in gateway if each["type"] == "prometheus"]
    assert _metric(asked) in known
    (asked,) = [each["metadata"]["query"] for each in monitor]
    assert _metric(asked) in known


def _metric(query: str) -> str:
    return re.findall(r"(affiant_[a-z_]+)\{", query)[0]


def test_jobs_have_the_names_that_alerts_know() -> None:
    """docs/alerts.md has them, and the rules ask for `up` of them."""
    documented = (ROOT / "docs" / "alerts.md").read_text()
    for each in of_kind("bank", "ServiceMonitor"):
        (endpoint,) = each["spec"]["endpoints"]
        (relabeling,) = endpoint["relabelings"]
        assert f"job_name: {relabeling['replacement']}," in documented


def test_rules_say_where_they_are_of_and_leave_out_who_is_not_there() -> None:
    """The namespace stands in each; a switched-off notary is not missed."""
    groups = {each["name"] for each in the("bank", "PrometheusRule", "affiant")["spec"]["groups"]}
    assert {"affiant-gateway", "affiant-notary", "affiant-controller"} <= groups
    small = the("small", "PrometheusRule", "affiant")["spec"]["groups"]
    # It has no volumes, either.
    assert groups - {each["name"] for each in small} == {
        "affiant-notary", "affiant-controller", "affiant-volumes",
    }  # fmt: skip
    assert {rule["labels"]["namespace"] for each in small for rule in each["rules"]} == {"bank"}


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    """As its own checker reads them."""
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(the("bank", "PrometheusRule", "affiant")["spec"]))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_volume_that_no_pod_has_is_told_of(tmp_path: Path) -> None:
    """A gateway's, after an hour; one that a pod or a drain job has is not, nor somebody else's."""
    rules = the("bank", "PrometheusRule", "affiant")["spec"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))

    def series(metric: str, claim: str, more: str = "") -> dict[str, str]:
        labels = f'namespace="bank",persistentvolumeclaim="{claim}"{more}'
        return {"series": f"{metric}{{{labels}}}", "values": "1x120"}

    claims, used = "kube_persistentvolumeclaim_info", "kube_pod_spec_volumes_persistentvolumeclaims_info"
    left = "data-affiant-gateway-7"
    told = {
        "eval_time": "61m",
        "alertname": "AffiantVolumeLeft",
        "exp_alerts": [
            {
                "exp_labels": {"severity": "warn", "namespace": "bank", "persistentvolumeclaim": left},
                "exp_annotations": {
                    "summary": f"No pod has the volume {left} of a gateway: what it holds of the record may be nowhere "
                    "else. Drain it (drain.claims, docs/kubernetes.md), then delete the claim."
                },
            }
        ],
    }
    case = {
        "interval": "1m",
        "input_series": [
            series(claims, left),
            series(claims, "data-affiant-gateway-0"),
            series(used, "data-affiant-gateway-0", ',pod="affiant-gateway-0"'),
            series(claims, "data-affiant-gateway-8"),
            series(used, "data-affiant-gateway-8", ',pod="affiant-drain-0123456789ab"'),
            series(claims, "data-other-gateway-7"),
        ],
        "alert_rule_test": [told, {**told, "eval_time": "30m", "exp_alerts": []}],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [case]}))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    (volume,) = [
        each["metadata"]["name"]
        for each in the("bank", "StatefulSet", "-gateway")["spec"]["volumeClaimTemplates"]
    ]
    assert left.startswith(f"{volume}-{the('bank', 'StatefulSet', '-gateway')['metadata']['name']}-")


def test_the_controller_hears_as_it_does_without_the_operator() -> None:
    """Alertmanager's routes are those of `affiant alerts render`."""
    spec = the("drain", "AlertmanagerConfig", "-controller")["spec"]
    receivers = Receivers("http://controller/alerts", Path("token"))
    (wanted_route,) = [
        each for each in routes_data(receivers)["route"]["routes"] if each["receiver"] == "controller"
    ]
    route = spec["route"]
    for ours, theirs in (
        ("groupBy", "group_by"), ("groupWait", "group_wait"), ("groupInterval", "group_interval"),
        ("repeatInterval", "repeat_interval"), ("continue", "continue"),
    ):  # fmt: skip
        assert route[ours] == wanted_route[theirs]
    (matcher,) = route["matchers"]
    assert [f'{matcher["name"]}{matcher["matchType"]}"{matcher["value"]}"'] == wanted_route["matchers"]
    (webhook,) = spec["receivers"][0]["webhookConfigs"]
    assert webhook["url"] == "http://affiant-controller.bank.svc:9467/alerts"
    assert webhook["httpConfig"]["authorization"]["credentials"] == {
        "name": "affiant-controller-token",
        "key": "controller.token",
    }


def test_keda_without_requests_falls_back_to_nothing() -> None:
    """KEDA refuses a fallback where CPU alone scales."""
    from tests.components.kubernetes import render

    rendered = render(CHART, [MATRIX["bank"]], "--set", "gateway.autoscaling.requestsPerSecond=0")
    (scaled,) = [
        each
        for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader)
        if each and each["kind"] == "ScaledObject" and each["metadata"]["name"].endswith("-gateway")
    ]
    assert [each["type"] for each in scaled["spec"]["triggers"]] == ["cpu"]
    assert "fallback" not in scaled["spec"]
