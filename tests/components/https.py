"""A server that speaks TLS, and answers every request alike: for what matters is whom its clients believe.

with https_server(authority.issue("server"), b"{}") as server:
...                                     # at server.address
server.heard                            # the requests that came through: "POST /v1/traces"
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.components.certificates import Pem
from tests.components.ports import HOST


@dataclass
class Heard:
    """Where it is, and what it was asked."""

    address: str
    heard: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not believe us goes away in the middle: what the tests want."""


@contextmanager
def https_server(shown: Pem, body: bytes) -> Iterator[Heard]:
    """Answers 200 with this body."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*shown)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def setup(self) -> None:
            # Here, on the request's own thread: the one that accepts waits for nobody's handshake.
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.heard.append(f"{self.command} {self.path.partition('?')[0]}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 — their names there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name there
            """Nothing is said."""

    server = _Server((HOST, 0), Handler)
    told = Heard(f"https://{HOST}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
