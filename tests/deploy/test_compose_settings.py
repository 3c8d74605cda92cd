"""The settings of what compose.yaml starts: ours by our own models, others' by their own programs."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.config import load
from audit.journal import JournalSettings
from audit.settings import NotarySettings, SidecarSettings
from cli.config_uses import uses
from cli.main import app, guarded
from monitoring.settings import ControllerSettings, MonitorSettings
from service.settings import GatewaySettings
from tests.components.cache import cached
from tests.components.compose import ADDRESS, COMPOSE, FILE, PATH, SETTINGS, Project
from tests.components.kafka import VERSION
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Process, find_program
from tests.components.prometheus import promtool

ROOT = COMPOSE.parents[1]
ROOMS = ("audit", "registry", "service", "monitoring", "cli")
USUAL = {"HOME", "PYTHONDONTWRITEBYTECODE", "LOGNAME", "BENTOML_HOME"}
"""Of Python, of the system and of BentoML."""
OTHERS = {
    # Of Kafka's own scripts (bin/kafka-server-start.sh, bin/kafka-run-class.sh); the first is of our command.
    "kafka": {"CLUSTER_ID", "KAFKA_HEAP_OPTS", "LOG_DIR"},
    "registry": {"OTEL_TRACES_EXPORTER"},
}


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.read()


def ports_of(project: Project) -> dict[str, set[int]]:
    """Service → what it listens on, of its settings."""
    config = load(SETTINGS)
    kafka = dict(
        line.split("=", 1) for line in properties().splitlines() if line and not line.startswith("#")
    )
    registry = yaml.safe_load((COMPOSE / "registry" / "config.yml").read_text())
    flags = [word for word in project.services["mlflow"]["command"] if word.startswith("--port=")]
    return {
        "gateway": {config.section("gateway", GatewaySettings).port},
        "sidecar": {config.section("sidecar", SidecarSettings).metrics_port},
        "notary": {config.section("notary", NotarySettings).metrics_port},
        "monitor": {config.section("monitor", MonitorSettings).metrics_port},
        "controller": {config.section("controller", ControllerSettings).port},
        "kafka": {int(port) for port in re.findall(r":(\d+)", kafka["listeners"])},
        "registry": {int(registry["http"]["addr"].rpartition(":")[2])},
        "mlflow": {int(flags[0].partition("=")[2])},
        "fluentd": {int(found) for found in re.findall(r"^ *port (\d+)$", fluentd(), re.MULTILINE)},
        "prometheus": {9090},
        "alertmanager": {9093},
        "grafana": {3000},
    }


def properties() -> str:
    return (COMPOSE / "kafka" / "server.properties").read_text()


def fluentd() -> str:
    return (COMPOSE / "fluentd" / "fluent.conf").read_text()


def said(project: Project) -> Iterator[tuple[set[str], str]]:
    """(who says it, a text with addresses): the compose file, and each file that it mounts."""
    settings = {
        name for name in project.services if any(m["source"] == str(SETTINGS) for m in project.mounts(name))
    }
    for table, content in tomllib.loads(SETTINGS.read_text()).items():
        readers = {
            "log": settings - {"gateway"},
            "sidecar": {"sidecar"}, "fluentd": {"sidecar"}, "gateway": {"gateway"}, "controller": {"controller"},
            "store": {"gateway", "monitor", "controller", "prepare", "affiant"},
        }.get(table, settings)  # fmt: skip
        yield from ((readers, str(value)) for value in content.values())
    for name in project.services.keys() - {"volumes"}:  # which has no network
        # Alertmanager tells the controller: what `prepare` writes is for it.
        yield from (
            ({"alertmanager"} if text.startswith("--controller=") else {name}, text)
            for text in project.texts(name)
        )
    yield {"prometheus"}, (COMPOSE / "prometheus" / "prometheus.yml").read_text()
    yield {"grafana"}, (COMPOSE / "grafana" / "datasources.yaml").read_text()
    yield {"kafka"}, properties()


def test_our_settings_are_right() -> None:
    """`affiant config check` has nothing against them."""
    words = ["config", "check", "--config", str(SETTINGS)]
    assert guarded(lambda: app(args=words, prog_name="affiant"), words) == 0


def test_every_address_is_one_that_listens(project: Project) -> None:
    """A service's name with a port of its settings, on a network that both are on."""
    ports, looked = ports_of(project), set()
    for readers, text in said(project):
        for host, port in ADDRESS.findall(text):
            for reader in readers:
                service = reader if host in (HOST, "localhost") else host
                assert int(port) in ports[service], (reader, text)
                if service != reader:
                    shared = set(project.services[reader]["networks"]) & set(
                        project.services[service]["networks"]
                    )
                    assert shared, (reader, service)
                looked.add(service)
    assert looked == set(ports)


def test_ports_that_are_published_are_listened_on(project: Project) -> None:
    """The inner ends."""
    ports = ports_of(project)
    for name, service in project.services.items():
        for port in service.get("ports", ()):
            assert port["target"] in ports[name], (name, port)


def test_what_a_component_uses_is_mounted_in_its_container(project: Project) -> None:
    """By `affiant config check`, which says the files of each; what it writes may be written to."""
    looked = set()
    for use in uses(load(SETTINGS)):
        found = PATH.search(use.where.removeprefix("file://"))
        if found is None:
            continue
        mounts = [
            mount for mount in project.mounts(use.component)
            if found[0] == mount["target"] or found[0].startswith(f"{mount['target']}/")
        ]  # fmt: skip
        assert mounts, (use.component, use.where)
        written = use.what in ("journal", "large payloads", "trees and archive")
        innermost = max(mounts, key=lambda mount: len(mount["target"]))
        assert written <= (not innermost.get("read_only", False)), use
        looked.add(use.component)
    assert looked == {"gateway", "sidecar", "notary", "controller"}


def test_who_ships_journals_cannot_sign_them(project: Project) -> None:
    """Where the settings have their keys, the gateway has a volume of its own, and the sidecar none."""
    keys = str(load(SETTINGS).section("journal", JournalSettings).key_directory)

    def has(name: str) -> list[str]:
        return [each["source"] for each in project.mounts(name) if keys.startswith(each["target"])]

    assert has("gateway") == ["journal-keys"]
    assert has("sidecar") == []
    assert [name for name in project.services if has(name)] == ["gateway"]


def test_paths_in_commands_are_mounted(project: Project) -> None:
    """Of programs of ours, and of files that other programs are given."""
    for name in project.services:
        targets = [mount["target"] for mount in project.mounts(name)]
        for text in project.texts(name):
            for path in re.findall(r"(?<![\w.:/])/(?:etc|run|var|srv|prometheus|alertmanager)[\w./-]*", text):
                assert any(path == each or path.startswith(f"{each}/") for each in targets), (name, path)


@pytest.mark.mlflow
def test_environment_names_are_somebody_s(project: Project) -> None:
    """A name that nobody reads is a mistake: ours stand in the code, MLflow's in its own list."""
    code = "\n".join(file.read_text() for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    (environment,) = cached("mlflow", "lib", tool="mlflow").glob("python3*/site-packages/mlflow")
    mlflow = (environment / "environment_variables.py").read_text() + (
        environment / "telemetry" / "utils.py"
    ).read_text()
    for name, service in project.services.items():
        for variable in service.get("environment") or {}:
            if (service.get("entrypoint") or [""])[0] in ("affiant", "python"):
                assert variable in USUAL or f'"{variable}"' in code, (name, variable)
            elif name == "grafana":
                assert re.fullmatch(
                    r"GF(_[A-Z]+){2,}", variable
                )  # GF_SECTION_KEY; there is no Grafana to ask
            elif name == "mlflow":
                assert variable == "HOME" or f'"{variable}"' in mlflow, variable
            else:
                assert variable in OTHERS[name], (name, variable)


@pytest.mark.prometheus
def test_prometheus_takes_its_settings(tmp_path: Path) -> None:
    """With the rules that `prepare` makes."""
    rules = [
        "alerts",
        "render",
        "--policy",
        str(ROOT / "examples" / "credit" / "drift-policy.yaml"),
        "--out",
        str(tmp_path),
    ]
    assert guarded(lambda: app(args=rules, prog_name="affiant"), rules) == 0
    text = (COMPOSE / "prometheus" / "prometheus.yml").read_text()
    assert "/run/affiant/alerts/affiant-rules.yml" in text
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/affiant/alerts", str(tmp_path)))
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout
    assert "1 rule files found" in checked.stdout


def test_grafana_finds_prometheus_and_the_dashboards(project: Project) -> None:
    """What `affiant dashboards render` makes, with Prometheus' name on the network and its interval."""
    ours = (COMPOSE / "grafana" / "datasources.yaml").read_text()
    theirs = (ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "affiant.yaml").read_text()
    expected = theirs.replace("http://127.0.0.1:9090", "http://prometheus:9090").replace('"15s"', '"5s"')
    assert yaml.safe_load(ours) == yaml.safe_load(expected)
    scraped: dict[str, Any] = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())
    assert scraped["global"]["scrape_interval"] == "5s"
    mounted = {mount["target"]: mount["source"] for mount in project.mounts("grafana")}
    (provider,) = yaml.safe_load(
        (Path(mounted["/etc/grafana/provisioning/dashboards"]) / "affiant.yaml").read_text()
    )["providers"]
    folder = Path(mounted[provider["options"]["path"]])
    assert len(list(folder.glob("*.json"))) >= 6


@pytest.mark.kafka
def test_kafka_takes_its_settings(tmp_path: Path, project: Project) -> None:
    """Its own tool formats a disk by them, with the cluster's id; topics are made on purpose."""
    text = properties()
    assert "auto.create.topics.enable=false" in text
    file = tmp_path / "server.properties"
    file.write_text(text.replace("/var/lib/kafka/data", str(tmp_path / "data")))
    libs = cached(f"kafka-{VERSION}", "libs", tool="kafka")
    cluster = project.services["kafka"]["environment"]["CLUSTER_ID"]
    done = subprocess.run(
        [
            find_program("java", "java"), "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*",
            "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(file),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster.id={cluster}" in (tmp_path / "data" / "meta.properties").read_text()


@pytest.mark.oci
def test_the_registry_takes_its_settings(tmp_path: Path) -> None:
    """A registry listens where they say."""
    port = free_port()
    text = (COMPOSE / "registry" / "config.yml").read_text()
    (tmp_path / "config.yml").write_text(
        text.replace("/var/lib/registry", str(tmp_path / "data")).replace("0.0.0.0:5000", f"{HOST}:{port}")
    )
    program = find_program("docker-registry", "registry")
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    with Process(
        [program, "serve", tmp_path / "config.yml"], log=tmp_path / "log", env=environment
    ) as registry:
        registry.wait_until(lambda: accepts(port), what="listening")


def test_fluentd_listens_for_what_the_sidecar_sends() -> None:
    """By the Forward protocol, everything of its tag."""
    text = fluentd()
    assert "@type forward" in text
    assert "<match affiant affiant.**>" in text
    assert tomllib.loads(SETTINGS.read_text())["fluentd"] == {"address": "fluentd:24224"}


def test_nothing_secret_stands_in_the_file() -> None:
    """No password, token or key: they are made by `prepare`, in volumes."""
    text = FILE.read_text() + SETTINGS.read_text() + json.dumps(yaml.safe_load(FILE.read_text()))
    assert not re.search(r"(?i)(password|passphrase|secret)", text.replace("there is no password", ""))
    assert "affiant_" not in text
