"""Asking the running monitor."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final, NamedTuple

from audit.config import Config
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
    from monitoring.settings import ControllerSettings

    address = monitor_url(config, config.section("controller", ControllerSettings))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address.rstrip('/')}/figures", timeout=_TIMEOUT) as answer:
            leader = answer.headers.get(LEADS)
            found = json.loads(answer.read(MOST))
    except urllib.error.HTTPError as error:
        raise LogUnavailable(f"the monitor at {address} answers {error.code}{_why(error)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise LogUnavailable(
            f"no monitor answers at {address} ({type(reason).__name__}); is `affiant monitor` running?"
        ) from error
    if not isinstance(found, list):
        raise LogUnavailable(f"what answers at {address} is no monitor")
    return Figures(found, address, leader)


def _why(error: urllib.error.HTTPError) -> str:
    """What a monitor says of why there is no answer; empty: nothing that can be read."""
    with error:
        try:
            said = json.loads(error.read(_LONGEST + 1)[: _LONGEST + 1])
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return ""
    why = said.get("detail") if isinstance(said, dict) else None
    return f": {printable(why)}" if isinstance(why, str) else ""
