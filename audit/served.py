"""A small HTTP server of few pages, which nobody can take from the others.

The standard library serves it: short messages, now and then, of clients that we know. Its bounds (connections at once,
seconds of silence, seconds in all) are held to before anything is read.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from time import sleep
from types import TracebackType
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from .errors import AuditError
from .served_tls import ServedTls

Page = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""
PEER: Final = "affiant.peer"
"""In a request's environment: whether the client has shown a certificate that holds."""
_POLL: Final = 0.1
"""Seconds between two looks whether it is to end."""
_REST: Final = 0.5
"""Seconds that nobody is taken in after there was no descriptor for a connection, which goes on waiting at the door."""
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a server's connections."""

    connections: int = 32
    """At once; one more is closed."""
    silence: float = 5.0
    """Seconds that a connection may say nothing, or take nothing."""
    longest: float = 15.0
    """Seconds that a connection may take in all."""


class _Handler(WSGIRequestHandler):
    timeout = None  # the connection's, of `process_request_thread`

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        environ[PEER] = isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())
        return environ

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's name
        """Scrapes are not news."""


class _Server(ThreadingMixIn, WSGIServer):
    """One thread a connection, and one more that ends it in time; not more of them than are allowed: a page that waits
    for a store keeps nobody from a probe. TLS is shaken hands about in the connection's thread.
    """

    daemon_threads = True
    tls: ServedTls | None = None
    bounds = Bounds()

    def __init__(self, *args: Any, **more: Any) -> None:
        self._free = threading.BoundedSemaphore(self.bounds.connections)
        self.request_queue_size = 2 * self.bounds.connections
        super().__init__(*args, **more)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _FULL:
                # It waits yet, and would be found again at once, for as long as there is no descriptor.
                sleep(_REST)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # no thread can be begun: its place is free for when one can
                self._free.release()
                raise
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        over: threading.Timer | None = None
        try:
            request.settimeout(self.bounds.silence)
            if self.tls is not None:
                # Without its handshake, which the bound below is for, too: what is wrapped has no connection of its own
                # any more that could be cut.
                request = self.tls.context().wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
            # A byte now and then is no silence: nobody keeps one of few connections for longer than its work needs.
            over = threading.Timer(self.bounds.longest, _cut, (request,))
            over.daemon = True
            over.start()
            if self.tls is not None:
                request.do_handshake()
            self.finish_request(request, client_address)
        except OSError:
            pass  # a client that went away, said nothing, or has no certificate that holds: ssl's errors are OSErrors
        finally:
            if over is not None:
                over.cancel()
            self.shutdown_request(request)
            self._free.release()


def _cut(request: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        # The connection's own: that of TLS lets go of what another thread reads from at this moment.
        socket.socket.shutdown(request, socket.SHUT_RDWR)


class PageServer:
    """The pages at an address, in a thread. Listens at once."""

    def __init__(
        self,
        host: str,
        port: int,
        pages: Page,
        tls: ServedTls | None = None,
        *,
        whose: str,
        bounds: Bounds | None = None,
    ) -> None:
        """`port`: 0 takes a free one. `whose`: the table of the settings that names it, for what is said.

        Raises:
            AuditError: the address is taken, or is none.
        """
        of = {"address_family": _family(host), "tls": tls, "bounds": bounds or Bounds()}
        try:
            self._server: WSGIServer = make_server(
                host, port, pages, type("Server", (_Server,), of), _Handler
            )
        except OSError as error:
            raise AuditError(f"{whose} cannot listen on {host}:{port}: {error.strerror}") from error
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="pages", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
