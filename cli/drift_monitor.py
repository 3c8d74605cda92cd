"""Asking the running monitor."""

from __future__ import annotations

import http.client
import json
import urllib.error
from typing import Any, Final, NamedTuple

from audit.config import Config
from audit.direct import direct
from audit.errors import LogUnavailable
from audit.proof.printable import printable

from .controller_parts import monitor_url

MOST: Final = 64 << 20
_TIMEOUT: Final = 30.0
_LONGEST: Final = 4096
"""Bytes of what is said in place of an answer."""


class Figures(NamedTuple):
    """What stands, and who says so."""

    packages: list[dict[str, Any]]
    """Of each package that serves."""
    address: str
    """Of the monitor that was asked."""
    leader: str | None
    """Of the one that answered, where that is another one."""


def figures_of(config: Config) -> Figures:
    """What stands of each package that serves, as the monitor that leads has it.

    Raises:
        LogUnavailable: no monitor answers, or none leads; the message says who was asked, and who leads.
        ConfigError: nobody knows where a monitor is.
    """
    from monitoring.asking import LEADS

    address = _address(config)
    found, headers = _asked(address, "/figures")
    if not isinstance(found, list):
        raise LogUnavailable(f"what answers at {address} is no monitor")
    return Figures(found, address, headers.get(LEADS))


class Firing(NamedTuple):
    """What fires, as the monitor that was asked evaluates it."""

    alerts: list[dict[str, Any]]
    """`labels`, `annotations`, `since`: s since 1970 UTC."""
    leads: bool
    """Whether it looks at what packages answer, too."""
    address: str


def firing_of(config: Config) -> Firing:
    """What fires, of the rules that the monitor of the settings evaluates by itself.

    Raises:
        LogUnavailable: no monitor answers, or it leaves alerts to Prometheus; the message says who was asked.
        ConfigError: nobody knows where a monitor is.
    """
    from monitoring.alerts.firing import PATH

    address = _address(config)
    found, _ = _asked(address, PATH)
    alerts = found.get("firing") if isinstance(found, dict) else None
    if not isinstance(alerts, list) or not all(_is_alert(each) for each in alerts):
        raise LogUnavailable(f"what answers at {address} is no monitor")
    return Firing(alerts, bool(found.get("leads")), address)


def _is_alert(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("since"), int | float):
        return False
    said = (found.get("labels"), found.get("annotations"))
    return all(
        isinstance(each, dict) and all(isinstance(text, str) for text in each.values()) for each in said
    )


def _address(config: Config) -> str:
    from monitoring.settings import ControllerSettings

    return monitor_url(config, config.section("controller", ControllerSettings))


def _asked(address: str, path: str) -> tuple[Any, Any]:
    """What it answers, of JSON, and the headers. Raises LogUnavailable."""
    try:
        with direct().open(f"{address.rstrip('/')}{path}", timeout=_TIMEOUT) as answer:
            return json.loads(answer.read(MOST)), answer.headers
    except urllib.error.HTTPError as error:
        raise LogUnavailable(f"the monitor at {address} answers {error.code}{_why(error)}") from error
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        reason = getattr(error, "reason", error)
        raise LogUnavailable(
            f"no monitor answers at {address} ({type(reason).__name__}); is `affiant monitor` running?"
        ) from error


def _why(error: urllib.error.HTTPError) -> str:
    """What a monitor says of why there is no answer; empty: nothing that can be read."""
    with error:
        try:
            said = json.loads(error.read(_LONGEST + 1)[: _LONGEST + 1])
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return ""
    why = said.get("detail") if isinstance(said, dict) else None
    return f": {printable(why)}" if isinstance(why, str) else ""
