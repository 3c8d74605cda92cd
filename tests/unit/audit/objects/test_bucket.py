"""What a bucket is sent: on the wire, since the S3 server of the other tests asks for less than S3 does."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from audit.objects.bucket import BucketObjects, open_bucket
from tests.components.ports import HOST

Sent = list[tuple[str, str | None, bytes]]


@pytest.fixture
def sent() -> Sent:
    """Path, checksum and content of each object that was put."""
    return []


@pytest.fixture
def bucket(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketObjects]:
    class Listening(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            sent.append((self.path, self.headers["x-amz-checksum-sha256"], content))
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with HTTPServer((HOST, 0), Listening) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield open_bucket(
                f"s3://bucket/v1?region=eu-central-1&allow_http=true&endpoint=http://{HOST}:{server.server_port}"
            )
        finally:
            server.shutdown()
            thread.join()


def test_each_object_has_its_checksum(bucket: BucketObjects, sent: Sent) -> None:
    """S3 refuses an object without one where a bucket has a rule of retention: nothing would be sealed there."""
    assert bucket.create("entries", b"one")
    bucket.swap("checkpoint", b"two", None)
    bucket.swap("checkpoint", b"three", '"1"')
    assert [(path.rpartition("/")[2], content) for path, _, content in sent] == [
        ("entries", b"one"), ("checkpoint", b"two"), ("checkpoint", b"three"),
    ]  # fmt: skip
    for _, checksum, content in sent:
        assert checksum == b64encode(sha256(content).digest()).decode()
