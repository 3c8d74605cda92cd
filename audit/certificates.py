"""When TLS certificates end, for metrics: who renews a file knows nothing of a process that has read it before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric

from .config import Config
from .settings import LogSettings

LOG_CERTIFICATE: Final = "affiant_log_certificate_expires_timestamp_seconds"
_OF_LOG: Final = "When the TLS certificate that brokers are shown ends, since 1970 UTC."


def chain_end(certificate: Path) -> float | None:
    """The earliest end of the file's chain, s since 1970 UTC; None: there is no certificate that can be read."""
    try:
        return end_of(certificate.read_bytes())
    except OSError:
        return None  # whoever uses it says what is wrong with it


def end_of(pem: bytes) -> float | None:
    """As `chain_end`, of what such a file holds."""
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return None
    return min((each.not_valid_after_utc.timestamp() for each in chain), default=None)


class CertificateEnd:
    """A collector of one end; nothing where there is none."""

    def __init__(self, name: str, about: str, end: Callable[[], float | None]) -> None:
        """`end`: asked at each scrape, s since 1970 UTC."""
        self._name: Final = name
        self._about: Final = about
        self._end: Final = end

    def collect(self) -> Iterable[Metric]:
        """See `audit.scrape.Collector`."""
        if (end := self._end()) is not None:
            yield GaugeMetricFamily(self._name, self._about, end)


def log_certificate(config: Config) -> CertificateEnd:
    """Of `[log] certificate_file`: each new connection reads that file, so what is in it now is what counts."""
    file = config.section("log", LogSettings).certificate_file
    path = None if file is None else config.resolve(file)
    return CertificateEnd(LOG_CERTIFICATE, _OF_LOG, lambda: None if path is None else chain_end(path))
