"""A server's TLS: of files that are renewed while it runs, and so read again when they are others."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from .certificates import end_of
from .errors import KeyRefused
from .proof.printable import printable
from .renewed import Renewed


class ServedTls:
    """What each connection is wrapped with. From any thread.

    Files that were renewed are taken without a restart, as `Renewed` does: a certificate and its key are two files, and
    are not put there at one moment.
    """

    def __init__(
        self,
        component: str,
        certificate: Path,
        key: Path,
        client_ca: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`component`: whose table of the settings names the files. With `client_ca` a certificate that a client shows
        must be of it; who shows none gets to the pages that anybody may see: probes and scrapes.

        Raises:
            KeyRefused: a file is not there, or is not what it should be.
        """
        self._component: Final = component
        self._log: Final = structlog.get_logger(f"affiant.{component}")
        self._files: Final = (certificate, key, *(() if client_ca is None else (client_ca,)))
        self._now: Final = Renewed(self._files, self._made, self._tell, clock)

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        return self._now()[0]

    def renew(self, context: ssl.SSLContext) -> None:
        """Have each handshake of a server that was started with `context`, and keeps it, shake hands by ours.

        What stands in `context` itself is shown to nobody any more. Connections that are open go on. A session that is
        resumed keeps the certificate that its client has shown in the first place.
        """
        context.sni_callback = self._answer

    def _answer(self, shaking: ssl.SSLObject | ssl.SSLSocket, name: str | None, began: object) -> None:
        """ssl's, after each ClientHello: with a name in it and without."""
        shaking.context = self.context()

    def end(self) -> float | None:
        """When the certificate that is shown ends, s since 1970 UTC."""
        return self._now()[1]

    def _tell(self, why: str | None) -> None:
        if why is None:
            self._log.info("the certificate was renewed")
        else:
            self._log.warning(
                "the certificate is as before: what is in its place is none", why=printable(why)
            )

    def _made(self) -> tuple[ssl.SSLContext, float | None]:
        certificate, key, *authority = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key, password="")
            for path in authority:
                context.load_verify_locations(path)
                context.verify_mode = ssl.CERT_OPTIONAL
            end = end_of(certificate.read_bytes())
        except OSError as error:  # ssl's are, too
            raise KeyRefused(f"[{self._component}] TLS: {error.strerror or error}") from error
        return context, end
