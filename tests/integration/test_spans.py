"""Spans go to a collector's address when the caller sampled the request, and only then."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.spans import parent_of
from tests.components.gateway import Site, start_gateway
from tests.components.packages import credit_package
from tests.integration.test_gateway_process import ROWS

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP/HTTP receiver: its address, and the spans that came."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                raw = gzip.decompress(raw)
            for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_sampled_request_is_seen_with_its_steps_and_another_is_not(
    tmp_path: Path, collector: tuple[str, list[Any]]
) -> None:
    """Parent, steps in their order, nothing of the unsampled one; a stop exports what waits."""
    address, spans = collector
    site = Site(tmp_path, telemetry={"otlp_endpoint": address})
    site.serve("credit", credit_package())
    served = start_gateway(site)
    try:
        for flag in ("00", "01"):
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
            headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{SPAN}-{flag}"}
            body = json.dumps({"instances": ROWS[:1]})
            connection.request("POST", "/v1/models/credit:predict", body, headers)
            assert connection.getresponse().read()
            connection.close()
        assert served.process.stop(deadline_s=60) == 0
    finally:
        served.process.kill()
    (root,) = [span for span in spans if span.parent_span_id.hex() == SPAN]
    assert root.trace_id.hex() == TRACE
    steps = [span for span in spans if span.parent_span_id == root.span_id]
    assert [span.name for span in steps] == ["parse", "predict", "journal"]
    assert len(spans) == 4
    times = [root.start_time_unix_nano, *(one.end_time_unix_nano for one in steps), root.end_time_unix_nano]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        f"00-{TRACE}-{SPAN}-00".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"01-{TRACE}-{SPAN}-01".encode(),
    ],
)
def test_anything_else_is_not_sampled(value: bytes) -> None:
    """Malformed headers are strangers' input: they are passed over."""
    assert parent_of({b"traceparent": value}) is None
