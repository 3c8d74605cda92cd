"""Object Lock by the design's rule: what is sealed may be held for years; payloads only when they are encrypted."""

from __future__ import annotations

from audit.config import Config
from audit.errors import ConfigError
from audit.payload_keys import EncryptionSettings
from audit.settings import NotarySettings


def check_lock(config: Config) -> None:
    """Whether [notary] object_lock, the stores and [encryption] go together. Nothing is contacted.

    Raises:
        ConfigError: payloads that are in the clear would be held, and could not be erased.
    """
    settings = config.section("notary", NotarySettings)
    if not settings.object_lock or config.section("encryption", EncryptionSettings).wanted:
        return
    if settings.payload_store is None or bucket(settings.payload_store) == bucket(settings.store or ""):
        raise ConfigError(
            f"{config.path.name}: [notary] object_lock = true would hold payloads that are in the clear: payload_store "
            "must name another bucket, without Object Lock, or [encryption] the keys that payloads are encrypted with"
        )


def bucket(url: str) -> str:
    """Scheme and bucket of a store's URL."""
    return "/".join(url.partition("?")[0].split("/")[:3])
