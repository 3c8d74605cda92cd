"""Autoscalers: what they ask for is there, and means what they take it for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.cluster import Objects, cluster
from tests.components.exported import exported
from tests.components.kubernetes import Refused, kubeconform, render
from tests.components.prometheus import promtool
from tests.deploy.helm_chart import CHART, MATRIX, ROOT, Manifest, the


def test_autoscalers_ask_for_metrics_that_there_are() -> None:
    """By their names as they are exported."""
    known = {series for family in exported().values() for series in family}
    gateway, monitor = (
        the("bank", "ScaledObject", each)["spec"]["triggers"] for each in ("-gateway", "-monitor")
    )
    (asked,) = [each["metadata"]["query"] for each in gateway if each["type"] == "prometheus"]
    assert _metric(asked) in known
    assert asked.count("{") == asked.count('affiant_installation="bank/affiant",job="affiant-gateway"') == 3
    (asked,) = [each["metadata"]["query"] for each in monitor]
    assert _metric(asked) in known
    assert _ours(asked)


def _ours(query: str) -> bool:
    """Another release's load is none of ours."""
    return 'affiant_installation="bank/affiant"' in query


def _metric(query: str) -> str:
    return str(re.findall(r"(affiant_[a-z_]+)\{", query)[0])


def test_a_series_that_is_missing_lets_nobody_go(tmp_path: Path) -> None:
    """KEDA would take no answer for 0. Gateways that nobody has asked yet have no series either, and that is 0."""
    (asked,) = [
        each["metadata"]["query"]
        for each in the("bank", "ScaledObject", "-gateway")["spec"]["triggers"]
        if each["type"] == "prometheus"
    ]
    for kind in ("-gateway", "-monitor"):
        triggers = the("bank", "ScaledObject", kind)["spec"]["triggers"]
        values = [
            each["metadata"].get("ignoreNullValues") for each in triggers if each["type"] == "prometheus"
        ]
        assert values == ["false"]
    ours = 'affiant_installation="bank/affiant",job="affiant-gateway"'
    up, theirs = (
        {"series": f"up{{{ours}}}", "values": "1x5"},
        'affiant_installation="bank/next",job="affiant-gateway"',
    )
    requests, others = (
        {"series": f'affiant_requests_total{{{each},status="200"}}', "values": "0+120x5"}
        for each in (ours, theirs)
    )
    cases: list[tuple[list[dict[str, str]], float | None]] = [
        ([up, requests, others], 2),
        ([up, others], 0),  # nobody has asked
        ([requests | {"values": "_x4 120"}, up], None),  # Prometheus has begun anew: asked, and no rate yet
        ([up | {"values": "0x5"}], None),  # no gateway answers it
        ([others], None),
    ]
    tests = [
        {
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [
                {
                    "expr": asked,
                    "eval_time": "4m" if rate is not None else "5m",
                    "exp_samples": [] if rate is None else [{"labels": "{}", "value": rate}],
                }
            ],
        }
        for series, rate in cases
    ]
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": tests}))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_keda_asks_as_whom_it_is_told(tmp_path: Path) -> None:
    """With both triggers; what the chart says itself is not said again."""
    given = ["--set", "prometheus.keda.authenticationRef.name=thanos"]
    given += ["--set", "prometheus.keda.metadata.authModes=bearer,prometheus.keda.metadata.unsafeSsl=true"]
    with pytest.raises(Refused, match="got boolean, want string"):
        render(CHART, [MATRIX["bank"]], *given)
    given[-1] = "prometheus.keda.metadata.authModes=bearer"
    rendered = render(CHART, [MATRIX["bank"]], *given)
    (tmp_path / "rendered.yaml").write_text(rendered)
    assert kubeconform(tmp_path) == []
    found = [
        trigger
        for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader)
        if each and each["kind"] == "ScaledObject"
        for trigger in each["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]
    assert len(found) == 2
    for each in found:
        assert each["authenticationRef"] == {"name": "thanos", "kind": "TriggerAuthentication"}
        assert each["metadata"]["authModes"] == "bearer"
        assert each["metadata"]["serverAddress"] == "http://prometheus-operated.monitoring:9090"
    for each in ("-gateway", "-monitor"):
        of = the("bank", "ScaledObject", each)["spec"]["triggers"]
        assert not [trigger for trigger in of if "authenticationRef" in trigger]
    for ours in ("serverAddress", "query", "threshold", "ignoreNullValues"):
        with pytest.raises(Refused, match="at '/prometheus/keda/metadata"):
            render(CHART, [MATRIX["bank"]], "--set-string", f"prometheus.keda.metadata.{ours}=true")


def test_keda_without_requests_falls_back_to_nothing() -> None:
    """KEDA refuses a fallback where CPU alone scales."""
    rendered = render(CHART, [MATRIX["bank"]], "--set", "gateway.autoscaling.requestsPerSecond=0")
    (scaled,) = [
        each
        for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader)
        if each and each["kind"] == "ScaledObject" and each["metadata"]["name"].endswith("-gateway")
    ]
    assert [each["type"] for each in scaled["spec"]["triggers"]] == ["cpu"]
    assert "fallback" not in scaled["spec"]


def test_the_adapter_serves_the_metric_that_the_autoscaler_asks_for(tmp_path: Path) -> None:
    """By its name, and per pod: all that a gateway answers, of the pods that the autoscaler names."""
    adapter = yaml.safe_load((ROOT / "deploy" / "prometheus-adapter" / "values.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    given = ("--set", "gateway.autoscaling.kind=hpa,gateway.autoscaling.requestsPerSecond=100")
    (scaler,) = [
        each
        for each in yaml.load_all(render(CHART, [MATRIX["minimal"]], *given), Loader=yaml.CSafeLoader)
        if each and each["kind"] == "HorizontalPodAutoscaler"
    ]
    (wanted,) = [
        each["pods"]["metric"]["name"] for each in scaler["spec"]["metrics"] if each["type"] == "Pods"
    ]
    assert rule["name"] == {"as": wanted}
    series, _, matchers = rule["seriesQuery"].partition("{")
    assert series in {name for family in exported().values() for name in family}
    assert {f"<<.{each}>>" for each in ("Series", "LabelMatchers", "GroupBy")} <= set(
        re.findall(r"<<.*?>>", rule["metricsQuery"])
    )
    asked = rule["metricsQuery"]
    for name, value in (
        ("Series", series), ("GroupBy", "pod"),
        ("LabelMatchers", 'namespace="bank",pod=~"affiant-gateway-0|affiant-gateway-1"'),
    ):  # fmt: skip
        asked = asked.replace(f"<<.{name}>>", value)

    def answered(pod: str, status: int, rate: int, namespace: str = "bank") -> dict[str, str]:
        labels = f'namespace="{namespace}",pod="{pod}",service="credit",status="{status}"'
        return {"series": f"{series}{{{labels}}}", "values": f"0+{60 * rate}x5"}

    case = {
        "interval": "1m",
        "input_series": [
            answered("affiant-gateway-0", 200, 90),
            answered("affiant-gateway-0", 503, 10),
            answered("affiant-gateway-1", 200, 7),
            answered("affiant-next-gateway-0", 200, 400),
            answered("affiant-gateway-1", 200, 500, namespace="stage"),
            {
                "series": f'{series}{{status="200"}}',
                "values": "0+60x5",
            },  # of no pod: not in the cluster's API
        ],
        "promql_expr_test": [
            {
                "expr": asked,
                "eval_time": "5m",
                "exp_samples": [
                    {"labels": f'{{pod="affiant-gateway-{number}"}}', "value": rate}
                    for number, rate in enumerate((100, 7))
                ],
            },
            {
                "expr": f"count({series}{{{matchers})",
                "eval_time": "5m",
                "exp_samples": [{"labels": "{}", "value": 5}],
            },
        ],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": [case]}))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr


SCALED = {"gateway": ("StatefulSet", "affiant-gateway"), "monitor": ("Deployment", "affiant-monitor")}
AUTOSCALED = (
    "--set",
    "gateway.autoscaling.kind=keda,monitor.autoscaling.kind=keda,prometheus.address=http://prometheus",
)


def workloads(there: Objects, *given: str) -> dict[tuple[str, str], Manifest]:
    """Gateways and monitors as an upgrade writes them, where `there` is in the cluster."""
    with cluster(there) as asked:
        found = yaml.load_all(render(CHART, [MATRIX["minimal"]], *asked, *given), Loader=yaml.CSafeLoader)
        return {
            (each["kind"], each["metadata"]["name"]): each
            for each in found
            if each and (each["kind"], each["metadata"]["name"]) in SCALED.values()
        }


def scaled(them: Mapping[tuple[str, str], Manifest], to: int) -> dict[tuple[str, str], Any]:
    """The same, as an autoscaler or a person has left them."""
    return {where: each | {"spec": each["spec"] | {"replicas": to}} for where, each in them.items()}


def said(them: Mapping[tuple[str, str], Manifest]) -> list[Any]:
    """How many pods the manifests say."""
    return [them[where]["spec"].get("replicas") for where in SCALED.values()]


def test_who_is_switched_to_an_autoscaler_stays_as_many() -> None:
    """And is said in each manifest from then on, as one that leaves it out would make it 1."""
    before = workloads({})
    assert said(before) == [3, 1]
    switched = workloads(scaled(before, 7), *AUTOSCALED)
    assert said(switched) == [7, 7]
    assert said(workloads(scaled(switched, 9), *AUTOSCALED)) == [9, 9]
    assert said(workloads(scaled(switched, 0), *AUTOSCALED)) == [0, 0]
    assert said(workloads(scaled(switched, 9))) == [3, 1]  # back: who upgrades says how many


def test_where_an_autoscaler_has_always_decided_nothing_is_said() -> None:
    """Neither at first nor later: an old manifest that comes back must not bring its day's number."""
    first = workloads({}, *AUTOSCALED)
    assert said(first) == [None, None]
    assert said(workloads(scaled(first, 5), *AUTOSCALED)) == [None, None]
    by_hand = workloads(scaled(first, 5))
    assert said(by_hand) == [3, 1]
    assert said(workloads(scaled(by_hand, 5), *AUTOSCALED)) == [5, 5]  # it is not marked any more
