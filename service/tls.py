"""The gateway's TLS: uvicorn makes its context at the start, from files that are renewed before it ends."""

from __future__ import annotations

from typing import Final

from audit.config import Config
from audit.served_tls import ServedTls

from .settings import GatewaySettings

TLS: Final = "affiant.tls"
"""In the lifespan's state, which uvicorn hands to each connection: what its handshake is by (http.py)."""


def served_tls(config: Config, settings: GatewaySettings) -> ServedTls | None:
    """What [gateway] names; None: it wants no TLS.

    Raises:
        KeyRefused: a file is not there, or is not what it should be.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    authority = None if settings.client_ca is None else config.resolve(settings.client_ca)
    pair = config.resolve(settings.tls_certificate), config.resolve(settings.tls_key)
    return ServedTls("gateway", *pair, authority)
