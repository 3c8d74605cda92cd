"""A password, and files of TLS, that change while a process runs: each new client has those of its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.config import Config
from audit.errors import ConfigError, LogUnavailable
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from tests.components.certificates import Authority

BROKERS = "one.invalid:9092,two.invalid:9092"


class Site:
    """A settings file whose user's password, and the authority of whose brokers, stand in files."""

    def __init__(self, directory: Path) -> None:
        self.config = Config(directory / "affiant.toml", {})
        self.password = directory / "password"
        self.password.write_text("first\n")
        self.authority = Authority(directory).certificate
        self.settings = LogSettings(
            backend="kafka", bootstrap=BROKERS, topic="t", security_protocol="SASL_SSL", ca_file=self.authority,
            sasl_mechanism="SCRAM-SHA-512", sasl_username="sidecar", sasl_password_file=self.password,
        )  # fmt: skip

    def log(self) -> KafkaLog:
        return KafkaLog(self.settings, self.config)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def given(log: KafkaLog) -> dict[str, Any]:
    """What kafka-python is given for a new client."""
    return log._connected(lambda **arguments: arguments)


def test_a_new_client_logs_in_with_the_password_of_its_time(site: Site) -> None:
    """Else a sidecar that runs could not come back after a broker's restart, until somebody restarts it, too."""
    log = site.log()
    assert given(log)["sasl_plain_password"] == "first"
    site.password.write_text("second\n")
    found = given(log)
    assert found["sasl_plain_password"] == "second"
    assert found["bootstrap_servers"][0] in BROKERS.split(",")


@pytest.mark.parametrize("wrong", ["password", "authority"])
def test_a_file_that_is_wrong_for_a_moment_is_a_log_that_is_away(site: Site, wrong: str) -> None:
    """Told with its setting; the next client that finds it whole goes on. At the start it is a wrong setting."""
    log, path = site.log(), getattr(site, wrong)
    whole = path.read_bytes()
    path.unlink()
    for ask in (log.topic, log.reader, lambda: log.writer(0), log.check):
        with pytest.raises(LogUnavailable, match=rf"\[log\] .*{path.name}"):
            ask()
    with pytest.raises(ConfigError):
        site.log()
    path.write_bytes(whole)
    assert given(log)["ssl_cafile"] == str(site.authority)


def test_a_password_that_is_no_text_is_told(site: Site) -> None:
    """Its bytes are not."""
    site.password.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="password is no text"):
        site.log()
