"""What the mover asks the monitor, over HTTP: an answer, nothing, or that there is none."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from monitoring.rollout.mover import RolloutWaits, fetched

Serve = Callable[[dict[str, tuple[int, bytes, str | None]]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Path → status, body, where it sends on; the server's address."""
    with ExitStack() as stack:

        def start(pages: dict[str, tuple[int, bytes, str | None]]) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    status, body, elsewhere = pages.get(self.path, (404, b"", None))
                    self.send_response(status)
                    if elsewhere is not None:
                        self.send_header("Location", elsewhere)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *_: object) -> None:
                    """Not to the terminal."""

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{server.server_address[1]}"

        yield start


def test_a_comparison_or_none(serve: Serve) -> None:
    """Of the service that is asked for, whatever its name holds; of several canaries, of that one."""
    fetch = fetched(
        serve({
            "/comparison/a%2Fb": (200, b'{"age": 1.0}', None), "/comparison/list": (200, b"[]", None),
            "/comparison/a%2Fb/sha256:cd": (200, b'{"age": 2.0}', None),
        })
    )  # fmt: skip
    assert fetch("a/b", None) == {"age": 1.0}
    assert fetch("a/b", "sha256:cd") == {"age": 2.0}
    assert fetch("list", None) is None
    assert fetch("unknown", None) is None


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ((503, b"", None), "the monitor answers 503"),
        ((200, b"{", None), "the monitor does not answer (JSONDecodeError)"),
        ((200, b"[" * 100_000, None), "the monitor does not answer (RecursionError)"),
        ((200, b'"' + b"x" * (1 << 20) + b'"', None), "the monitor does not answer (JSONDecodeError)"),
    ],
)
def test_what_is_no_answer_waits(serve: Serve, page: tuple[int, bytes, str | None], told: str) -> None:
    """A rollout stays where it is."""
    with pytest.raises(RolloutWaits, match=re.escape(told)):
        fetched(serve({"/comparison/credit": page}))("credit", None)


def test_a_redirect_is_no_answer(serve: Serve) -> None:
    """Whoever could send the controller elsewhere would decide what it counts."""
    elsewhere = serve({"/comparison/credit": (200, b'{"age": 1.0}', None)})
    first = serve({"/comparison/credit": (302, b"", f"{elsewhere}/comparison/credit")})
    with pytest.raises(RolloutWaits, match="answers 302"):
        fetched(first)("credit", None)
