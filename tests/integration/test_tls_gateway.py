"""TLS at the gateway: who shows no certificate of its clients' CA gets to the probes; what is renewed is shown."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from service.auth import add_key
from tests.components.certificates import Authority, Pem
from tests.components.gateway import Site, start_gateway
from tests.components.packages import number_package

PREDICT = "/v1/models/numbers:predict"
BODY = json.dumps({"instances": [[1.0, 2.0, 3.0]]}).encode()


class House(NamedTuple):
    """A gateway that wants certificates, those whom it believes, and somebody with a key."""

    site: Site
    port: int
    authority: Authority
    key: str

    def ask(
        self, method: str, path: str, shown: Pem | None = None, key: str | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own. Raises ssl.SSLError, OSError: it was not let in."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if shown is not None:
            context.load_cert_chain(*shown)
        headers = {"Content-Type": "application/json", **({} if key is None else {"X-API-Key": key})}
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        try:
            connection.request(method, path, BODY if method == "POST" else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    authority = Authority(directory)
    authority.issue("server")
    site = Site(
        directory,
        gateway={
            "tls_certificate": "server.crt", "tls_key": "server.key", "client_ca": "ca.crt",
            "keys_file": "keys.json",
        },
    )  # fmt: skip
    key = add_key(directory / "keys.json", "batch")
    site.serve("numbers", number_package())
    served = start_gateway(site, scheme="https")
    try:
        yield House(site, served.port, authority, key)
    finally:
        served.process.stop()


def test_who_shows_no_certificate_is_refused_whatever_key_it_has(house: House) -> None:
    """Predictions, on the short way and on uvicorn's own; labels and receipts. What it says is recorded as refused."""
    for path in (PREDICT, f"{PREDICT}?a=b", "/v1/models/numbers:label"):
        status, body = house.ask("POST", path, key=house.key)
        assert status == 401, (path, body)
        assert b"show a certificate" in body
    assert house.ask("GET", f"/v1/records/{'0' * 32}-1/receipt", key=house.key)[0] == 401


def test_probes_and_scrapes_need_none(house: House) -> None:
    """A kubelet has no certificate to show."""
    for path in ("/livez", "/readyz", "/metrics", "/v2/health/ready"):
        assert house.ask("GET", path)[0] == 200


def test_a_certificate_lets_in_and_the_key_says_who_asks(house: House) -> None:
    """Without a key it is no caller; with one it is answered."""
    client = house.authority.issue("client")
    assert house.ask("POST", PREDICT, client)[0] == 401
    status, body = house.ask("POST", PREDICT, client, house.key)
    assert (status, list(json.loads(body))) == (200, ["predictions"])
    assert house.ask("POST", f"{PREDICT}?a=b", client, house.key)[0] == 200


def test_a_certificate_of_others_does_not_connect(house: House, tmp_path: Path) -> None:
    """Of another authority, and of ours when it has ended."""
    stranger = Authority(tmp_path / "strange").issue("client")
    for shown in (stranger, house.authority.issue("ended", days=-1)):
        with pytest.raises(OSError, match=r"(?i)ssl|tls|alert|reset|broken pipe|closed connection"):
            house.ask("POST", PREDICT, shown, house.key)


class Renewing(NamedTuple):
    """A gateway of two workers, and the files that its certificate, key and clients' authority are in."""

    port: int
    log: Path
    pair: Pem
    client_ca: Path
    ours: Authority
    first: Pem

    def put(self, certificate: Path, key: Path) -> None:
        """Renew the pair, file by file, each whole in the other's place."""
        for source, target in zip((certificate, key), self.pair, strict=True):
            draft = target.with_suffix(".new")
            shutil.copy(source, draft)
            draft.replace(target)

    def connect(self, shown: Pem | None = None, name: str | None = None) -> ssl.SSLSocket:
        """One handshake, of a session of its own. Raises ssl.SSLError, OSError: it was not let in."""
        context = ssl.create_default_context(cafile=self.ours.certificate)
        context.check_hostname = name is not None
        if shown is not None:
            context.load_cert_chain(*shown)
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        return context.wrap_socket(plain, server_hostname=name)

    def serials(self) -> set[int]:
        """Of certificates that both workers show, most likely: to who names the server, and to who does not."""
        found = set()
        for number in range(24):
            with self.connect(name="localhost" if number % 2 else None) as secure:
                der = secure.getpeercert(binary_form=True)
                assert der is not None
                found.add(x509.load_der_x509_certificate(der).serial_number)
        return found

    def end(self) -> float:
        """When the certificate ends that one of the workers shows, by its metrics."""
        context = ssl.create_default_context(cafile=self.ours.certificate)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/metrics", context=context) as answer:
            lines = answer.read().decode().splitlines()
        name = "affiant_gateway_certificate_expires_timestamp_seconds"
        return float(next(line for line in lines if line.startswith(name)).split()[-1])


@pytest.fixture
def renewing(tmp_path: Path) -> Iterator[Renewing]:
    ours = Authority(tmp_path / "ours")
    pair, client_ca = Pem(tmp_path / "server.crt", tmp_path / "server.key"), tmp_path / "clients.crt"
    shutil.copy(ours.certificate, client_ca)
    site = Site(
        tmp_path,
        gateway={
            "tls_certificate": "server.crt", "tls_key": "server.key", "client_ca": "clients.crt", "workers": 2,
        },
    )  # fmt: skip
    found = Renewing(0, tmp_path / "gateway.log", pair, client_ca, ours, ours.issue("first", days=20))
    found.put(*found.first)
    site.serve("numbers", number_package())
    served = start_gateway(site, scheme="https")
    try:
        yield found._replace(port=served.port)
    finally:
        served.process.stop()


def _serial(pem: Pem) -> int:
    return x509.load_pem_x509_certificate(pem.certificate.read_bytes()).serial_number


def _asked(secure: ssl.SSLSocket) -> int:
    """The status of one prediction on a connection that stays open."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    secure.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    answer = http.client.HTTPResponse(secure, method="POST")
    answer.begin()
    answer.read()
    return answer.status


def test_a_certificate_that_was_renewed_is_shown_without_a_restart(renewing: Renewing) -> None:
    """By each worker, from the next handshake on; who is connected goes on. What is in its place and does not fit
    together is not shown, and is told; the metric is the end of what is shown.
    """
    first, second = renewing.first, renewing.ours.issue("second", days=60)
    assert renewing.serials() == {_serial(first)}
    before = renewing.end()
    for wrong in ((second.certificate, first.key), (second.key, second.key)):
        renewing.put(*wrong)
        assert renewing.serials() == {_serial(first)}
        assert renewing.end() == before
    assert "what is in its place is none" in renewing.log.read_text()
    with renewing.connect(renewing.ours.issue("client"), "localhost") as open_one:
        assert _asked(open_one) == 200
        renewing.put(*second)
        with renewing.connect():
            assert _asked(open_one) == 200
    assert renewing.serials() == {_serial(second)}
    assert renewing.end() - before > 39 * 86400


def test_an_authority_of_clients_that_was_exchanged_takes_the_others_place(
    renewing: Renewing, tmp_path: Path
) -> None:
    """Who shows a certificate of the new one is answered, who shows one of the old one no longer connects."""
    new = Authority(tmp_path / "new", name="another")
    client = renewing.ours.issue("client")
    with renewing.connect(client, "localhost") as secure:
        assert _asked(secure) == 200
    renewing.client_ca.unlink()
    shutil.copy(new.certificate, renewing.client_ca)
    with renewing.connect(new.issue("client"), "localhost") as secure:
        assert _asked(secure) == 200
    with (
        pytest.raises(OSError, match=r"(?i)ssl|tls|alert|reset|broken pipe|closed connection"),
        renewing.connect(client, "localhost") as secure,
    ):
        _asked(secure)
