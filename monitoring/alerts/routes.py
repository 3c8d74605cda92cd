"""Alertmanager's settings: what goes to the controller, what to people, and what a page makes superfluous.

Secrets are named by the files that hold them, and are never in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from audit.errors import ConfigError

from .form import Match
from .render import dumped
from .rules import ACTION
from .scope import INSTALLATION

ROUTES_FILE: Final = "alertmanager.yml"
PEOPLE: Final = "people"
CONTROLLER: Final = "controller"
GROUPED: Final = ("service", "digest", "slot")
MOST_ALERTS: Final = 500
"""In one message: the controller takes twice as many, and 1 MiB. Of one package only a few of them wait there, so that
they fill no service's places."""
EQUAL: Final = (
    "alertname", "service", "digest", "slot", "feature", "metric", "attribute", "objective", "instance", "journal",
    "topic", "partition", "log", INSTALLATION,
)  # fmt: skip
"""Labels that a warning and a page of the same thing share; a label that neither has is equal."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told. All paths are as Alertmanager will see them."""

    controller: str
    """The controller's webhook, https://host:port/…"""
    token_file: Path | None = None
    """Holds its bearer token."""
    ca_file: Path | None = None
    """Holds the certificates that its server's must be of; the machine's own when None."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    """Of a client certificate, where the controller asks for one."""
    email: str | None = None
    smarthost: str | None = None
    """host:port of the mail server."""
    email_from: str | None = None
    slack_file: Path | None = None
    """Holds a Slack webhook's address, which is a secret."""
    webhook: str | None = None
    """Another webhook for people."""


def check_receivers(receivers: Receivers) -> None:
    """Raises ConfigError: something does not go together, or is no address."""
    for name, url in (("the controller", receivers.controller), ("the webhook", receivers.webhook)):
        if url is None:
            continue
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError as error:
            raise ConfigError(f"{name}: {url!r} is no address") from error
        if not good:
            raise ConfigError(f"{name}: {url!r} is no http:// or https:// address")
        if parts.username or parts.password:
            raise ConfigError(f"{name}: a password does not belong into an address; give a token's file")
    if (receivers.certificate_file is None) != (receivers.key_file is None):
        raise ConfigError("a client certificate and its key go together")
    if receivers.token_file is None and receivers.certificate_file is None:
        raise ConfigError("the controller wants a token's file, or a client certificate")
    if receivers.email is not None and (receivers.smarthost is None or receivers.email_from is None):
        raise ConfigError("mail needs the mail server (host:port) and a sender, too")


def routes_data(receivers: Receivers, of: Sequence[Match] = ()) -> dict[str, Any]:
    """Alertmanager's settings, for 0.25 and newer.

    Args:
        receivers: who is told.
        of: labels of the installation whose controller it is (`scope.of_installation`): MUST be told of no other's.

    Raises:
        ConfigError: see `check_receivers`.
    """
    check_receivers(receivers)
    grouped = [*GROUPED, *(match.label for match in of)]
    return {
        "route": {
            "receiver": PEOPLE,
            "group_by": [*grouped],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "receiver": CONTROLLER,
                    "matchers": [f'{ACTION}=~".+"', *(f'{each.label}="{each.value}"' for each in of)],
                    "group_by": [*grouped],
                    "group_wait": "0s",
                    "group_interval": "1s",
                    # One that was down, or waits for its cool-down, hears of it again.
                    "repeat_interval": "5m",
                    "continue": True,
                },
                {
                    "receiver": PEOPLE,
                    "matchers": ['severity="page"'],
                    "group_by": [*grouped],
                    "group_wait": "0s",
                    "group_interval": "1m",
                    "repeat_interval": "1h",
                },
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity="page"'],
                "target_matchers": ['severity="warn"'],
                "equal": [*dict.fromkeys((*EQUAL, *(match.label for match in of)))],
            }
        ],
        "receivers": [_controller(receivers), _people(receivers)],
    }


def routes_yaml(receivers: Receivers, of: Sequence[Match] = ()) -> str:
    """The same as YAML; says what is left to fill in."""
    head = "# Made by `affiant alerts render`, for Alertmanager 0.25 and newer.\n"
    if not any((receivers.email, receivers.slack_file, receivers.webhook)):
        head += f"# Nobody is told yet: the receiver {PEOPLE!r} has neither mail, nor Slack, nor a webhook.\n"
    return head + dumped(routes_data(receivers, of))


def _controller(receivers: Receivers) -> dict[str, Any]:
    http: dict[str, Any] = {"follow_redirects": False}
    if receivers.token_file is not None:
        http["authorization"] = {"type": "Bearer", "credentials_file": str(receivers.token_file)}
    tls = {
        "ca_file": receivers.ca_file,
        "cert_file": receivers.certificate_file,
        "key_file": receivers.key_file,
    }
    if any(tls.values()):
        http["tls_config"] = {name: str(path) for name, path in tls.items() if path is not None}
    told = {
        "url": receivers.controller,
        "send_resolved": True,
        "max_alerts": MOST_ALERTS,
        "http_config": http,
    }
    return {"name": CONTROLLER, "webhook_configs": [told]}


def _people(receivers: Receivers) -> dict[str, Any]:
    people: dict[str, Any] = {"name": PEOPLE}
    if receivers.email is not None:
        people["email_configs"] = [
            {
                "to": receivers.email,
                "from": receivers.email_from,
                "smarthost": receivers.smarthost,
                "send_resolved": True,
            }
        ]
    if receivers.slack_file is not None:
        people["slack_configs"] = [{"api_url_file": str(receivers.slack_file), "send_resolved": True}]
    if receivers.webhook is not None:
        people["webhook_configs"] = [{"url": receivers.webhook, "send_resolved": True}]
    return people
