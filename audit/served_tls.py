"""A server's TLS: of files that are renewed while it runs, and so read again when they are others."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Final

import structlog

from .certificates import chain_end
from .errors import KeyRefused
from .proof.printable import printable

_Seen = tuple[tuple[int, int, int], ...]


class ServedTls:
    """What each connection is wrapped with. From any thread.

    MUST take files that were renewed without a restart, and MUST go on with the last good ones while those that are
    there are none: a certificate and its key are two files, and are not put there at one moment.
    """

    def __init__(self, component: str, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """`component`: whose table of the settings names the files. With `client_ca` a certificate that a client shows
        must be of it; who shows none gets to the pages that anybody may see: probes and scrapes.

        Raises:
            KeyRefused: a file is not there, or is not what it should be.
        """
        self._component: Final = component
        self._log: Final = structlog.get_logger(f"affiant.{component}")
        self._files: Final = (certificate, key, *(() if client_ca is None else (client_ca,)))
        self._lock: Final = threading.Lock()
        self._tried = self._look()
        self._context, self._end = self._made()

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        with self._lock:
            self._renew()
            return self._context

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
            self._log.warning(
                "the certificate is as before: what is in its place is none", why=printable(str(error))
            )
        else:
            self._log.info("the certificate was renewed")

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
            raise KeyRefused(f"[{self._component}] TLS: {error.strerror or error}") from error
        return context, chain_end(certificate)
