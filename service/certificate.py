"""When the gateway's own TLS certificate ends, for its metrics."""

from __future__ import annotations

from cryptography import x509

from audit.config import Config

from .settings import GatewaySettings


def certificate_end(config: Config, settings: GatewaySettings) -> float | None:
    """The earliest end of the chain, s since 1970 UTC; None: no TLS, or no certificate that can be read.

    To be asked at the start: what is in the file later is not what is served.
    """
    if settings.tls_certificate is None:
        return None
    try:
        chain = x509.load_pem_x509_certificates(config.resolve(settings.tls_certificate).read_bytes())
    except (OSError, ValueError):
        return None  # whoever serves it says what is wrong with it
    return min((each.not_valid_after_utc.timestamp() for each in chain), default=None)
