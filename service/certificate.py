"""When the gateway's own TLS certificate ends, for its metrics."""

from __future__ import annotations

from audit.certificates import chain_end
from audit.config import Config

from .settings import GatewaySettings


def certificate_end(config: Config, settings: GatewaySettings) -> float | None:
    """The earliest end of the chain, s since 1970 UTC; None: no TLS, or no certificate that can be read.

    To be asked at the start: what is in the file later is not what is served.
    """
    if settings.tls_certificate is None:
        return None
    return chain_end(config.resolve(settings.tls_certificate))
