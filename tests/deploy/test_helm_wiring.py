from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pytest
import typer
import yaml

from audit.config import Config, load
from audit.log.kafka_check import judge, wanted
from audit.settings import FluentdSettings, LogSettings, SidecarSettings
from cli.main import app
from cli.tables import READ, problems
from monitoring.state_topic import wanted as wanted_panes
from service.settings import GatewaySettings
from tests.components.kubernetes import render
from tests.deploy.helm_chart import (
    CHART,
    COMPONENTS,
    MATRIX,
    ROOT,
    Pod,
    of_kind,
    pod,
    pods,
    running,
    settings,
    settings_file,
)

EVERY = pytest.mark.parametrize("name", MATRIX)
ALL = pytest.mark.parametrize(
    ("name", "component"), [(name, component) for name in MATRIX for component in running(name)]
)
PORTS: Final = {"gateway": 3000, "sidecar": 9464, "notary": 9465, "monitor": 9466, "controller": 9467}
PORT_SETTINGS: Final = {
    "gateway": ("gateway", "port"), "sidecar": ("sidecar", "metrics_port"), "notary": ("notary", "metrics_port"),
    "monitor": ("monitor", "metrics_port"), "controller": ("controller", "port"),
}  # fmt: skip
# Who reads each variable: a file of ours, or None where it is a library's own and documented name.
ENVIRONMENT: Final = {
    "AFFIANT_CONFIG": "audit/config.py",
    "HOME": None,  # read-only images have none that can be written to
    "BENTOML_HOME": None,
    "DOCKER_CONFIG": "registry/settings.py",
    "AFFIANT_STORE_USERNAME": "registry/settings.py",
    "AFFIANT_STORE_PASSWORD": "registry/settings.py",
    "MLFLOW_TRACKING_USERNAME": "registry/settings.py",
    "MLFLOW_TRACKING_PASSWORD": "registry/settings.py",
    "MLFLOW_TRACKING_URI": "registry/settings.py",
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    "AWS_REGION": None,
    "SSL_CERT_FILE": None,
}
CA = "/etc/affiant/ca/ca.crt"


def _config(tmp_path: Path, name: str, component: str) -> Config:
    file = tmp_path / "affiant.toml"
    file.write_text(settings_file(name, component))
    return load(file)


@ALL
def test_each_settings_file_is_one(tmp_path: Path, name: str, component: str) -> None:
    """`affiant config check` has nothing against it."""
    config = _config(tmp_path, name, component)
    assert problems(config) == []
    assert config.data == Path("/var/lib/affiant/data")


@ALL
def test_each_file_that_settings_name_is_mounted(tmp_path: Path, name: str, component: str) -> None:
    """Into the component's own container, under the very name."""
    of = pod(name, component)
    files = _files(_config(tmp_path, name, component))
    for container in [component, *(["sidecar"] if component == "gateway" else [])]:
        # The gateway itself never speaks to a broker, and has no way to.
        read = {"notary", "governance", "store", "telemetry"} | (
            {"gateway"} if container == "gateway" else {container, "log"}
        )
        # Who writes payloads, and who counts them.
        read |= {"encryption"} if container in ("gateway", "monitor", "controller") else set()
        for (table, key), path in files.items():
            if table in read and not (table == "notary" and key == "key_file" and component != "notary"):
                assert path in _mounted(name, of, container), f"{container}: [{table}] {key} = {path}"


def _files(config: Config) -> dict[tuple[str, str], str]:
    """Of each setting that is a path to a file, and stands in the file."""
    found = {}
    for table in READ:
        for key, value in config.tables.get(table.name, {}).items() if not table.repeated else ():
            field = table.model.model_fields[key]
            if "Path" in str(field.annotation) and key != "directory":
                found[table.name, key] = str(value)
    return found


def _mounted(name: str, of: Pod, container: str) -> set[str]:
    """Every file of a container's volumes whose content the chart says."""
    volumes, found = of.volumes(), set()
    for mount in of.container(container)["volumeMounts"]:
        for file in _held(name, of, volumes.get(mount["name"], {})):
            found.add(str(PurePosixPath(mount["mountPath"]) / file))
    return found


def _held(name: str, of: Pod, volume: Mapping[str, Any]) -> list[str]:
    if volume.get("name") == "keys":  # copied from the Secrets beside it
        return _held(name, of, of.volumes()["secrets"])
    if "projected" in volume:
        return [file for source in volume["projected"]["sources"] for file in _held(name, of, source)]
    for kind in ("configMap", "secret"):
        if "items" in volume.get(kind, {}):
            return [item["path"] for item in volume[kind]["items"]]
    if "configMap" in volume:
        (found,) = [
            each
            for each in of_kind(name, "ConfigMap")
            if each["metadata"]["name"] == volume["configMap"]["name"]
        ]
        return list(found["data"])
    if "secret" in volume:  # of kind tls, by cert-manager or a person
        return ["tls.crt", "tls.key", "ca.crt"]
    return []


@ALL
def test_each_process_listens_where_it_is_looked_for(name: str, component: str) -> None:
    """Settings, ports of containers and probes say the same."""
    of, table = pod(name, component), settings(name, component)
    for container in [component, *(["sidecar"] if component == "gateway" else [])]:
        section, key = PORT_SETTINGS[container]
        (port,) = of.container(container)["ports"]
        assert table[section][key] == port["containerPort"] == PORTS[container]
        host = table[section]["host" if container in ("gateway", "controller") else "metrics_host"]
        assert host in ("0.0.0.0", "::")  # noqa: S104 — what a kubelet can reach
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = of.container(container).get(probe, {}).get("httpGet")
            if asked is not None:
                assert asked["port"] == port["name"]
                assert asked["path"] == ("/readyz" if probe == "readinessProbe" else "/livez")
                secure = "tls_certificate" in table[section]
                assert asked.get("scheme", "HTTP") == ("HTTPS" if secure else "HTTP")


@EVERY
def test_each_command_and_option_is_there(name: str) -> None:
    """Containers run what the command line has."""
    for one in pods(name):
        for _, container in one.containers():
            command = container["command"]
            if command[0] != "affiant":
                continue
            at = typer.main.get_command(app)
            for word in command[1:]:
                if word.startswith("--"):
                    assert word in {option for each in at.params for option in each.opts}, command
                elif hasattr(at, "get_command") and not word.isdigit():
                    at = at.get_command(None, word)  # type: ignore[arg-type]
                    assert at is not None, command


@EVERY
def test_each_variable_is_read_by_somebody(name: str) -> None:
    """And nothing else is set."""
    for one in pods(name):
        for _, container in one.containers():
            for variable in container.get("env", ()):
                reader = ENVIRONMENT[variable["name"]]
                assert reader is None or variable["name"] in (ROOT / reader).read_text()


def test_bentoml_is_told_of_its_folder() -> None:
    """Which must not be the image's: that cannot be written to."""
    import bentoml._internal.configuration.containers as bento

    assert "BENTOML_HOME" in Path(bento.__file__).read_text()


def test_a_pod_has_time_to_ship_what_it_has() -> None:
    """The pause, the requests in work, the journal's end, all that is durable, and the copy to Fluentd."""
    for name in MATRIX:
        of, table = pod(name, "gateway"), settings(name, "gateway")
        gateway = GatewaySettings.model_validate(table["gateway"])
        sidecar = SidecarSettings.model_validate(table["sidecar"])
        fluentd = FluentdSettings.model_validate(table.get("fluentd", {}))
        pause = of.container("gateway")["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert of.spec["terminationGracePeriodSeconds"] >= (
            pause
            + 2 * gateway.grace_seconds
            + sidecar.drain_seconds
            + sidecar.delivery_timeout_seconds
            + fluentd.drain_seconds
            + 60
        )


def test_topics_keep_the_promise() -> None:
    """Strimzi's have the settings that `affiant topics create` gives, and they stay when the release goes.

    With an archive the record's may be dropped by Kafka after a time; what governs never is.
    """
    for name in ("bank", "drain"):
        log = LogSettings.model_validate(settings(name, "monitor")["log"])
        panes = settings(name, "monitor")["monitor"]["state_topic"]
        retention = {"bank": "604800000", "drain": "-1"}[name]
        topics = {each["metadata"]["name"]: each for each in of_kind(name, "KafkaTopic")}
        assert set(topics) == {log.topic, log.governance_topic, panes}
        for topic, each in topics.items():
            make = wanted_panes if topic == panes else wanted
            of_record = {"retention.ms": retention} if topic == log.topic else {}
            assert each["spec"]["config"] == {**make(log.replication), **of_record}
            if topic != panes:
                assert judge(each["spec"]["config"], replicas=3, brokers=3, archived=log.archived) == []
            assert each["spec"]["replicas"] == log.replication
            assert each["spec"]["partitions"] == (1 if topic == log.governance_topic else log.partitions)
            assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_writers_write_readers_read_and_nobody_alters() -> None:
    """Who may write to which topic; and what nobody may."""
    users = {
        each["metadata"]["name"]: each["spec"]["authorization"]["acls"]
        for each in of_kind("bank", "KafkaUser")
    }
    assert set(users) == {f"affiant-{each}" for each in (*COMPONENTS, "follow", "operator", "auditor")}
    writes = set()
    for user, acls in users.items():
        for rule in acls:
            assert rule.get("type", "allow") == "allow"
            assert rule["resource"]["patternType"] == "literal"
            assert set(rule["operations"]) <= {"Read", "Write", "Describe", "DescribeConfigs"}
            if "Write" in rule["operations"]:
                writes.add((user.removeprefix("affiant-"), rule["resource"]["name"]))
    assert writes == {
        ("gateway", "affiant-entries"),
        ("notary", "affiant-governance"),
        ("controller", "affiant-governance"),
        ("operator", "affiant-governance"),
        ("monitor", "affiant-panes"),
    }
    # What brings cards and tags up to date sees nothing of the record.
    assert [each["resource"]["name"] for each in users["affiant-follow"]] == ["affiant-governance"]


def test_users_of_people_are_made_where_they_are_wanted() -> None:
    """Strimzi's certificates and passwords are for whoever reads its Secrets: nobody's lies there unasked."""
    made = yaml.safe_load_all(
        render(CHART, [MATRIX["bank"]], "--set", "auditor.enabled=false", "--set-json", "strimzi.people=[]")
    )
    assert {each["metadata"]["name"] for each in made if each and each["kind"] == "KafkaUser"} == {
        f"affiant-{each}" for each in (*COMPONENTS, "follow")
    }


@pytest.mark.parametrize("component", ["gateway", "notary", "monitor", "controller"])
def test_authorities_of_one_s_own_are_believed_by_each(component: str) -> None:
    """Every container that speaks to somebody has the file, and is told of it; without the value none is."""
    of = pod("tls", component)
    for role, container in of.containers():
        told = {each["name"]: each.get("value") for each in container.get("env", ())}
        if role == "init" or container["name"] == "key-follower":  # who speaks to nobody
            continue
        assert CA in _mounted("tls", of, container["name"])
        assert told["SSL_CERT_FILE"] == CA
    if component != "notary":  # which opens no store
        assert settings("tls", component)["store"]["ca_file"] == CA
    if component == "gateway":  # which alone makes spans
        assert settings("tls", component)["telemetry"]["ca_file"] == CA
    for _, container in pod("minimal", "notary").containers():
        assert "SSL_CERT_FILE" not in {each["name"] for each in container.get("env", ())}


def test_a_secret_may_have_the_authorities_too() -> None:
    """By its own key, under the one name."""
    given = "caBundle.configMapName=,caBundle.secretName=own-ca,caBundle.key=root.pem"
    plain = "models.plainHttp=true,settings.telemetry.otlp_endpoint=http://c:4318/v1/traces"
    text = render(CHART, [MATRIX["tls"]], "--set", given, "--set", plain)
    assert 'ca_file = "/etc/affiant' not in text  # nobody's certificate is looked at
    assert text.count("name: own-ca\n") == 5  # four components, and `helm test`
    assert "corporate-ca" not in text
    assert "{key: root.pem, path: ca/ca.crt}" in text
