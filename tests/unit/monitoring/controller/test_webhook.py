"""The webhook over real connections: who is let in, what is read, and what comes of it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from audit.errors import AuditError, KeyRefused
from audit.served_tls import ServedTls
from monitoring.controller.metrics import ControllerMetrics
from monitoring.controller.token import GRACE, LiveTokens, make_token, read_token
from monitoring.controller.waiting import Full
from monitoring.controller.webhook import (
    BOUNDS,
    MOST_BYTES,
    Door,
    WebhookServer,
    application,
)
from monitoring.names import WEBHOOKS
from tests.unit.monitoring.controller.test_alertmanager import alert, message

TOKEN = "t" * 43


class Ear:
    """What a server hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.full = False
        self.why = ""

    def hear(self, alarms: Any) -> dict[str, int]:
        if self.full:
            raise Full
        self.heard += alarms
        return {"accepted": len(list(alarms)), "duplicate": 0, "resolved": 0}

    def told(self) -> list[dict[str, Any]]:
        return [{"outcome": "wait"}]

    def trouble(self) -> str:
        return self.why


class Site:
    def __init__(self, port: int, ear: Ear, metrics: ControllerMetrics) -> None:
        self.port, self.ear, self.metrics = port, ear, metrics
        self.also = ""
        self.server: Any = None

    def ask(
        self, method: str, path: str, body: bytes = b"", token: str | None = TOKEN, **more: Any
    ) -> tuple[int, bytes]:
        """Status and body."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if "tls" in more:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=more["tls"])
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def site(door: Door | None = None, tls: ServedTls | None = None) -> Iterator[Site]:
    """A server that listens."""
    found = Site(0, Ear(), ControllerMetrics())
    pages = application(found.ear, door or Door(lambda: (TOKEN,)), found.metrics, lambda: found.also)
    with WebhookServer("127.0.0.1", 0, pages, tls) as server:
        found.port = server.port
        found.server = server._server
        yield found


@pytest.fixture(name="open_site")
def _open_site() -> Iterator[Site]:
    with site() as found:
        yield found


def test_alarms_come_in_and_are_answered_at_once(open_site: Site) -> None:
    """With what came of them; malformed ones are counted."""
    status, body = open_site.ask("POST", "/alerts", message(alert(), alert(fingerprint="")))
    assert status == 202
    assert json.loads(body) == {"accepted": 1, "duplicate": 0, "resolved": 0, "malformed": 1}
    assert [each.service for each in open_site.ear.heard] == ["credit"]


@pytest.mark.parametrize("token", [None, "", "x" * 43, TOKEN[:-1], TOKEN + "t", "ü" * 20])
def test_forged_without_the_token_nothing_is_heard(open_site: Site, token: str | None) -> None:
    """Nor told; and it is counted."""
    for method, path in (("POST", "/alerts"), ("GET", "/decisions")):
        assert open_site.ask(method, path, message(alert()), token)[0] == 401
    assert open_site.ear.heard == []
    assert open_site.metrics.counted(WEBHOOKS, "unauthorized") == 2


def test_another_scheme_is_none(open_site: Site) -> None:
    """The token as a password, or bare."""
    for value in (f"Basic {TOKEN}", TOKEN, "Bearer"):
        headers = {"Authorization": value}
        assert open_site.ask("POST", "/alerts", message(alert()), None, headers=headers)[0] == 401


def test_no_token_opens_nothing() -> None:
    """An empty one is none, whatever somebody gives."""
    for given in ("Bearer ", "Bearer", ""):
        assert not Door().opens({"HTTP_AUTHORIZATION": given})
        assert not Door(lambda: ("",)).opens({"HTTP_AUTHORIZATION": given})


@pytest.mark.parametrize(
    ("body", "headers", "status", "outcome"),
    [
        (b"no json", {}, 400, "malformed"),
        (message(alert(), version="5"), {}, 400, "malformed"),
        (b"", {"Content-Length": str(MOST_BYTES + 1)}, 413, "too_large"),
        (b"", {"Content-Length": "9" * 40}, 413, "too_large"),
        (b"", {"Content-Length": "-1"}, 411, "malformed"),
        (b"", {"Content-Length": "ten"}, 411, "malformed"),
        (b"", {"Transfer-Encoding": "chunked"}, 411, "malformed"),
    ],
)
def test_what_is_not_read(
    open_site: Site, body: bytes, headers: dict[str, str], status: int, outcome: str
) -> None:
    """The size is looked at before anything is read or parsed."""
    assert open_site.ask("POST", "/alerts", body, headers=headers)[0] == status
    assert open_site.ear.heard == []
    assert open_site.metrics.counted(WEBHOOKS, outcome) == 1


def test_when_it_is_full_it_is_to_be_sent_again(open_site: Site) -> None:
    """Alertmanager tries again after 5xx."""
    open_site.ear.full = True
    assert open_site.ask("POST", "/alerts", message(alert()))[0] == 503


def test_the_other_pages(open_site: Site) -> None:
    """Decisions for who has the token; readiness and metrics for anybody."""
    assert json.loads(open_site.ask("GET", "/decisions")[1]) == {"decisions": [{"outcome": "wait"}]}
    assert open_site.ask("GET", "/readyz", token=None) == (200, b"ok\n")
    open_site.ear.why = "the governance log does not answer"
    assert open_site.ask("GET", "/readyz", token=None) == (503, b"the governance log does not answer\n")
    open_site.ear.why, open_site.also = "", "the thread 'rollouts' has ended unasked"
    assert open_site.ask("GET", "/readyz", token=None)[0] == 503
    assert open_site.ask("GET", "/livez", token=None)[0] == 200
    open_site.ask("POST", "/alerts", b"x")
    scraped = open_site.ask("GET", "/metrics", token=None)[1]
    assert b'affiant_controller_webhooks_total{outcome="malformed"} 1.0' in scraped
    assert open_site.ask("GET", "/alerts")[0] == 405
    assert open_site.ask("GET", "/", token=None)[0] == 404


def test_connections_are_bounded() -> None:
    """Those over it are closed at once; those before are served."""
    with ExitStack() as stack, site() as found:
        found.server.bounds = replace(BOUNDS, silence=60.0)
        assert found.ask("POST", "/alerts", message(alert()))[0] == 202
        for _ in range(BOUNDS.connections + 1):  # the first of them may be there while that one still goes
            stack.enter_context(socket.create_connection(("127.0.0.1", found.port)))
        with pytest.raises((http.client.HTTPException, OSError)):
            found.ask("GET", "/livez")


def test_a_thread_that_cannot_be_begun_keeps_no_place(
    open_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was short of threads for a while has a controller that hears, afterwards."""

    def no_more(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(ThreadingMixIn, "process_request", no_more)
        for _ in range(BOUNDS.connections + 1):
            with pytest.raises((http.client.HTTPException, OSError)):
                open_site.ask("GET", "/livez")
    assert open_site.ask("GET", "/livez")[0] == 200


def cut_off(slow: socket.socket, words: bytes) -> bool:
    """Whether the other side has ended it before all of this was said, a byte at a time."""
    slow.settimeout(20)
    for byte in words:
        try:
            slow.sendall(bytes([byte]))
            slow.settimeout(0.05)
            if slow.recv(1) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


WORDS = b"POST /alerts HTTP/1.1\r\nX: " + b"a" * 1000
HELLO = b"\x16\x03\x01\x02\x00" + b"\x01" + bytes(500)
"""The beginning of a handshake, of which the end never comes."""


@pytest.mark.parametrize("way", ["clear", "handshake", "tls"])
def test_who_says_a_byte_now_and_then_is_cut_off(way: str, tmp_path: Path) -> None:
    """None of the few connections is kept by somebody who never comes to an end: not by a request, in the clear or
    over TLS, nor by shaking hands; and the next one is served.
    """
    authority = Authority(tmp_path, "ours")
    certificate = authority.issue("server")
    tls = None if way == "clear" else ServedTls("controller", certificate, certificate, authority.path)
    client = ssl.create_default_context(cafile=str(authority.path))
    more = {} if tls is None else {"tls": client}
    with site(tls=tls) as found:
        assert found.ask("GET", "/livez", **more)[0] == 200
        found.server.bounds = replace(BOUNDS, longest=0.5, silence=60.0)
        with socket.create_connection(("127.0.0.1", found.port)) as slow:
            said = slow
            if way == "tls":
                with suppress(OSError):  # half a second is short, on a machine that does much else
                    said = client.wrap_socket(slow, server_hostname="localhost")
            with said:
                assert cut_off(said, HELLO if way == "handshake" else WORDS), "it was never cut off"
        found.server.bounds = BOUNDS
        assert found.ask("GET", "/livez", **more)[0] == 200


def test_an_address_that_is_taken_is_said(open_site: Site) -> None:
    """With the table of the settings."""
    pages = application(Ear(), Door(lambda: (TOKEN,)), ControllerMetrics())
    with pytest.raises(AuditError, match=r"\[controller\] cannot listen on 127.0.0.1"):
        WebhookServer("127.0.0.1", open_site.port, pages)


def test_a_token_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    """No message has it."""
    path = tmp_path / "controller.token"
    with pytest.raises(KeyRefused, match="affiant controller token"):
        read_token(path)
    make_token(path)
    token = read_token(path)
    assert len(token) >= 43
    with pytest.raises(KeyRefused, match="is there already"):
        make_token(path)
    assert read_token(path) == token
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="can be read by others") as caught:
        read_token(path)
    assert token not in str(caught.value)
    path.chmod(0o600)
    for wrong in ("", "short", "two words " * 10, "ü" * 40):
        path.write_text(wrong)
        with pytest.raises(KeyRefused, match="holds no token"):
            read_token(path)


def test_a_token_that_was_changed_opens_and_the_one_before_for_a_while(tmp_path: Path) -> None:
    """Senders and the controller have it at different times; who holds an old one does not for ever."""
    path, now = tmp_path / "controller.token", [0.0]
    make_token(path)
    found = [read_token(path)]
    with site(Door(LiveTokens(path, lambda: now[0]))) as served:

        def let_in() -> list[bool]:
            return [served.ask("GET", "/decisions", token=each)[0] == 200 for each in found]

        def change() -> None:
            path.unlink()
            make_token(path)
            found.append(read_token(path))

        assert let_in() == [True]
        change()
        assert let_in() == [True, True]
        now[0] += GRACE - 1
        assert let_in() == [True, True]
        now[0] += 1
        assert let_in() == [False, True]
        change()
        assert let_in() == [False, True, True]
        change()
        assert let_in() == [False, False, True, True]


class Looks(threading.Event):
    """Ends after one look."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return self.waits > 1


def test_the_time_of_the_token_before_begins_without_a_request(tmp_path: Path) -> None:
    """It was changed because it leaked, perhaps, and nothing fired for a week."""
    path, now = tmp_path / "controller.token", [0.0]
    make_token(path)
    before = read_token(path)
    door = Door(LiveTokens(path, lambda: now[0]))
    with site(door) as served:
        path.unlink()
        make_token(path)
        door.watch(Looks())
        now[0] += GRACE
        assert served.ask("GET", "/decisions", token=before)[0] == 401
        assert served.ask("GET", "/decisions", token=read_token(path))[0] == 200


def test_a_token_that_is_none_leaves_the_last_good_one(tmp_path: Path) -> None:
    """Gone, empty, or for others to read: said once, without the token, and taken when it is one."""
    path = tmp_path / "controller.token"
    make_token(path)
    first = read_token(path)
    tokens = LiveTokens(path)
    with capture_logs() as logs:
        path.unlink()
        assert [tokens(), tokens()] == [(first,)] * 2
        path.touch(0o600)
        assert [tokens(), tokens()] == [(first,)] * 2
        path.write_text("n" * 43)
        path.chmod(0o640)
        assert tokens() == (first,)
        path.chmod(0o600)
        assert tokens() == ("n" * 43, first)
    assert [each["log_level"] for each in logs] == ["warning"] * 3 + ["info"]
    assert first not in str(logs)
    assert "n" * 43 not in str(logs)
    with pytest.raises(KeyRefused, match="is not there"):
        LiveTokens(tmp_path / "none")


class Authority:
    """One that signs certificates."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = directory / f"{name}.pem"
        made = self._build(self.name, self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = made.add_extension(usage, critical=True)
        self.path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _build(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def issue(self, name: str) -> Path:
        """A file with a certificate for localhost, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        path = self.directory / f"{name}-{id(self)}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM) + private)
        return path


def test_certificates_open_the_door_and_nothing_else_does(tmp_path: Path) -> None:
    """Of the authority that the settings name; probes need none; the token is none."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    server = ours.issue("server")
    with site(Door(certificates=True), ServedTls("controller", server, server, ours.path)) as found:

        def client(certificate: Path | None) -> ssl.SSLContext:
            context = ssl.create_default_context(cafile=str(ours.path))
            if certificate is not None:
                context.load_cert_chain(certificate)
            return context

        body = message(alert())
        assert found.ask("POST", "/alerts", body, None, tls=client(ours.issue("alertmanager")))[0] == 202
        assert found.ask("POST", "/alerts", body, TOKEN, tls=client(None))[0] == 401
        assert found.ask("GET", "/readyz", token=None, tls=client(None))[0] == 200
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            found.ask("POST", "/alerts", body, TOKEN, tls=client(other.issue("stranger")))
        with pytest.raises((OSError, http.client.HTTPException)):
            found.ask("POST", "/alerts", body)
        assert len(found.ear.heard) == 1


def shown_by(port: int, authority: Authority) -> tuple[int, float]:
    """Serial number and end of the certificate that the server shows."""
    context = ssl.create_default_context(cafile=str(authority.path))
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        shown = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    return shown.serial_number, shown.not_valid_after_utc.timestamp()


def test_a_certificate_that_was_renewed_is_shown_without_a_restart(tmp_path: Path) -> None:
    """And what is in its place and is none is not: the last good one is, until there is another."""
    ours = Authority(tmp_path, "ours")
    first, second = ours.issue("server"), ours.issue("renewed")
    file = tmp_path / "tls.pem"
    file.write_bytes(first.read_bytes())
    tls = ServedTls("controller", file, file, ours.path)
    with site(tls=tls) as found:
        before, end = shown_by(found.port, ours)
        assert tls.end() == end
        key_of_another = first.read_bytes().split(b"-----BEGIN PRIVATE KEY")[1]
        certificate = second.read_bytes().split(b"-----BEGIN PRIVATE KEY")[0]
        for wrong in (b"", certificate + b"-----BEGIN PRIVATE KEY" + key_of_another, None):
            file.unlink() if wrong is None else file.write_bytes(wrong)
            assert shown_by(found.port, ours)[0] == before
        file.write_bytes(second.read_bytes())
        after, end = shown_by(found.port, ours)
        assert after == x509.load_pem_x509_certificate(second.read_bytes()).serial_number != before
        assert tls.end() == end


def test_an_alarm_is_not_taken_while_none_can_be_decided_about(open_site: Site) -> None:
    """It would be in one process's memory alone: its sender keeps it, and comes again, perhaps to another."""
    open_site.ear.why = "the log is away"
    status, body = open_site.ask("POST", "/alerts", message(alert()))
    assert (status, body) == (503, b"the log is away\n")
    assert open_site.ear.heard == []
    assert open_site.metrics.counted(WEBHOOKS, "unready") == 1
    assert open_site.ask("GET", "/decisions")[0] == 200
    open_site.ear.why = ""
    assert open_site.ask("POST", "/alerts", message(alert()))[0] == 202
