"""Spans to a collector that is away, or hangs: what is said of it, and how long the end takes."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.trace import SpanKind
from structlog.testing import capture_logs

from audit.traces import export as export_module
from audit.traces.export import Export
from audit.traces.told import LOGGERS
from tests.components.ports import HOST, free_port
from tests.components.process import wait_until


class Taking(BaseHTTPRequestHandler):
    """Takes whatever comes."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@contextmanager
def collector(port: int) -> Iterator[None]:
    """One that takes spans."""
    with HTTPServer((HOST, port), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def send(export: Export, batches: int) -> None:
    """So many, one after another."""
    for _ in range(batches):
        export.begin("n", None, SpanKind.SERVER, 1, {}).end()
        export._provider.force_flush()


def test_a_collector_that_is_away_is_told_of_once_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not for each batch; and again when it goes away again."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    caplog.set_level(logging.WARNING)
    port = free_port()

    def said() -> list[str]:
        found = [each.getMessage() for each in caplog.records if each.name in LOGGERS]
        caplog.clear()
        return found

    with closing(Export(f"http://{HOST}:{port}/v1/traces", "gateway")) as export:
        send(export, 4)
        first = said()
        assert len(first) == 1
        send(export, 2)
        assert said() == []
        with collector(port), capture_logs() as told:
            send(export, 2)
        assert [each["event"] for each in told] == ["spans reach the collector again"]
        send(export, 2)
        assert len(said()) == 1


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is still under way when `close` has returned, and ends by itself."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    monkeypatch.setattr(export_module, "CLOSE_SECONDS", 0.1)
    with socket.create_server((HOST, 0)) as listening:
        export = Export(f"http://{HOST}:{listening.getsockname()[1]}/v1/traces", "gateway")
        export.begin("n", None, SpanKind.SERVER, 1, {}).end()
        export.close()
        left = [each for each in threading.enumerate() if each.name == "spans-end"]
        assert len(left) == 1
    # Its connection was never taken, and goes with the one that listened.
    wait_until(lambda: not left[0].is_alive(), what="the request has ended")
    assert not any("OtelBatch" in each.name for each in threading.enumerate())
