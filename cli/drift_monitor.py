"""Asking the running monitor."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final

from audit.config import Config
from audit.errors import LogUnavailable

from .controller_parts import monitor_url

MOST: Final = 64 << 20
_TIMEOUT: Final = 30.0


def figures_of(config: Config) -> list[dict[str, Any]]:
    """What stands of each package that serves, as the monitor of the settings has it.

    Raises:
        LogUnavailable: it does not answer.
        ConfigError: nobody knows where it is.
    """
    from monitoring.settings import ControllerSettings

    address = monitor_url(config, config.section("controller", ControllerSettings))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address.rstrip('/')}/figures", timeout=_TIMEOUT) as answer:
            found = json.loads(answer.read(MOST))
    except urllib.error.HTTPError as error:
        error.close()
        raise LogUnavailable(f"the monitor at {address} answers {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise LogUnavailable(
            f"no monitor answers at {address} ({type(reason).__name__}); is `affiant monitor` running?"
        ) from error
    if not isinstance(found, list):
        raise LogUnavailable(f"what answers at {address} is no monitor")
    return found
