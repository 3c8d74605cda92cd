"""A server on a real socket that answers as no good MLflow server does: MLflow itself cannot be made to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class WrongServer:
    """Answers every request with the next of `answers`, the last one again and again, or with what `answer` says of the
    path; `heard` are the requests.
    """

    def __init__(self, answers: list[Answer], answer: Callable[[str], Answer] | None = None) -> None:
        self.heard: list[tuple[str, dict[str, str]]] = []
        self._answers = answers
        self._answer = answer
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.heard.append((self.path, dict(self.headers)))
                if server._answer is not None:
                    status, headers, body = server._answer(self.path)
                else:
                    status, headers, body = server._answers[min(len(server.heard), len(server._answers)) - 1]
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing on the screen."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    @contextmanager
    def running(self) -> Iterator[WrongServer]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()
