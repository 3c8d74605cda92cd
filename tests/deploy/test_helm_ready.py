"""What `helm test` runs in the cluster, run here as it is rendered: the addresses alone are the loopback's."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.components.certificates import Pem, self_signed
from tests.components.ports import HOST, free_port
from tests.deploy.helm_chart import pods

WHO: Final = ("gateway", "notary", "monitor", "controller")
"""In the order in which they are asked. Of `tls` the first and the last have a certificate, and the others none."""
WHY: Final = "nothing is deployed: wait ü"


def asked() -> tuple[str, list[str]]:
    """The script that is rendered, and the addresses that it gets."""
    (pod,) = [each for each in pods("tls") if each.component == "test"]
    container = pod.container("ready")
    assert container["command"] == ["python3", "-c"]
    script, *urls = container["args"]
    assert [url.partition("://")[0] for url in urls] == ["https", "http", "http", "https"]
    return script, urls


@contextmanager
def answering(status: int, shown: Pem | None) -> Iterator[str]:
    """A component that answers so at /readyz, and the address of that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"ready" if status == 200 else WHY.encode()
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        if shown is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*shown)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"{'http' if shown is None else 'https'}://{HOST}:{server.server_port}/readyz"
        finally:
            server.shutdown()
            thread.join()


def told(script: str, urls: Sequence[str]) -> tuple[int, list[str]]:
    """Its exit code, and a line for each address."""
    done = subprocess.run(
        [sys.executable, "-c", script, *urls],
        capture_output=True, text=True, check=False, env={"PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("unready", [None, *WHO])
def test_it_fails_where_one_is_not_ready_and_says_which(tmp_path: Path, unready: str | None) -> None:
    """And asks the others all the same; who is not ready says why. With TLS, whoever made the certificate."""
    script, rendered = asked()
    shown = self_signed(tmp_path)
    with ExitStack() as stack:
        urls = [
            stack.enter_context(
                answering(503 if who == unready else 200, shown if url.startswith("https") else None)
            )
            for who, url in zip(WHO, rendered, strict=True)
        ]
        code, lines = told(script, urls)
    wanted = [
        f"{url} HTTP Error 503: Service Unavailable {WHY}" if who == unready else f"{url} 200"
        for who, url in zip(WHO, urls, strict=True)
    ]
    assert (code, lines) == (0 if unready is None else 1, wanted)


def test_it_fails_where_nobody_answers() -> None:
    """At once, where a pod has gone."""
    script, _ = asked()
    url = f"http://{HOST}:{free_port()}/readyz"
    with answering(200, None) as other:
        code, lines = told(script, [url, other])
    assert code == 1
    assert lines[0].startswith(f"{url} <urlopen error")
    assert lines[1] == f"{other} 200"
