r"""Two small servers on the loopback: one that is told, one that tells.

with Receiver(token="…") as hook, Exporter("affiant_ready 1\n") as page:
    hook.url; hook.posts[0].body; page.address; page.text = "affiant_ready 0\n"
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.components.ports import HOST
from tests.components.process import wait_until


@dataclass(frozen=True)
class Post:
    """What was posted, and when it came (s since 1970 UTC)."""

    path: str
    headers: Mapping[str, str]
    body: Any
    at: float


class _Server:
    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64  # so that none of those who ask together waits for a second try

        self._server = Server((HOST, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """host:port."""
        return f"{HOST}:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Answers:
    """How a receiver answers; may be changed while it runs."""

    status: int = 200
    hold: threading.Event | None = None
    """Not answered until it is set."""
    first: list[int] = field(default_factory=list)
    """Statuses of the next answers, before `status`."""


class Receiver(_Server):
    """Takes JSON by POST, and keeps it. With a token, others are answered 401 and kept in `refused`."""

    def __init__(self, token: str | None = None) -> None:
        self.posts: list[Post] = []
        self.refused: list[Post] = []
        self.answers = Answers()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                post = Post(self.path, dict(self.headers), json.loads(body), time.time())
                right = token is None or self.headers["Authorization"] == f"Bearer {token}"
                (receiver.posts if right else receiver.refused).append(post)
                answers = receiver.answers
                if answers.hold is not None:
                    answers.hold.wait()
                status = (answers.first.pop(0) if answers.first else answers.status) if right else 401
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    return  # who asked has not waited

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
                """Nothing."""

        super().__init__(Handler)

    def alerts(self, status: str | None = None) -> list[Mapping[str, Any]]:
        """Every alert of every post so far, in their order; of one status only if it is given."""
        found = [alert for post in list(self.posts) for alert in post.body["alerts"]]
        return [alert for alert in found if status is None or alert["status"] == status]

    def wait_for(self, number: int, *, status: str | None = None, deadline_s: float = 30.0) -> None:
        """Return when so many alerts have come.

        Raises:
            ComponentError: after the deadline.
        """
        wait_until(
            lambda: len(self.alerts(status)) >= number,
            what=f"{number} {status or ''} alerts at the webhook",
            deadline_s=deadline_s,
            details=lambda: repr(self.alerts()),
        )


class Exporter(_Server):
    """Serves `text` as /metrics; `elsewhere`: sends on to that address instead."""

    def __init__(self, text: str | bytes = "", elsewhere: str | None = None) -> None:
        self.text: str | bytes = text
        self.scrapes = 0
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = exporter.text
                content = text.encode() if isinstance(text, str) else text
                exporter.scrapes += 1
                self.send_response(200 if elsewhere is None else 302)
                if elsewhere is not None:
                    self.send_header("Location", elsewhere)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
                """Nothing."""

        super().__init__(Handler)
