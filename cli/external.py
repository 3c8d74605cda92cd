"""What the settings name of what payloads need and the log does not have: the object store, and the payload keys."""

from __future__ import annotations

from audit.config import Config
from audit.payload_keys import LiveKeys
from audit.ship.external import configured_store
from monitoring.read import External


def configured_external(config: Config) -> External:
    """Nothing is asked yet, but for the keys. Raises ConfigError: they cannot be had."""
    keys = LiveKeys(config)
    return External(configured_store(config).get, keys.keys, keys.newer)
