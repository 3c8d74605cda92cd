"""`affiant doctor` finds what is planted, each by its code, against real components; and nothing in a sound set-up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config, load
from audit.doctor import rights, topics
from audit.doctor.base import Looked
from audit.journal import JournalReader, JournalSettings
from audit.log.kafka import KafkaLog, create
from audit.proof import cbor
from audit.proof.entry import Key
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.proof.record import frame_record, parse_record
from audit.settings import LogSettings
from cli.doctor import content, look
from cli.doctor_checks import Asked
from cli.main import run
from cli.tables import commented_toml
from tests.components.certificates import self_signed
from tests.components.journals import write_journal
from tests.components.kafka import KafkaBroker
from tests.components.oci import OciRegistry
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Process
from tests.components.s3 import S3Server

REMARKS = {"disk-slow"}
"""Which a machine that is busy with other tests may deserve."""


SMALL = JournalSettings(segment_bytes=1 << 20)


def affiant(*arguments: object) -> int:
    """Run the command in this process; its exit code."""
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


@dataclass
class Clinic:
    """A settings file in a directory of its own, and the doctor's word on it."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    def set(self, tables: dict[str, dict[str, Any]] | None = None, text: str = "") -> None:
        """The settings that `affiant init` writes, with some of them set, and more lines."""
        given = {"data": {"directory": "data"}, **(tables or {})}
        (self.directory / "affiant.toml").write_text(commented_toml(given) + text)

    def ask(self, *options: object) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit code, and the findings by their codes."""
        self.capsys.readouterr()
        path = self.directory / "affiant.toml"
        code = affiant("doctor", "--config", path, "--json", *options)
        told = json.loads(self.capsys.readouterr().out)
        assert told["right"] is (code == 0)
        return code, {each["code"]: each for each in told["findings"]}

    def finds(self, code: str, *options: object) -> dict[str, Any]:
        """That finding, which is grave; it says something, somewhere, and what to do."""
        ended, found = self.ask(*options)
        assert code in found, found
        assert ended == (2 if code == "settings" else 1)
        assert all(found[code][key] for key in ("grave", "what", "where", "remedy"))
        return found[code]


@pytest.fixture
def clinic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Clinic:
    """What `affiant init` makes."""
    assert affiant("init", tmp_path / "site") == 0
    made = Clinic(tmp_path / "site", capsys)
    made.set()
    return made


def test_what_init_makes_is_sound(clinic: Clinic) -> None:
    """Before anything runs: nothing to find, nothing made, and a table for people that says so."""
    before = sorted(path.name for path in clinic.directory.iterdir())
    code, found = clinic.ask()
    assert (code, set(found) - REMARKS) == (0, set())
    assert affiant("doctor", "--config", clinic.directory / "affiant.toml") == 0
    assert "0 findings" in clinic.capsys.readouterr().out
    assert sorted(path.name for path in clinic.directory.iterdir()) == before


def test_a_machine_without_models_has_a_doctor_too(clinic: Clinic) -> None:
    """With the sidecar's and the notary's extras alone: no library that reads or serves a model is there."""
    absent = "numpy,onnx,onnxruntime,xgboost,oras,requests,bentoml,uvicorn,securesystemslib,yaml,pandas,duckdb,jinja2"
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}.split(',')))\n"
        "from cli.main import run; run(sys.argv[1:])"
    )
    config = clinic.directory / "affiant.toml"
    for words in (["config", "check"], ["doctor", "--only", "sidecar,notary"]):
        ran = subprocess.run(
            [sys.executable, "-c", code, *words, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")


def test_what_up_runs_is_sound_and_what_does_not_run_is_told(clinic: Clinic) -> None:
    """With --running each component must be ready; a running gateway is asked in test_spans.py."""
    ports = {name: free_port() for name in ("sidecar", "notary", "monitor")}
    clinic.set({name: {"metrics_port": port} for name, port in ports.items()})
    parts = ("--running", "--only", ",".join(ports))
    assert "does not answer" in clinic.finds("component-absent", *parts)["what"]
    config = clinic.directory / "affiant.toml"
    argv = [sys.executable, "-m", "cli.main", "up", "--config", str(config), *parts[1:]]
    with Process(argv, log=clinic.directory / "up.log") as up:
        up.wait_for_log("ready; the record is under", deadline_s=120)
        code, found = clinic.ask(*parts)
        assert (code, set(found) - REMARKS) == (0, set()), found


# ------------------------------------------------------------------ planted, without a broker


def test_a_key_that_others_can_read(clinic: Clinic) -> None:
    """Mode 0644."""
    (clinic.directory / "notary.key").chmod(0o644)
    assert "0644" in clinic.finds("key-mode")["what"]


@pytest.mark.parametrize("apart", [False, True])
def test_a_journals_key_that_others_can_read(clinic: Clinic, *, apart: bool) -> None:
    """Beside what it signs, or where [journal] key_directory has it."""
    site = clinic.directory
    if apart:
        clinic.set({"journal": {"key_directory": "keys"}})
    write_journal(
        site / "data", [b"one"], settings=JournalSettings(key_directory=site / "keys" if apart else None)
    )
    key = site / "keys" / "0" if apart else site / "data" / "journals" / "0" / "key"
    if apart:
        (site / "keys" / "0.new").touch(0o644)  # a draft, and what a volume has of its own
        (site / "keys" / "lost+found").mkdir()
    assert not {"key-mode", "key-malformed"} & set(clinic.ask()[1])
    key.chmod(0o640)
    assert clinic.finds("key-mode")["where"].endswith(str(key))


def test_the_address_at_which_people_are_told_is_a_secret(clinic: Clinic) -> None:
    """Whoever has it can write there; a monitor without it tells nobody."""
    clinic.set({"monitor": {"people_webhook_file": "people"}})
    assert "people are told" in clinic.finds("key-absent", "--only", "monitor")["what"]
    people = clinic.directory / "people"
    people.write_text("http://127.0.0.1:1/secret\n")
    people.chmod(0o644)
    clinic.finds("key-mode", "--only", "monitor")
    people.chmod(0o600)
    code, found = clinic.ask("--only", "monitor")
    assert (code, set(found) - REMARKS) == (0, set()), found


def test_a_key_that_is_none_and_one_that_is_gone(clinic: Clinic) -> None:
    """A file cut short; then no file."""
    key = clinic.directory / "notary.key"
    key.write_bytes(b"short")
    clinic.finds("key-malformed")
    key.unlink()
    clinic.finds("key-absent")
    clinic.set({"notary": {"signer_command": ["kms-sign"]}})  # which has it: there is no file to look for
    assert "key-absent" not in clinic.ask()[1]
    code, found = clinic.ask("--only", "gateway,sidecar")
    assert (code, set(found) - REMARKS) == (
        0,
        set(),
    )  # of a machine where the notary does not run, it is not wanted


def test_an_unknown_setting(clinic: Clinic) -> None:
    """With the nearest one that there is, and the exit code of settings."""
    clinic.set(text='[[plan]]\nservce = "credit"\n')
    assert "did you mean 'service'?" in clinic.finds("settings")["what"]


def test_a_disk_that_is_smaller_than_the_journals_may_grow(clinic: Clinic) -> None:
    """An exabyte."""
    clinic.set({"journal": {"max_bytes": 1 << 60}})
    assert "max_bytes" in clinic.finds("disk-budget")["what"]


def test_a_data_directory_that_takes_no_file(clinic: Clinic) -> None:
    """A file system that nobody can write to, whoever runs this."""
    clinic.set({"data": {"directory": "/proc/sys/affiant"}})
    clinic.finds("data-not-writable")


def test_certificates_that_have_ended_or_are_of_another_key(clinic: Clinic) -> None:
    """And one that ends soon, which is a remark."""
    old, good = self_signed(clinic.directory / "old", days=-1), self_signed(clinic.directory / "good")
    soon = self_signed(clinic.directory / "soon", days=3)

    def serve(certificate: Path, key: Path) -> None:
        clinic.set({"gateway": {"tls_certificate": str(certificate), "tls_key": str(key)}})

    serve(*old)
    clinic.finds("certificate-expired")
    serve(good.certificate, old.key)
    clinic.finds("certificate-unusable")
    serve(*good)
    assert set(clinic.ask()[1]) - REMARKS == set()
    serve(*soon)
    code, found = clinic.ask()
    assert (code, found["certificate-expires"]["grave"]) == (0, False)


def test_what_a_newer_version_has_written(clinic: Clinic) -> None:
    """A journal, its segment, a log, and a tree's state, each of the format after ours; and what never was one."""
    data = clinic.directory / "data"
    write_journal(data, [b"{}"], settings=SMALL)
    assert set(clinic.ask()[1]) - REMARKS == set()
    description = data / "journals/0/journal.json"
    right = description.read_text()
    description.write_text(right.replace('"format": 1', '"format": 2'))
    assert clinic.finds("state-newer")["where"] == str(description)
    description.write_text("{")
    clinic.finds("state-damaged")
    description.write_text(right)
    segment = next((data / "journals/0").glob("*.seg"))
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"AFFJRNL1", b"AFFJRNL2", 1))
    assert clinic.finds("state-newer")["where"] == str(segment)
    segment.write_bytes(whole)
    topic = "ab" * 16
    (data / "log").mkdir()
    (data / "log/topic.json").write_text(
        json.dumps({"format": 1, "name": "affiant-entries", "id": topic, "partitions": 1})
    )
    state = data / f"sealed/{topic}/0/state"
    state.parent.mkdir(parents=True)
    state.write_bytes(cbor.encode({"format": 2}))
    assert clinic.finds("state-newer")["where"] == f"{topic}/0/state"


def test_a_library_that_is_not_the_locked_one(clinic: Clinic) -> None:
    """By the requirements that the environment was made from."""
    locked = clinic.directory / "r.txt"
    locked.write_text("typer==0.0.1 \\\n    --hash=sha256:00\nnothing-here==1.0 ; python_version < '3'\n")
    found = clinic.finds("library-not-locked", "--requirements", locked)
    assert (found["where"], "0.0.1" in found["what"]) == ("typer", True)
    code, _ = clinic.ask("--requirements", Path(__file__).parents[2] / "requirements" / "sidecar.txt")
    assert code == 0


# ------------------------------------------------------------------ planted, with others' servers


def test_addresses_that_name_nothing(clinic: Clinic) -> None:
    """A closed port for each address of the settings, and for Alertmanager's."""
    closed = f"http://{HOST}:{free_port()}"
    clinic.set(
        {
            "monitor": {"webhook": closed},
            "controller": {"monitor_url": closed, "retrain_webhook": closed},
            "telemetry": {"otlp_endpoint": f"{closed}/v1/traces"},
            "store": {"backend": "oci", "reference": f"{closed[7:]}/models"},
        },
        f'[[notary.witnesses]]\nurl = "{closed}"\nkey = "{_witness()}"\n',
    )
    every = "gateway,sidecar,notary,monitor,controller"
    code, found = clinic.ask("--only", every, "--alertmanager", closed)
    assert code == 1
    assert {
        "store-unreachable", "witness-unreachable", "webhook-unreachable", "monitor-unreachable",
        "collector-unreachable", "alertmanager-unreachable",
    } <= set(found)  # fmt: skip


def _witness() -> str:
    return str(VerifierKey("w.test", bytes(31) + b"\1", COSIGNATURE))


@pytest.mark.oci
def test_servers_that_are_another_s(clinic: Clinic, oci_registry: OciRegistry) -> None:
    """A registry answers, and is neither monitor nor Alertmanager nor sidecar; the plan's package is not in it."""
    address = f"http://{oci_registry.address}"
    digest = f"sha256:{'1' * 64}"
    clinic.set(
        {
            "controller": {"monitor_url": address},
            "sidecar": {"metrics_port": oci_registry.port},
            "store": {"backend": "oci", "reference": f"{oci_registry.address}/doctor/models"},
        },
        f'[[plan]]\nservice = "credit"\ndigest = "{digest}"\n',
    )
    _, found = clinic.ask("--only", "gateway,sidecar,controller", "--alertmanager", address)
    assert {"monitor-unreachable", "alertmanager-unreachable", "port-taken", "package-absent"} <= set(found)
    assert digest in found["package-absent"]["what"]
    assert "store-unreachable" not in found


@pytest.mark.oci
@pytest.mark.parametrize(("hours", "code"), [(1, "clock-ahead"), (-1, "clock-behind"), (0, None)])
def test_a_clock_that_is_wrong(
    clinic: Clinic, oci_registry: OciRegistry, hours: int, code: str | None
) -> None:
    """Held against what the registry says, and the file system."""
    clinic.set({"store": {"backend": "oci", "reference": f"{oci_registry.address}/doctor/models"}})
    config = load(clinic.directory / "affiant.toml")
    asked = Asked(config, {"gateway"}, now=lambda: time.time_ns() + hours * 3_600_000_000_000)
    found = {
        (each["code"], each["where"].partition(" of ")[0])
        for each in content(look(asked, quiet=True))["findings"]  # type: ignore[attr-defined]
        if each["code"] not in REMARKS
    }
    assert found == (
        {(code, f"the registry {oci_registry.address}"), (code, "the file system")} if code else set()
    )


@pytest.mark.s3
def test_stores_of_payloads_and_of_what_is_sealed_that_do_not_answer(
    clinic: Clinic, own_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound while their server runs; each is told by its name when it is gone."""
    bucket = own_s3.bucket("kept")
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    stores = {name: f"s3://{bucket.name}/{name}" for name in ("sealed", "objects")}
    clinic.set({"notary": {"store": stores["sealed"]}, "sidecar": {"object_store": stores["objects"]}})
    only = ("--only", "sidecar,notary")
    code, found = clinic.ask(*only)
    assert (code, set(found) - REMARKS) == (0, set()), found
    own_s3.kill()
    code, found = clinic.ask(*only)
    assert code == 1
    assert set(found) - REMARKS == {"sealed-unreachable", "objects-unreachable"}
    for name, url in stores.items():
        told = found[f"{name}-unreachable"]
        assert (told["where"], told["grave"]) == (url, True)
        assert "is the store up" in told["remedy"]
    _, found = clinic.ask("--only", "gateway")  # of a machine that uses neither, neither is asked
    assert not set(found) - REMARKS


def test_a_component_that_runs_and_is_not_ready(clinic: Clinic) -> None:
    """A notary whose store is away answers, and says why; that it shall run makes no difference."""
    port, closed = free_port(), free_port()
    clinic.set(
        {
            "notary": {
                "metrics_port": port,
                "store": f"s3://kept/sealed?endpoint=http://{HOST}:{closed}&region=r&allow_http=true",
            }
        }
    )
    config = clinic.directory / "affiant.toml"
    argv = [sys.executable, "-m", "cli.main", "notary", "run", "--config", str(config)]
    keys = {"AWS_ACCESS_KEY_ID": "of nobody", "AWS_SECRET_ACCESS_KEY": "of nobody"}
    with Process(argv, log=clinic.directory / "notary.log", env=keys) as notary:
        notary.wait_until(lambda: accepts(port), what="listening", deadline_s=60)
        for options in ((), ("--running",)):
            told = clinic.finds("component-not-ready", "--only", "notary", *options)
            assert told["where"] == f"http://{HOST}:{port}"
            assert told["what"].startswith("notary is not ready: ")
            assert "it does not say why" not in told["what"]


# ------------------------------------------------------------------ planted in a cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker with an authorizer, in which all is allowed of what nobody has made a rule for."""
    rules = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with KafkaBroker(tmp_path_factory.mktemp("guarded"), settings=rules) as broker:
        yield broker


@dataclass
class Topics:
    """Names of a log's topics in the cluster, and the settings with them."""

    broker: KafkaBroker
    table: dict[str, Any]

    def log(self, key: str = "topic") -> KafkaLog:
        settings = LogSettings(**{**self.table, "topic": self.table[key]})
        return KafkaLog(settings, Config(Path("/affiant.toml"), {}))

    def allow(self, name: str, *operations: str) -> None:
        """From now on nobody may do anything else with that topic."""
        from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

        with self.log().admin() as admin:
            admin.create_acls(
                [
                    ACL(
                        "User:ANONYMOUS",
                        "*",
                        ACLOperation[each],
                        ACLPermissionType.ALLOW,
                        ResourcePattern(ResourceType.TOPIC, name),
                    )
                    for each in operations
                ]
            )


@pytest.fixture
def entries(clinic: Clinic, cluster: KafkaBroker) -> Topics:
    """Two topics as `affiant topics create` makes them, in the settings of the clinic."""
    mark = uuid.uuid4().hex[:8]
    table = {
        "backend": "kafka", "bootstrap": cluster.bootstrap, "replication": 1,
        "topic": f"entries-{mark}", "governance_topic": f"governance-{mark}",
    }  # fmt: skip
    made = Topics(cluster, table)
    for key in ("topic", "governance_topic"):
        assert create(made.log(key))
    clinic.set({"log": table})
    return made


@pytest.mark.kafka
def test_a_cluster_that_keeps_the_promise_and_rights_that_are_too_many_or_too_few(
    clinic: Clinic, entries: Topics
) -> None:
    """One broker, and a user who may do anything, are remarks; the second goes with rules, and one too few is grave."""
    parts = ("--only", "gateway,sidecar")
    code, found = clinic.ask(*parts)
    assert (code, set(found) - REMARKS) == (0, {"topic-settings", "topic-rights-wide"})
    assert "DELETE" in found["topic-rights-wide"]["what"]
    entries.allow(entries.table["topic"], *rights.WRITES)
    entries.allow(entries.table["governance_topic"], *rights.READS)
    code, found = clinic.ask(*parts)
    assert (code, set(found) - REMARKS) == (0, {"topic-settings"})
    entries.allow(entries.table["governance_topic"], "WRITE")
    assert "may WRITE, which sidecar needs not" in clinic.ask(*parts)[1]["topic-rights-wide"]["what"]
    assert set(clinic.ask("--only", "gateway")[1]) - REMARKS == set()  # which speaks to no broker
    clinic.set({"log": {**entries.table, "topic": entries.table["topic"].replace("entries", "entires")}})
    absent = clinic.finds("topic-absent", *parts)
    assert entries.table["topic"] in absent["what"]
    lacking = Topics(entries.broker, {**entries.table, "topic": f"few-{uuid.uuid4().hex[:8]}"})
    assert create(lacking.log())
    lacking.allow(lacking.table["topic"], *rights.READS)
    clinic.set({"log": lacking.table})
    assert clinic.finds("topic-rights", *parts)["what"] == "this user may not WRITE"


@pytest.mark.kafka
def test_topics_that_lose_records(clinic: Clinic, entries: Topics) -> None:
    """Compaction, retention without an archive, and unclean election, on one topic."""
    name = entries.broker.create_topic(
        f"lossy-{uuid.uuid4().hex[:8]}",
        config={
            "cleanup.policy": "compact",
            "retention.ms": "1000",
            "unclean.leader.election.enable": "true",
        },
    )
    clinic.set({"log": {**entries.table, "topic": name}})
    clinic.ask("--only", "sidecar")
    clinic.capsys.readouterr()
    assert (
        affiant("doctor", "--config", clinic.directory / "affiant.toml", "--only", "sidecar", "--json") == 1
    )
    told = json.loads(clinic.capsys.readouterr().out)["findings"]
    said = [each["what"].split()[0] for each in told if each["code"] == "topic-settings" and each["grave"]]
    assert {"cleanup.policy", "retention.ms", "unclean.leader.election.enable"} <= set(said)


@pytest.mark.kafka
def test_a_gateway_whose_clock_was_ahead_and_a_journal_that_goes_elsewhere(
    clinic: Clinic, entries: Topics
) -> None:
    """A record from tomorrow, which the broker's time shows; and a route to a topic that was made again."""
    data = clinic.directory / "data"
    write_journal(data, [b"{}"], settings=SMALL)
    log = entries.log()
    writer = log.writer(0)
    record = parse_record(JournalReader(data / "journals/0").read(1 << 20)[1].record)
    ahead = {**record.entry.fields, int(Key.COMMITTING): time.time_ns() + 86_400_000_000_000}
    writer.send(frame_record(cbor.encode(ahead), record.payload), b"k")
    writer.wait(10)
    assert writer.delivered().sends == 1
    writer.close()
    route = {
        "journal": "00" * 16,
        "backend": "kafka",
        "topic": log.topic().name,
        "topic_id": "11" * 16,
        "partition": 0,
    }
    (data / "shipping/0/route.json").write_text(json.dumps(route))
    code, found = clinic.ask("--only", "gateway,sidecar")
    assert code == 1
    assert "offset 0" in found["clock-of-records"]["where"]
    assert log.topic().name in found["topic-other"]["what"]
    old = list(topics.times(log, time.time_ns() - 3_600_000_000_000))  # an hour ago by our own clock
    assert [each.ahead > topics.TOLERANCE for each in old if isinstance(each, topics.Reference)] == [True]
    assert not any(isinstance(each, Looked) for each in old)


@pytest.mark.kafka
def test_a_log_in_whose_files_are_not_there(clinic: Clinic, entries: Topics) -> None:
    """It ends nothing: each file is told, and that the log is not to be asked so; and the rest is looked at."""
    absent = {"ca_file": "ca.crt", "sasl_username": "me", "sasl_password_file": "password"}
    clinic.set({"log": {**entries.table, "security_protocol": "SASL_SSL", **absent}})
    code, found = clinic.ask("--only", "sidecar")
    assert code == 1
    assert {"key-absent", "certificate-unusable", "log-unreachable"} <= set(found)
    assert "[log] ca_file" in found["log-unreachable"]["what"]


@pytest.mark.kafka
def test_a_cluster_that_is_not_there(clinic: Clinic, entries: Topics) -> None:
    """Told at once, whatever the clients' own time-outs are."""
    clinic.set({"log": {**entries.table, "bootstrap": f"{HOST}:{free_port()}"}})
    assert "takes a connection" in clinic.finds("log-unreachable")["what"]
