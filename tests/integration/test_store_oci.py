"""The OCI registry: who is let in, what is refused, and a registry that is gone."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from registry.errors import DigestMismatch, RegistryError, StoreUnavailable
from registry.settings import Credentials, docker_config, store_credentials
from registry.stores.oci import OciStore
from tests.components.oci import OciRegistry
from tests.components.packages import number_package
from tests.components.ports import free_port

# `htpasswd -nbB publisher correct-horse`
HTPASSWD = "publisher:$2y$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n"


class Registry(BaseHTTPRequestHandler):
    """A hostile registry: `answers` maps a path's end to (status, headers, body)."""

    answers: dict[str, tuple[int, dict[str, str], bytes]]
    trickles: str | None = None
    """What comes in single bytes: paths that have this in them."""

    def do_GET(self) -> None:
        """The answer whose end the path has."""
        for end, (status, headers, body) in self.answers.items():
            if self.path.endswith(end):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    if self.trickles is not None and self.trickles in self.path:
                        for place in range(len(body)):
                            self.wfile.write(body[place : place + 1])
                            time.sleep(0.001)
                    else:
                        self.wfile.write(body)
                except ConnectionError:
                    self.close_connection = True
                return
        self.send_response(404)
        self.end_headers()

    do_POST = do_HEAD = do_PUT = do_GET  # noqa: N815 - the names of http.server

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def hostile() -> Iterator[ThreadingHTTPServer]:
    """A server on the loopback that answers what the test says."""
    own = type("Own", (Registry,), {"answers": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def store_at(server: ThreadingHTTPServer) -> OciStore:
    """A store whose registry is the hostile one."""
    return OciStore(f"127.0.0.1:{server.server_port}/models/credit", timeout=5)


def test_a_registry_that_is_not_there_is_said_at_once() -> None:
    """No two minutes of silent retries."""
    with pytest.raises(StoreUnavailable, match="does not answer"):
        OciStore(f"127.0.0.1:{free_port()}/models/credit", timeout=2).list()


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "credit",
        "host/UPPER",
        "host/a:latest",
        "host/a@sha256:0",
        "https://host/a",
        "host/../a",
        "host/a b",
    ],
)
def test_a_reference_that_is_none_is_refused(reference: str) -> None:
    """Registry and repository, nothing else: no tag, no scheme, no path out."""
    with pytest.raises(StoreUnavailable, match="not registry/repository"):
        OciStore(reference)


def test_plain_http_is_spoken_to_the_loopback_alone() -> None:
    """Elsewhere TLS, unless the settings say otherwise."""
    assert OciStore("127.0.0.1:5000/a")._base.startswith("http://")
    assert OciStore("[::1]:5000/a")._base.startswith("http://")
    assert OciStore("localhost:5000/a")._base.startswith("http://")
    assert OciStore("registry.example.com/a")._base.startswith("https://")
    assert OciStore("registry.example.com/a", plain_http=True)._base.startswith("http://")
    assert OciStore("127.0.0.1.example.com/a")._base.startswith("https://")


def test_a_tls_client_never_speaks_plain_http(hostile: ThreadingHTTPServer) -> None:
    """A redirect, an upload location or a token realm with http:// is refused before a byte is sent."""
    import requests

    client = OciStore("registry.example.com/a")._new_client("token")
    with pytest.raises(requests.exceptions.InvalidSchema, match="plain HTTP"):
        client.session.get(f"http://127.0.0.1:{hostile.server_port}/")


def test_more_bytes_than_the_manifest_says_are_not_read(hostile: ThreadingHTTPServer) -> None:
    """A registry that sends without an end is left as soon as one byte too many has come."""
    package = number_package()
    endless = b"\0" * (8 << 20)
    answers = hostile.RequestHandlerClass.answers
    answers["/v2/"] = (200, {}, b"")
    answers[f"/manifests/{package.digest}"] = (200, {}, endless)
    with pytest.raises(DigestMismatch, match="manifest: longer than"):
        store_at(hostile).pull(package.digest)
    answers[f"/manifests/{package.digest}"] = (200, {}, package.manifest)
    for layer in package.parsed.layers:
        answers[f"/blobs/{layer.digest}"] = (200, {}, endless)
    with pytest.raises(DigestMismatch, match=r"model\.ubj: longer than"):
        store_at(hostile).pull(package.digest)


@pytest.mark.parametrize("slow", ["manifest", "blob"])
def test_a_package_that_comes_a_byte_now_and_then_is_not_waited_for(
    hostile: ThreadingHTTPServer, slow: str
) -> None:
    """No wait for a byte is too long, and all of them together would keep the gateway from the next plan."""
    package = number_package()
    answers = hostile.RequestHandlerClass.answers
    answers["/v2/"] = (200, {}, b"")
    answers[f"/manifests/{package.digest}"] = (200, {}, package.manifest)
    for layer in package.parsed.layers:
        answers[f"/blobs/{layer.digest}"] = (200, {}, package.blobs[layer.digest])
    seconds = [0.0]

    def clock() -> float:
        """A second a look: of whoever looks at each part that comes."""
        seconds[0] += 1.0
        return seconds[0]

    hostile.RequestHandlerClass.trickles = slow
    store = OciStore(
        f"127.0.0.1:{hostile.server_port}/models/credit", timeout=5, pull_seconds=2.5, clock=clock
    )
    with pytest.raises(StoreUnavailable, match=r"has not come whole within 2\.5 s"):
        store.pull(package.digest)
    hostile.RequestHandlerClass.trickles = None
    assert store_at(hostile).pull(package.digest) == package


def test_a_connection_that_breaks_is_an_unavailable_store(hostile: ThreadingHTTPServer) -> None:
    """Fewer bytes than announced."""
    package = number_package()
    answers = hostile.RequestHandlerClass.answers
    answers["/v2/"] = (200, {}, b"")
    answers[f"/manifests/{package.digest}"] = (200, {"Content-Length": "5000"}, package.manifest[:10])
    with pytest.raises(RegistryError):
        store_at(hostile).pull(package.digest)


def test_an_upload_does_not_follow_to_another_host(hostile: ThreadingHTTPServer) -> None:
    """The location of an upload may not take our bytes and token elsewhere."""
    answers = hostile.RequestHandlerClass.answers
    answers["/blobs/uploads/"] = (202, {"Location": "http://127.0.0.1:1/elsewhere"}, b"")
    answers["/v2/"] = (200, {}, b"")
    with pytest.raises(StoreUnavailable, match="wants uploads to go to"):
        store_at(hostile).push(number_package())


def test_a_listing_that_is_none_or_goes_elsewhere_is_refused(hostile: ThreadingHTTPServer) -> None:
    """Hostile answers of the tag list."""
    answers = hostile.RequestHandlerClass.answers
    answers["/v2/"] = (200, {}, b"")
    answers["/tags/list?n=1000"] = (200, {}, b"not json")
    with pytest.raises(RegistryError, match="not JSON"):
        store_at(hostile).list()
    answers["/tags/list?n=1000"] = (200, {"Link": '<http://127.0.0.1:1/x>; rel="next"'}, b'{"tags":[]}')
    with pytest.raises(RegistryError, match="next page"):
        store_at(hostile).list()
    answers["/tags/list?n=1000"] = (200, {}, json.dumps({"tags": ["model-../../x", 7, "latest"]}).encode())
    assert len(store_at(hostile).list()) == 0


def guarded(directory: Path) -> tuple[OciRegistry, Path]:
    """A registry that wants a name and a password, and its file of them, which it reads again when that changes."""
    registry = OciRegistry(directory / "registry")
    secrets = directory / "htpasswd"
    secrets.write_text(HTPASSWD)
    registry.process._env["REGISTRY_AUTH"] = "htpasswd"
    registry.process._env["REGISTRY_AUTH_HTPASSWD_REALM"] = "models"
    registry.process._env["REGISTRY_AUTH_HTPASSWD_PATH"] = str(secrets)
    return registry, secrets


def log_in(directory: Path, registry: OciRegistry, name: str) -> Path:
    """Docker's file, as `docker login` writes it."""
    auth = base64.b64encode(f"{name}:correct-horse".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    return docker_config({"DOCKER_CONFIG": str(directory)})


@pytest.mark.oci
def test_a_password_is_asked_for_and_taken_from_settings_or_the_docker_file(tmp_path: Path) -> None:
    """Basic authentication against a real registry: none, wrong, right, and from Docker's file."""
    registry, _ = guarded(tmp_path)
    nowhere = tmp_path / "none.json"
    with registry:
        reference = f"{registry.address}/models/credit"
        for credentials in (None, Credentials("publisher", "wrong")):
            store = OciStore(reference, credentials=credentials, docker_config=nowhere, timeout=10)
            with pytest.raises(StoreUnavailable, match="AFFIANT_STORE_USERNAME"):
                store.push(number_package())
        right = store_credentials(
            {"AFFIANT_STORE_USERNAME": "publisher", "AFFIANT_STORE_PASSWORD": "correct-horse"}
        )
        OciStore(reference, credentials=right, docker_config=nowhere, timeout=10).push(number_package())
        file = log_in(tmp_path, registry, "publisher")
        pulled = OciStore(reference, docker_config=file, timeout=10).pull(number_package().digest)
        assert pulled.digest == number_package().digest
    assert "correct-horse" not in repr(right)


@pytest.mark.oci
def test_a_password_that_is_over_is_read_again(tmp_path: Path) -> None:
    """A cloud's lasts for hours: whoever renews Docker's file need not restart who reads it."""
    registry, secrets = guarded(tmp_path)
    with registry:
        store = OciStore(
            f"{registry.address}/models/credit",
            docker_config=log_in(tmp_path, registry, "publisher"),
            timeout=10,
        )
        digest = store.push(number_package())
        for name in ("second", "third"):
            secrets.write_text(HTPASSWD.replace("publisher", name))
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="docker login"):
                    store.exists(digest)
            log_in(tmp_path, registry, name)
            assert store.pull(digest).digest == digest
        secrets.write_text(HTPASSWD.replace("publisher", "fourth"))
        log_in(tmp_path, registry, "fourth")
        assert store.exists(digest)


@pytest.mark.oci
def test_a_registry_that_stops_is_unavailable_and_comes_back(own_oci_registry: OciRegistry) -> None:
    """The store needs no restart of its own."""
    store = OciStore(f"{own_oci_registry.address}/models/credit", timeout=5)
    store.push(number_package())
    own_oci_registry.kill()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.pull(number_package().digest)
    own_oci_registry.start()
    assert store.pull(number_package().digest).digest == number_package().digest
