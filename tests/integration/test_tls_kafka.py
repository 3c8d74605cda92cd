"""A broker that speaks TLS alone: the product's sidecar, readers and doctor, by certificate and by password.

Each user has the rights of the table (audit/doctor/rights.py), and none else.
"""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from audit.config import load
from audit.doctor import rights
from audit.log import configured_governance_log, configured_log
from audit.log.kafka import KafkaLog, create
from audit.proof.entry import Entry, Key, Kind
from audit.proof.record import parse_record
from cli.errors import UNAVAILABLE
from cli.main import run
from monitoring.state_topic import create_state_topic, state_log
from tests.components.certificates import Authority
from tests.components.journals import write_journal
from tests.components.kafka_secure import SCRAM, SecureBroker
from tests.components.process import Process, wait_until

# A client that is closed while it opens one more connection leaves the socket of that handshake to the collector.
LEFT_OPEN = "ignore:unclosed <ssl.SSLSocket:ResourceWarning"
pytestmark = [pytest.mark.kafka, pytest.mark.filterwarnings(LEFT_OPEN)]
REMARKS = {"disk-slow", "topic-settings"}
"""A busy machine's, and one broker's."""


class Bank:
    """A broker, an authority, and a settings file of each component that speaks to it."""

    def __init__(self, directory: Path, broker: SecureBroker, authority: Authority) -> None:
        self.directory = directory
        self.broker = broker
        self.authority = authority
        admin = load(self.write("admin", bootstrap=f'"{broker.bootstrap}"'))
        self.log = configured_log(admin)
        panes = state_log(admin)
        assert panes is not None
        for log in (self.log, configured_governance_log(admin)):
            assert isinstance(log, KafkaLog)
            assert create(log)
        assert create_state_topic(panes)
        topics = {
            rights.ENTRIES: "affiant-entries",
            rights.GOVERNANCE: "affiant-governance",
            rights.PANES: panes.settings.topic,
        }
        for component, needed in rights.TOPICS.items():
            for which, operations in needed.items():
                broker.allow(component, "TOPIC", topics[which], operations)
            broker.user(component, password=f"of-{component}")
            (directory / f"{component}.password").write_text(f"of-{component}\n")
            (directory / f"{component}.password").chmod(0o600)

    def write(self, name: str, **log: object) -> Path:
        """A settings file with these lines in [log]."""
        lines = "".join(f"{key} = {value}\n" for key, value in log.items())
        path = self.directory / f"{name}.toml"
        path.write_text(
            '[data]\ndirectory = "data"\n[journal]\nfree_after = "acknowledged"\n'
            "[sidecar]\nscan_seconds = 0.1\nmetrics_port = 0\n"
            f'[log]\nbackend = "kafka"\nreplication = 1\n{lines}'
        )
        return path

    def certified(self, component: str, **log: object) -> Path:
        """It shows a certificate."""
        shown = self.authority.issue(component)
        told: dict[str, object] = {
            "bootstrap": f'"{self.broker.ssl}"', "security_protocol": '"SSL"', "ca_file": '"ca.crt"',
            "certificate_file": f'"{shown.certificate.name}"', "key_file": f'"{shown.key.name}"',
        }  # fmt: skip
        return self.write(f"{component}-ssl", **{**told, **log})

    def named(self, component: str, **log: object) -> Path:
        """It logs in with a password."""
        told: dict[str, object] = {
            "bootstrap": f'"{self.broker.sasl_ssl}"', "security_protocol": '"SASL_SSL"', "ca_file": '"ca.crt"',
            "sasl_mechanism": f'"{SCRAM}"', "sasl_username": f'"{component}"',
            "sasl_password_file": f'"{component}.password"',
        }  # fmt: skip
        return self.write(f"{component}-sasl", **{**told, **log})


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    directory = tmp_path_factory.mktemp("bank")
    authority = Authority(directory)
    with SecureBroker(directory / "kafka", authority) as broker:
        yield Bank(directory, broker, authority)
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # here, not in the midst of another test


def doctor(config: Path, component: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, dict[str, Any]]:
    """Its exit code, and its findings by their codes."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--config", str(config), "--only", component, "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return ended.value.code, {each["code"]: each for each in found if each["code"] not in REMARKS}


def test_a_sidecar_ships_by_certificate_and_a_reader_reads_by_password(
    bank: Bank,
) -> None:
    """What the journal has is in the log, once each."""
    records = write_journal(bank.directory / "data", [b"%d" % number for number in range(20)])
    argv = [sys.executable, "-P", "-m", "cli.main", "sidecar", "--config", str(bank.certified("sidecar"))]
    reader = configured_log(load(bank.named("notary"))).reader()
    try:
        with Process(argv, log=bank.directory / "sidecar.log", cwd=Path(__file__).parents[2]) as sidecar:
            wait_until(
                lambda: reader.bounds(0)[1] >= len(records),
                what="20 records in the log", deadline_s=60, details=sidecar.log_text,
            )  # fmt: skip
            assert sidecar.stop() == 0
        end = reader.bounds(0)[1]
        found: list[Entry] = []
        while len(found) < end:
            found += [
                parse_record(each.value or b"").entry for each in reader.read(0, len(found), 1 << 20, 10.0)
            ]
        # Those of the sidecar itself are of no journal.
        ours = [each.record_id for each in found if each.get(Key.KIND) == Kind.INFERENCE]
        assert ours == records
    finally:
        reader.close()


@pytest.mark.parametrize("component", rights.TOPICS)
def test_the_doctor_finds_nothing_wrong_with_each_component_s_own_user(
    bank: Bank, component: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By certificate, with the rights that the chart gives: no more is asked for, and nothing is too much."""
    _, found = doctor(bank.certified(component), component, capsys)
    assert {code for code in found if code.startswith(("topic-", "log-", "certificate-"))} == set(), found


def test_the_doctor_tells_a_reader_who_would_write(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    """The notary's user, in the sidecar's place: by password."""
    code, found = doctor(bank.named("notary"), "sidecar", capsys)
    assert (code, found["topic-rights"]["what"]) == (1, "this user may not WRITE")
    assert "may WRITE" in found["topic-rights-wide"]["what"]


def test_who_is_not_let_in_is_told_so(bank: Bank) -> None:
    """No certificate, one of another authority, another's broker, a wrong password: nobody reads anything."""
    strange = Authority(bank.directory / "strange")
    other = strange.issue("sidecar")
    (bank.directory / "wrong.password").write_text("of-nobody\n")
    refused = (
        bank.write("bare", bootstrap=f'"{bank.broker.ssl}"', security_protocol='"SSL"', ca_file='"ca.crt"'),
        bank.certified("sidecar", certificate_file=f'"{other.certificate}"', key_file=f'"{other.key}"'),
        bank.certified("sidecar", ca_file=f'"{strange.certificate}"'),
        bank.named("sidecar", sasl_password_file='"wrong.password"'),
    )
    # Each in a process of its own, since kafka-python leaves a socket open for each handshake that fails; and for less
    # than the ten seconds that a broker has else.
    brief = (
        "import sys; from audit.log import kafka; kafka.REQUEST_MS = 2_000\n"
        "from cli.main import run; run(sys.argv[1:])"
    )
    asked = [
        Process(
            [sys.executable, "-P", "-c", brief, "topics", "check", "--config", str(config)],
            log=bank.directory / f"refused-{number}.log",
            cwd=Path(__file__).parents[2],
        )
        for number, config in enumerate(refused)
    ]
    with ExitStack() as stack:
        for each in asked:
            stack.enter_context(each)
        assert [each.wait(deadline_s=120) for each in asked] == [UNAVAILABLE] * len(asked)
    assert all("no broker answers there" in each.log_text() for each in asked)
