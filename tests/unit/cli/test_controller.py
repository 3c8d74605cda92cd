"""`affiant controller decisions` asks the controller of its settings: in the clear, over TLS, with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError
from cli.controller_parts import door_of, monitor_url, tls_of
from monitoring.controller.metrics import ControllerMetrics
from monitoring.controller.token import make_token
from monitoring.controller.webhook import WebhookServer, application
from monitoring.settings import ControllerSettings
from tests.components.approvals import affiant
from tests.unit.monitoring.controller.test_webhook import Authority, Ear


@contextmanager
def running(directory: Path, more: str) -> Iterator[tuple[str, str]]:
    """A server by these settings; the option that names them."""
    path = directory / "affiant.toml"
    path.write_text(f"[controller]\n{more}")
    loaded = load(path)
    settings = loaded.section("controller", ControllerSettings)
    pages = application(Ear(), door_of(loaded, settings), ControllerMetrics())
    with WebhookServer("127.0.0.1", 0, pages, tls_of(loaded, settings)) as server:
        path.write_text(f"[controller]\nport = {server.port}\n{more}")
        yield "--config", str(path)


@pytest.mark.parametrize("way", ["clear", "tls", "certificate"])
def test_the_last_decisions_are_shown(tmp_path: Path, way: str) -> None:
    """As a table and as JSON."""
    make_token(tmp_path / "controller.token")
    authority = Authority(tmp_path, "ours")
    file = authority.issue("server").name
    tls = f'tls_certificate = "{file}"\ntls_key = "{file}"\n'
    more = {"clear": "", "tls": tls, "certificate": f'{tls}client_ca = "{authority.path.name}"\n'}[way]
    with running(tmp_path, more) as config:
        assert affiant("controller", "decisions", "--json", *config).json == {
            "decisions": [{"outcome": "wait"}]
        }
        shown = affiant("controller", "decisions", *config)
    assert shown.code == 0
    assert "wait" in shown.out


def test_a_wrong_token_is_said(tmp_path: Path) -> None:
    """And the token is in no message."""
    path = tmp_path / "other.token"
    make_token(tmp_path / "controller.token")
    with running(tmp_path, "") as config:
        make_token(path)
        settings = Path(config[-1])
        settings.write_text(f'{settings.read_text()}token_file = "{path.name}"\n')
        done = affiant("controller", "decisions", *config)
    assert done.code == 3
    assert "answers 401" in done.err
    assert path.read_text().strip() not in done.err


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('tls_certificate = "a.pem"\n', "go together"),
        ('client_ca = "a.pem"\n', "needs both"),
        ('tls_certificate = "a.pem"\ntls_key = "a.pem"\n', "TLS"),
        ("prt = 1\n", "did you mean 'port'"),
        ('monitor_url = "ftp://x"\n', "monitor_url"),
    ],
)
def test_settings_that_contradict_each_other(tmp_path: Path, more: str, why: str) -> None:
    """Are said before anything listens."""
    make_token(tmp_path / "controller.token")
    (tmp_path / "affiant.toml").write_text(f"[controller]\n{more}")
    done = affiant("controller", "run", "--config", tmp_path / "affiant.toml")
    assert done.code == 2
    assert why in done.err


def test_the_monitor_is_the_one_of_this_machine(tmp_path: Path) -> None:
    """Unless the settings say where."""
    path = tmp_path / "affiant.toml"
    for text, url in (
        ("", "http://127.0.0.1:9466"),
        ('[monitor]\nmetrics_host = "0.0.0.0"\nmetrics_port = 7\n', "http://127.0.0.1:7"),
        ('[monitor]\nmetrics_host = "::1"\nmetrics_port = 7\n', "http://[::1]:7"),
        ('[controller]\nmonitor_url = "https://monitor.example/x"\n', "https://monitor.example/x"),
    ):
        path.write_text(text)
        loaded = load(path)
        assert monitor_url(loaded, loaded.section("controller", ControllerSettings)) == url
    path.write_text("[monitor]\nmetrics_port = 0\n")
    loaded = load(path)
    with pytest.raises(ConfigError, match="monitor_url must say where"):
        monitor_url(loaded, loaded.section("controller", ControllerSettings))
