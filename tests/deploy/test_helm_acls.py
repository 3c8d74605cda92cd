"""The chart's KafkaUsers on a real broker: with their rules each component does its work, and nothing else."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.config import load
from audit.errors import LogError
from audit.log import configured_governance_log, configured_log
from audit.log.kafka import KafkaLog, create
from cli.main import run
from monitoring.state_topic import create_state_topic, state_log
from registry.stores import LayoutStore
from tests.components.journals import write_journal
from tests.components.kafka import KafkaBroker
from tests.components.packages import number_package
from tests.components.ports import HOST, free_port
from tests.components.process import Process, wait_until
from tests.deploy.helm_chart import of_kind

pytestmark = [pytest.mark.kafka, pytest.mark.long]
USERS = ("gateway", "notary", "monitor", "controller", "operator", "auditor")
FOLLOWING = "follow"
"""Who brings cards and MLflow's tags to what is signed."""


class Guarded:
    """A broker that knows the users and their rules, and a settings file of each."""

    def __init__(self, directory: Path, broker: KafkaBroker, port: int) -> None:
        self.directory = directory
        self.broker = broker
        self.port = port
        self.metrics = {"notary": free_port(), "monitor": free_port()}
        for user in ("admin", *USERS, FOLLOWING):
            (directory / f"{user}.password").write_text(f"of-{user}\n")
            self.config(user).write_text(self._settings(user))

    def config(self, user: str) -> Path:
        return self.directory / f"{user}.toml"

    def _settings(self, user: str) -> str:
        access = (
            f'bootstrap = "{self.broker.bootstrap}"\n'
            if user == "admin"
            else f'bootstrap = "{HOST}:{self.port}"\nsecurity_protocol = "SASL_PLAINTEXT"\nsasl_mechanism = "PLAIN"\n'
            f'sasl_username = "{user}"\nsasl_password_file = "{user}.password"\n'
        )
        return (
            '[data]\ndirectory = "data"\n[journal]\nfree_after = "acknowledged"\n'
            "[sidecar]\nscan_seconds = 0.1\n"
            f'[log]\nbackend = "kafka"\nreplication = 1\n{access}'
            f'[notary]\nname = "log.example"\nmetrics_port = {self.metrics["notary"]}\n'
            f"[monitor]\nmetrics_port = {self.metrics['monitor']}\npane_records = 16\nevaluate = false\n"
        )

    def process(self, user: str, *command: str) -> Process:
        argv = [sys.executable, "-P", "-m", "cli.main", *command, "--config", str(self.config(user))]
        return Process(argv, log=self.directory / f"{user}.log", cwd=Path(__file__).parents[2])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Whoever comes without a name may do anything: it stands for the operator."""
    directory = tmp_path_factory.mktemp("guarded")
    plain, secret, controller = free_port(), free_port(), free_port()
    users = " ".join(f'user_{each}="of-{each}"' for each in (*USERS, FOLLOWING))
    with KafkaBroker(
        directory / "kafka",
        port=plain,
        controller_port=controller,
        settings={
            "listeners": f"CLIENTS://{HOST}:{plain},USERS://{HOST}:{secret},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"CLIENTS://{HOST}:{plain},USERS://{HOST}:{secret}",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,USERS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.users.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        },
    ) as broker:
        made = Guarded(directory, broker, secret)
        admin = load(made.config("admin"))
        for log in (configured_log(admin), configured_governance_log(admin)):
            assert isinstance(log, KafkaLog)
            assert create(log)
        panes = state_log(admin)
        assert panes is not None
        assert create_state_topic(panes)
        _rules(configured_log(admin))
        yield made


def _rules(log: Any) -> None:
    """What Strimzi's operator makes of the chart's KafkaUsers."""
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    words = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
    rules = [
        ACL(
            f"User:{user['metadata']['name'].removeprefix('affiant-')}",
            rule["host"],
            ACLOperation[words[operation]],
            ACLPermissionType.ALLOW,
            ResourcePattern(ResourceType[rule["resource"]["type"].upper()], rule["resource"]["name"]),
        )
        for user in of_kind("bank", "KafkaUser")
        for rule in user["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    ]
    with log.admin() as admin:
        assert not admin.create_acls(rules)["failed"]


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def test_with_its_rules_each_component_does_its_work(
    guarded: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal is shipped, sealed, counted; topics are checked; the governance log is written to."""
    LayoutStore(guarded.directory / "data" / "store").push(number_package())
    write_journal(guarded.directory / "data", [b"%d" % number for number in range(20)])
    run_notary = guarded.process("notary", "notary", "run")
    with pytest.raises(SystemExit):
        run(["notary", "keygen", "--config", str(guarded.config("notary"))])
    with pytest.raises(SystemExit) as ended:
        run(["drain", "--sealed", "0", "--config", str(guarded.config("gateway"))])
    assert not ended.value.code
    with run_notary:
        wait_until(
            lambda: any((guarded.directory / "data" / "sealed").rglob("checkpoint")),
            what="a checkpoint", deadline_s=60, details=run_notary.log_text,
        )  # fmt: skip
    with (counting := guarded.process("monitor", "monitor")):
        wait_until(
            lambda: _ready(guarded.metrics["monitor"]),
            what="a monitor",
            deadline_s=60,
            details=counting.log_text,
        )
    # Who may read all three topics; `helm test` asks as the monitor, too.
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run(["topics", "check", "--json", "--config", str(guarded.config("monitor"))])
    assert not ended.value.code
    assert [each for each in json.loads(capsys.readouterr().out) if each["fatal"]] == []
    for user in ("controller", "operator"):
        _append(configured_governance_log(load(guarded.config(user))))
    for user in ("operator", "auditor"):
        for which in (configured_log, configured_governance_log):
            assert _read(which(load(guarded.config(user)), create=False))


def _read(log: Any) -> list[Any]:
    """Of the first of its partitions that has something."""
    reader = log.reader()
    try:
        for partition in range(log.topic().partitions):
            first, end = reader.bounds(partition)
            if first < end:
                return list(reader.read(partition, first, 1 << 20, 10.0))
        return []
    finally:
        reader.close()


def _append(log: Any) -> None:
    writer = log.writer(0)
    try:
        writer.send(b"value", b"key")
        writer.wait(10)
        assert writer.delivered().sends == 1
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("gateway", "governance"), ("notary", "entries"), ("monitor", "entries"), ("monitor", "governance"),
        ("controller", "entries"), ("operator", "entries"), ("auditor", "entries"), ("auditor", "governance"),
        (FOLLOWING, "entries"), (FOLLOWING, "governance"),
    ],
)  # fmt: skip
def test_nobody_writes_what_is_not_its_own(guarded: Guarded, user: str, topic: str) -> None:
    """Each user, to each log that is another's."""
    config = load(guarded.config(user))
    log = configured_log(config) if topic == "entries" else configured_governance_log(config)
    with pytest.raises(LogError, match=r"(?i)authoriz"):
        _append(log)


def test_what_follows_reads_the_governance_log_and_nothing_of_the_record(guarded: Guarded) -> None:
    """All of the one, and not even how long the other is."""
    _append(configured_governance_log(load(guarded.config("admin"))))
    config = load(guarded.config(FOLLOWING))
    reader = configured_governance_log(config, create=False).reader()
    try:
        first, end = reader.bounds(0)
        assert first < end
        assert reader.read(0, first, 1 << 20, 10.0)
    finally:
        reader.close()
    record = configured_log(config, create=False).reader()
    try:
        with pytest.raises(LogError):
            record.bounds(0)
    finally:
        record.close()


def _altered(admin: Any, how: str) -> Any:
    from kafka import TopicPartition
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, NewTopic, ResourcePattern, ResourceType

    entries = ResourcePattern(ResourceType.TOPIC, "affiant-entries")
    match how:
        case "delete":
            return admin.delete_topics(["affiant-entries"])
        case "cut":
            return admin.delete_records({TopicPartition("affiant-entries", 0): 1})
        case "create":
            return admin.create_topics([NewTopic(name="mine", num_partitions=1, replication_factor=1)])
        case _:
            rule = ACL("User:gateway", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, entries)
            return admin.create_acls([rule])


@pytest.mark.parametrize("how", ["delete", "cut", "create", "allow"])
@pytest.mark.parametrize("user", USERS)
def test_nobody_alters_or_deletes(guarded: Guarded, user: str, how: str) -> None:
    """A topic, its records, the rules themselves."""
    log = configured_log(load(guarded.config(user)))
    assert isinstance(log, KafkaLog)
    try:
        with log.admin() as admin:
            said = str(_altered(admin, how))
    except LogError as error:
        said = str(error)
    assert re.search(r"(?i)authoriz", said), said
    assert log.topic().partitions == 1
