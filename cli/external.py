"""What the settings name of what payloads need and the log does not have: the object store, and the payload keys."""

from __future__ import annotations

from audit.config import Config
from audit.payload_keys import LiveKeys
from audit.settings import SidecarSettings
from audit.ship.external import ExternalStore
from monitoring.read import External


def configured_external(config: Config) -> External:
    """Nothing is asked yet, but for the keys. Raises ConfigError: they cannot be had."""
    store = config.section("sidecar", SidecarSettings).object_store or config.data / "objects"
    keys = LiveKeys(config)
    return External(ExternalStore(store).get, keys.keys, keys.newer)
