"""What compose.yaml starts, started here: its own commands with its own settings, without containers.

Kafka, Prometheus and Alertmanager have its settings. The registry is the session's. What Fluentd would get, the
OpenTelemetry Collector takes, by the same protocol.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import app, guarded
from monitoring.alerts.rules import ACTION
from registry.mlflow.client import Client
from registry.mlflow.versions import Versions
from registry.settings import mlflow_access
from registry.stores.mlflow import MlflowStore
from tests.components.alertmanager import Alertmanager, amtool
from tests.components.collector import Collector
from tests.components.compose import COMPOSE, Project, Stage
from tests.components.kafka import KafkaBroker
from tests.components.mlflow import MlflowServer
from tests.components.oci import OciRegistry
from tests.components.ports import HOST, free_port
from tests.components.process import Process, wait_until
from tests.components.prometheus import Prometheus, answers, promtool

pytestmark = [
    pytest.mark.kafka, pytest.mark.oci, pytest.mark.mlflow, pytest.mark.prometheus, pytest.mark.slow,
    pytest.mark.timeout(900),
]  # fmt: skip
RUNNING = ("notary", "sidecar", "monitor", "controller", "gateway")
EXAMPLES = COMPOSE.parents[1] / "examples" / "credit"
PORTS = {"gateway": 3000, "sidecar": 9464, "notary": 9465, "monitor": 9466, "controller": 9467}


@dataclass
class Laptop:
    stage: Stage
    processes: dict[str, Process]
    addresses: dict[str, str]
    prepared: str
    well_before: bool
    mlflow: MlflowServer
    collector: Collector

    def ask(self) -> tuple[int, dict[str, str]]:
        """One application; status and headers."""
        key = (self.stage.volume("client") / "traffic.key").read_text().strip()
        host, _, port = self.addresses["gateway:3000"].partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.request(
                "POST", "/v1/models/credit:predict", json.dumps({"instances": [application()]}),
                {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
            )  # fmt: skip
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()


def application() -> dict[str, str | int]:
    """The first of the table."""
    with (EXAMPLES / "german_credit.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    del row["creditability"]
    return {name: int(value) if value.isdecimal() else value for name, value in row.items()}


def broker(project: Project, directory: Path) -> KafkaBroker:
    """Kafka with the file that compose.yaml mounts, at this machine's addresses; not started."""
    port, controllers = free_port(), free_port()
    text = (COMPOSE / "kafka" / "server.properties").read_text()
    for theirs, ours in (
        ("0.0.0.0:9092", f"{HOST}:{port}"), ("kafka:9092", f"{HOST}:{port}"),
        ("127.0.0.1:9093", f"{HOST}:{controllers}"), ("/var/lib/kafka/data", str(directory / "data")),
    ):  # fmt: skip
        assert theirs in text
        text = text.replace(theirs, ours)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return KafkaBroker(
        directory, port=port, properties=dict(line.split("=", 1) for line in lines),
        cluster_id=project.services["kafka"]["environment"]["CLUSTER_ID"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def laptop(oci_registry: OciRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    directory, project = tmp_path_factory.mktemp("compose"), Project.read()
    # Its own MLflow: `prepare` writes to every version of the server that is of a package of Affiant's.
    with (
        MlflowServer(directory / "mlflow") as mlflow,
        broker(project, directory / "kafka") as kafka,
        Collector(directory / "collector") as collector,
    ):
        yield from started(project, directory, oci_registry, mlflow, kafka, collector)


def started(
    project: Project,
    directory: Path,
    oci_registry: OciRegistry,
    mlflow: MlflowServer,
    kafka: KafkaBroker,
    collector: Collector,
) -> Iterator[Laptop]:
    """Prepared, and each that stays running."""
    ports = {service: free_port() for service in PORTS}
    addresses = {f"{service}:{port}": f"{HOST}:{ports[service]}" for service, port in PORTS.items()}
    addresses |= {
        "kafka:9092": kafka.bootstrap,
        "registry:5000": f"{oci_registry.address}/{uuid.uuid4().hex[:8]}",
        "fluentd:24224": collector.address,
        "mlflow:5000": mlflow.address.removeprefix("http://"),
    }
    stage = Stage(project, directory, addresses)
    stage.settings(
        {
            service: {"port" if service in ("gateway", "controller") else "metrics_port": port}
            for service, port in ports.items()
        }
    )
    prepare = stage.process("prepare")
    with prepare:
        assert prepare.wait(deadline_s=180) == 0, prepare.log_text()
    well_before = stage.well("controller")
    with ExitStack() as stack:
        processes = {name: stack.enter_context(stage.process(name)) for name in RUNNING}
        for name, process in processes.items():
            process.wait_until(lambda name=name: answers(stage.page(name)), what="healthy", deadline_s=180)
        yield Laptop(stage, processes, addresses, prepare.log_text(), well_before, mlflow, collector)


def test_health_checks_tell_who_is_well(laptop: Laptop) -> None:
    """As compose.yaml has them: not of one that was not started, but of each that runs."""
    assert not laptop.well_before
    assert all(laptop.stage.well(name) for name in RUNNING)


def test_a_prediction_is_answered_recorded_and_sealed(laptop: Laptop, tmp_path: Path) -> None:
    """By the version that was deployed last, and its record is proved from the notary's trees."""
    status, headers = laptop.ask()
    assert status == 200
    assert f"affiant deploy credit {headers['affiant-model']} --reason 'a better one'" in laptop.prepared
    receipt = tmp_path / "record.tlog-proof"
    prove = ["audit", "prove", headers["affiant-record"], "--out", str(receipt)]
    prove += ["--index", str(tmp_path / "index"), "--config", str(laptop.stage.config("affiant"))]
    wait_until(
        lambda: guarded(lambda: app(args=prove, prog_name="affiant"), prove) == 0,
        what="a proof of the record", deadline_s=60, interval_s=0.5,
        details=laptop.processes["notary"].log_tail,
    )  # fmt: skip
    assert receipt.read_text().startswith("c2sp.org/tlog-proof@v1")


def test_mlflow_shows_each_version_and_what_counts_of_it(laptop: Laptop) -> None:
    """Both packages are kept there, whole; the one that answers is in production, with its gates and who signed."""
    store = MlflowStore(mlflow_access(laptop.mlflow.address))
    digests = dict(re.findall(r"affiant deploy credit (sha256:\w+) --reason '(.+?)'", laptop.prepared))
    assert sorted(digests.values()) == ["a better one", "the first"]
    for digest in digests:
        assert store.pull(digest).digest == digest
    versions = {
        each.tags["affiant.digest"]: each
        for each in Versions(Client(mlflow_access(laptop.mlflow.address))).all()
    }
    assert set(versions) == set(digests)
    stages = {digests[digest]: each.tags["affiant.stage"] for digest, each in versions.items()}
    assert stages == {"a better one": "production", "the first": "retired"}
    for each in versions.values():
        assert each.tags["affiant.gates.credit"] == "passed"
        assert each.tags["affiant.approved.credit.legal"].startswith("lea")


def test_cards_and_tags_come_to_what_is_signed_by_themselves(laptop: Laptop, tmp_path: Path) -> None:
    """By the loops of compose.yaml: cards that were kept before lea signed, and a tag that somebody set by hand."""
    digest = laptop.ask()[1]["affiant-model"]
    versions = Versions(Client(mlflow_access(laptop.mlflow.address)))
    (live,) = [each for each in versions.all() if each.tags["affiant.digest"] == digest]
    versions.set_tag(live, "affiant.stage", "retired")
    touched = {name: tmp_path / name for name in ("tags", "cards")}
    quick = {name: ("--every=0.2", f"--touch={file}") for name, file in touched.items()}

    def stage() -> str:
        return next(each.tags["affiant.stage"] for each in versions.all() if each.number == live.number)

    with laptop.stage.process("tags", *quick["tags"]) as tags:
        tags.wait_until(lambda: stage() == "production", what="the tag that is right", deadline_s=60)
        tags.wait_until(touched["tags"].exists, what="a time that went well", deadline_s=60)
        assert tags.stop() == 0
    with laptop.stage.process("cards", *quick["cards"]) as cards:
        cards.wait_until(touched["cards"].exists, what="cards", deadline_s=60)
        assert cards.stop() == 0
    assert f"kept with {digest}" in cards.log_text()
    shown = ["card", "list", digest, "--json", "--config", str(laptop.stage.config("cards"))]
    told = io.StringIO()
    with redirect_stdout(told):
        assert guarded(lambda: app(args=shown, prog_name="affiant"), shown) == 0
    assert len(json.loads(told.getvalue())["cards"]) == 2


def test_the_traffic_of_its_profile_is_answered(laptop: Laptop) -> None:
    """Its own command, with the key that was made for it alone, until it was answered often enough."""
    with laptop.stage.process("traffic", "--rate=500", "--total=40") as traffic:
        assert traffic.wait(deadline_s=120) == 0, traffic.log_text()
    assert re.search(r"answered: 4\d by sha256:", traffic.log_text())


def test_prometheus_reaches_each_component_and_takes_the_rules(laptop: Laptop, tmp_path: Path) -> None:
    """With the jobs of prometheus.yml, and the rules that were made of the policy in force."""
    jobs = {
        job["job_name"]: [
            laptop.addresses[each] for group in job["static_configs"] for each in group["targets"]
        ]
        for job in yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
        if job["job_name"].startswith("affiant")
    }
    assert set(jobs) == {f"affiant-{name}" for name in RUNNING}
    rules = laptop.stage.volume("alerts") / "affiant-rules.yml"
    with Prometheus(tmp_path / "prometheus", targets=jobs, rules=[rules]) as prometheus:
        wait_until(
            lambda: {each.labels["job"] for each in prometheus.query("up == 1")} == set(jobs),
            what="a scrape of each", details=lambda: str(prometheus.query("up")),
        )  # fmt: skip
        assert {rule["health"] for rule in prometheus.rules()} <= {"ok", "unknown"}
    checked = promtool("check", "rules", rules)
    assert checked.returncode == 0, checked.stdout


def test_alertmanager_takes_its_settings_and_tells_the_controller(laptop: Laptop, tmp_path: Path) -> None:
    """With the file with its token: an alert on which something is to be done becomes a decision."""
    text = (laptop.stage.volume("alerts") / "alertmanager.yml").read_text()
    assert f"http://{laptop.addresses['controller:9467']}/alerts" in text
    assert str(laptop.stage.volume("token") / "controller.token") in text
    labels = {
        "alertname": "AffiantScoreDrift", "severity": "page", "cause": "prediction", ACTION: "roll_back",
        "service": "credit", "digest": "0123456789ab", "slot": "live",
    }  # fmt: skip
    shown = ["controller", "decisions", "--json", "--config", str(laptop.stage.config("controller"))]

    def decided() -> list[dict[str, Any]]:
        told = io.StringIO()
        with redirect_stdout(told):
            assert guarded(lambda: app(args=shown, prog_name="affiant"), shown) == 0
        found: list[dict[str, Any]] = json.loads(told.getvalue())["decisions"]
        return found

    assert decided() == []
    with Alertmanager(tmp_path / "alertmanager", text) as manager:
        checked = amtool(
            f"--alertmanager.url={manager.url}", "alert", "add", *(f"{k}={v}" for k, v in labels.items())
        )
        assert checked.returncode == 0, checked.stdout
        wait_until(decided, what="a decision", details=manager.process.log_tail)
    assert {(each["alert"], each["service"]) for each in decided()} == {("AffiantScoreDrift", "credit")}


def test_who_keeps_the_copy_gets_each_record(laptop: Laptop) -> None:
    """The sidecar speaks Fluentd's protocol to the address of compose.yaml; payloads stay here."""
    record = laptop.ask()[1]["affiant-record"]

    def there() -> bool:
        return any(event.fields.get("record") == record for event in laptop.collector.events())

    laptop.processes["sidecar"].wait_until(there, what="the record in the copy", deadline_s=60)
    (event,) = [each for each in laptop.collector.events() if each.fields.get("record") == record]
    assert event.tag == "affiant.credit"
    assert "payload" not in event.fields


def test_keys_are_their_owners_alone(laptop: Laptop) -> None:
    """Every private file has mode 0600, and no file says two secrets."""
    names = ("notary", "controller", "token", "api", "client", "people")
    private = [
        file
        for name in names
        for file in laptop.stage.volume(name).iterdir()
        if file.suffix not in (".pub", ".lock")
    ]
    kept = {file.name for file in private if "root" not in file.name}
    assert kept == {
        "notary.key", "controller.key", "controller.token", "keys.json", "traffic.key",
        "lea.key", "omar.key", "pipeline.key",
    }  # fmt: skip
    assert {stat.S_IMODE(file.stat().st_mode) for file in private if file.name in kept} == {0o600}
    secret = (laptop.stage.volume("client") / "traffic.key").read_text().strip()
    assert secret not in laptop.prepared
    assert secret not in (laptop.stage.volume("api") / "keys.json").read_text()


@pytest.mark.long
def test_preparing_again_changes_nothing(laptop: Laptop) -> None:
    """What is there is left as it is: the container is started at each `up`."""
    names = ("public", "notary", "controller", "token", "api", "client", "people")
    files = {
        file: file.read_bytes()
        for name in names
        for file in laptop.stage.volume(name).iterdir()
        if file.is_file()
    }
    with laptop.stage.process("prepare") as again:
        assert again.wait(deadline_s=180) == 0, again.log_text()
    said = again.log_text()[len(laptop.prepared) :]
    assert said.endswith("everything is there: the gateway answers for credit\n")
    assert not re.search(
        r"affiant (deploy|approve|gate run|policy propose|roles|controller token|notary keygen)", said
    )
    assert {file: file.read_bytes() for file in files} == files
