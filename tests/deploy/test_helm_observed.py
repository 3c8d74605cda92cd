from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import yaml

from monitoring.alerts.routes import Receivers, routes_data
from monitoring.alerts.scope import matches_of
from tests.components.exported import labels
from tests.components.kubernetes import render
from tests.components.prometheus import promtool
from tests.deploy.helm_chart import (
    CHART,
    MATRIX,
    ROOT,
    of_kind,
    the,
)

RUNBOOKS = "https://docs.bank.example/affiant/runbooks"
OURS = {"namespace": "bank", "affiant_installation": "bank/affiant"}


def test_jobs_have_the_names_that_alerts_know() -> None:
    """docs/alerts.md has them, and the rules ask for `up` of them."""
    documented = (ROOT / "docs" / "alerts.md").read_text()
    for each in of_kind("bank", "ServiceMonitor"):
        (endpoint,) = each["spec"]["endpoints"]
        job, ours, _ = endpoint["relabelings"]
        assert f"job_name: {job['replacement']}," in documented
        assert ours == {"targetLabel": "affiant_installation", "replacement": "bank/affiant"}


def test_the_operator_s_labels_take_no_place_of_ours() -> None:
    """It gives a target these, and Prometheus renames a metric's own label of that name: rules would find nothing."""
    given = {"namespace", "pod", "container", "endpoint", "node", "job", "instance", "affiant_installation"}
    for each in of_kind("bank", "ServiceMonitor"):
        assert {"regex": "service", "action": "labeldrop"} in each["spec"]["endpoints"][0]["relabelings"]
    assert labels() & given == set()
    assert "service" in labels()


def test_rules_say_where_they_are_of_and_leave_out_who_is_not_there() -> None:
    """The namespace stands in each; a switched-off notary is not missed."""
    groups = {each["name"] for each in the("bank", "PrometheusRule", "affiant")["spec"]["groups"]}
    assert {"affiant-gateway", "affiant-notary", "affiant-controller"} <= groups
    small = the("small", "PrometheusRule", "affiant")["spec"]["groups"]
    # It has no volumes, either.
    of_policy = {each for each in groups if each.startswith("affiant-credit")}
    assert groups - of_policy - {each["name"] for each in small} == {
        "affiant-notary", "affiant-controller", "affiant-volumes", "affiant-follow", "affiant-audit",
    }  # fmt: skip
    assert [
        rule for each in small for rule in each["rules"] if not OURS.items() <= rule["labels"].items()
    ] == []


def test_the_rules_of_a_policy_reach_the_controller_that_is_there() -> None:
    """Some ask for an action, and Alertmanager's route of this release asks for labels that those have."""
    rules = [
        rule for each in the("bank", "PrometheusRule", "affiant")["spec"]["groups"] for rule in each["rules"]
    ]
    asked = [rule for rule in rules if "affiant_action" in rule["labels"]]
    assert {rule["labels"]["affiant_action"] for rule in asked} >= {"rollback"}
    action, ours = the("bank", "AlertmanagerConfig", "-controller")["spec"]["route"]["matchers"]
    assert (action["name"], action["matchType"]) == ("affiant_action", "=~")
    assert [rule for rule in asked if rule["labels"][ours["name"]] != ours["value"]] == []


def test_each_rendered_alert_has_its_runbook() -> None:
    """The page is there, and the alert says where; without an address for them it says nothing."""
    rules = [
        rule for each in the("bank", "PrometheusRule", "affiant")["spec"]["groups"] for rule in each["rules"]
    ]
    assert "AffiantVolumeLeft" in {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}/{rule['alert']}.md"
        assert (ROOT / "docs" / "runbooks" / f"{rule['alert']}.md").is_file()
    for each in the("small", "PrometheusRule", "affiant")["spec"]["groups"]:
        assert [rule for rule in each["rules"] if "runbook_url" in rule["annotations"]] == []


def test_two_releases_neither_hide_nor_disturb_each_other(tmp_path: Path) -> None:
    """In one namespace, even: each is told of its own monitors."""
    for name in ("affiant", "next"):
        rendered = render(
            CHART, [MATRIX["bank"]], "--show-only", "templates/prometheus.yaml", release=name
        )  # fmt: skip
        (rule,) = [
            each
            for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader)
            if each and each["kind"] == "PrometheusRule"
        ]
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(rule["spec"]))
    told = {
        "exp_labels": OURS | {"severity": "page"},
        "exp_annotations": {
            "summary": "no monitor judges: drift is not seen",
            "runbook_url": f"{RUNBOOKS}/AffiantNoMonitor.md",
        },
    }
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {
                    "series": f'affiant_monitor_leader{{namespace="bank",affiant_installation="bank/{name}"}}',
                    "values": f"{value}x10",
                }
                for name, value in leaders.items()
            ],
            "alert_rule_test": [
                {"eval_time": "5m", "alertname": "AffiantNoMonitor", "exp_alerts": nobody},
                {"eval_time": "5m", "alertname": "AffiantTwoMonitors", "exp_alerts": []},
            ],
        }
        for leaders, nobody in (({"affiant": 0, "next": 1}, [told]), ({"affiant": 1, "next": 1}, []))
    ]
    case = {"rule_files": ["affiant.yml", "next.yml"], "tests": tests}
    (tmp_path / "case.yml").write_text(yaml.safe_dump(case))
    done = promtool("test", "rules", tmp_path / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_name_of_one_s_own_is_everywhere() -> None:
    """Two clusters that one Prometheus sees may have the same namespaces and releases."""
    rendered = render(CHART, [MATRIX["bank"]], "--set", "prometheus.installation=east/bank")
    assert "bank/affiant" not in rendered.replace("registry.example.com/affiant", "").replace(RUNBOOKS, "")
    for kind, times in (("ServiceMonitor", 5), ("AlertmanagerConfig", 1), ("ScaledObject", 2)):
        parts = [
            each for each in rendered.split("---\n") if f"\nkind: {kind}\n" in each and "east/bank" in each
        ]
        assert len(parts) == times, kind
    (rules,) = [each for each in rendered.split("---\n") if "\nkind: PrometheusRule\n" in each]
    assert 'affiant_monitor_leader{affiant_installation="east/bank"}' in rules


def test_alerts_go_to_controllers_that_are_ready_and_scrapes_to_all() -> None:
    """The Service of the webhook leaves out who is not ready; no ServiceMonitor takes it for one more target."""
    (url,) = {
        hook["url"]
        for each in of_kind("bank", "AlertmanagerConfig")
        for receiver in each["spec"]["receivers"]
        for hook in receiver["webhookConfigs"]
    }
    services = {
        f"{each['metadata']['name']}.{each['metadata']['namespace']}.svc": each
        for each in of_kind("bank", "Service")
    }
    told = services[str(urlsplit(url).hostname)]
    assert "publishNotReadyAddresses" not in told["spec"]
    assert "affiant.dev/metrics" not in told["metadata"]["labels"]
    scraped = services["affiant-controller.bank.svc"]
    assert scraped["spec"]["publishNotReadyAddresses"] is True
    assert scraped["spec"]["selector"] == told["spec"]["selector"]
    assert [each["targetPort"] for each in told["spec"]["ports"]] == ["metrics"]


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
                "exp_labels": OURS | {"severity": "warn", "persistentvolumeclaim": left},
                "exp_annotations": {
                    "summary": f"No pod has the volume {left} of a gateway: what it holds of the record may be nowhere "
                    "else. Drain it (drain.claims, docs/kubernetes.md), then delete the claim.",
                    "runbook_url": f"{RUNBOOKS}/AffiantVolumeLeft.md",
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
    of = matches_of(["affiant_installation=bank/affiant"])
    (wanted_route,) = [
        each for each in routes_data(receivers, of)["route"]["routes"] if each["receiver"] == "controller"
    ]
    route = spec["route"]
    for ours, theirs in (
        ("groupBy", "group_by"), ("groupWait", "group_wait"), ("groupInterval", "group_interval"),
        ("repeatInterval", "repeat_interval"), ("continue", "continue"),
    ):  # fmt: skip
        # Of one installation alone: its label is in every alert that comes here.
        wanted = wanted_route[theirs]
        assert route[ours] == (
            [each for each in wanted if each != of[0].label] if ours == "groupBy" else wanted
        )
    matchers = [f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in route["matchers"]]
    assert matchers == wanted_route["matchers"]
    (webhook,) = spec["receivers"][0]["webhookConfigs"]
    assert webhook["url"] == "http://affiant-controller-alerts.bank.svc:9467/alerts"
    assert webhook["httpConfig"]["authorization"]["credentials"] == {
        "name": "affiant-controller-token",
        "key": "controller.token",
    }
