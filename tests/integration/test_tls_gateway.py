"""Mutual TLS at the gateway: who shows no certificate of its clients' CA gets to the probes, and no further."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

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
