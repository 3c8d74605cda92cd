"""The webhook's TLS: of files that are renewed while it runs, and so read again when they are others."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Final

import structlog

from audit.certificates import chain_end
from audit.errors import KeyRefused
from audit.proof.printable import printable

log = structlog.get_logger("affiant.controller")

_Seen = tuple[tuple[int, int, int], ...]


class ServedTls:
    """What each connection is wrapped with. From any thread.

    MUST take files that were renewed without a restart, and MUST go on with the last good ones while those that are
    there are none: a certificate and its key are two files, and are not put there at one moment.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """With `client_ca` a certificate that a client shows must be of it; who shows none gets to the pages that
        anybody may see: probes and scrapes.

        Raises:
            KeyRefused: a file is not there, or is not what it should be.
        """
        self._files: Final = (certificate, key, *(() if client_ca is None else (client_ca,)))
        self._lock: Final = threading.Lock()
        self._tried = self._look()
        self._context, self._end = self._made()

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        with self._lock:
            self._renew()
            return self._context

    def end(self) -> float | None:
        """When the certificate that is shown ends, s since 1970 UTC."""
        with self._lock:
            self._renew()
            return self._end

    def _renew(self) -> None:
        seen = self._look()
        if seen == self._tried:
            return
        self._tried = seen
        try:
            self._context, self._end = self._made()
        except KeyRefused as error:
            log.warning(
                "the certificate is as before: what is in its place is none", why=printable(str(error))
            )
        else:
            log.info("the certificate was renewed")

    def _look(self) -> _Seen:
        """What tells files apart, also behind a link that was changed; of one that is not there, nothing."""
        found = []
        for path in self._files:
            try:
                of = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((of.st_ino, of.st_mtime_ns, of.st_size))
        return tuple(found)

    def _made(self) -> tuple[ssl.SSLContext, float | None]:
        certificate, key, *authority = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key, password="")
            for path in authority:
                context.load_verify_locations(path)
                context.verify_mode = ssl.CERT_OPTIONAL
        except OSError as error:  # ssl's are, too
            raise KeyRefused(f"[controller] TLS: {error.strerror or error}") from error
        return context, chain_end(certificate)
