"""Where alarms come in: POST /alerts, and what people and Prometheus ask of a controller.

    POST /alerts      Alertmanager's webhook, version 4; 202 at once, decided later; 503 while nothing can be decided
    GET  /decisions   the last ones, newest first, as JSON; asked for like /alerts
    GET  /metrics, /livez, /readyz

Who may ask for the first two shows the bearer token, or, where the settings name a `client_ca`, a certificate of it.
It is the server that every other component has for its metrics (audit/served.py), with TLS, and with a bound on the
bytes of a body that is held to before anything is parsed.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from audit.proof.errors import FormatError
from audit.proof.printable import printable
from audit.scrape import Collector
from audit.served import PEER, Bounds, Page, PageServer
from audit.served_tls import ServedTls
from monitoring.figures import Alarm
from monitoring.names import WEBHOOKS

from .alertmanager import parse_message
from .metrics import ControllerMetrics
from .waiting import Full

MOST_BYTES: Final = 1 << 20
"""Of a body."""
_SHORT: Final = 64 << 10
LOOK: Final = 2.0
"""Seconds between two looks at the tokens."""
BOUNDS: Final = Bounds(connections=32, silence=5.0, longest=15.0)

log = structlog.get_logger("affiant.controller")

Start = Callable[..., Any]


class Ear(Protocol):
    """What the webhook asks of a controller."""

    def hear(self, alarms: Iterable[Alarm]) -> dict[str, int]:
        """See `Controller.hear`. Raises Full."""
        ...

    def told(self) -> list[dict[str, Any]]:
        """See `Controller.told`."""
        ...

    def trouble(self) -> str:
        """See `Controller.trouble`."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in: with a token, or with a certificate that the TLS layer has verified. One of them is there."""

    tokens: Callable[[], Iterable[str]] = tuple
    """Those that are good now, asked for each request; from any thread."""
    certificates: bool = False

    def opens(self, environ: dict[str, Any]) -> bool:
        """Whether to this request."""
        if self.certificates:
            return environ.get(PEER) is True
        scheme, _, given = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        # Bytes: compare_digest takes no other text than ASCII, and headers come as Latin-1.
        shown = given.strip().encode("latin-1", "replace")
        same = [hmac.compare_digest(shown, each.encode()) for each in self.tokens() if each]
        return scheme.lower() == "bearer" and any(same)

    def watch(self, stop: threading.Event) -> None:
        """Look at the tokens until `stop` is set, whether anybody asks or not: the time that the one before is good for
        MUST begin with the file's change, and not with the first request after it.
        """
        while not stop.wait(LOOK):
            self.tokens()


def application(
    controller: Ear,
    door: Door,
    metrics: ControllerMetrics,
    also: Callable[[], str] = str,
    more: Iterable[Collector] = (),
) -> Page:
    """The pages. `also`: why the process cannot do the rest of its work, for /readyz; empty when it can. `more`: what
    else /metrics shows.
    """
    registry = CollectorRegistry()
    for each in (metrics, *more):
        registry.register(each)
    scraped = make_wsgi_app(registry)

    def answer(  # noqa: PLR0911 - one return an answer
        environ: dict[str, Any], start: Start
    ) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        if path == "/metrics":
            return cast("Iterable[bytes]", scraped(environ, start))
        if path in {"/livez", "/readyz"}:
            why = "" if path == "/livez" else controller.trouble() or also()
            return _text(start, "503 Service Unavailable" if why else "200 OK", why or "ok")
        wanted = {"/alerts": "POST", "/decisions": "GET"}.get(path)
        if wanted is None:
            return _text(start, "404 Not Found", "there is no such page")
        if not door.opens(environ):
            metrics.count(WEBHOOKS, "unauthorized")
            _let_go(environ)
            return _text(start, "401 Unauthorized", "who are you?", [("WWW-Authenticate", "Bearer")])
        if method != wanted:
            return _text(start, "405 Method Not Allowed", f"{wanted} is wanted", [("Allow", wanted)])
        if path == "/decisions":
            return _json(start, "200 OK", {"decisions": controller.told()})
        return _alerts(environ, start, controller, metrics)

    return answer


def _alerts(
    environ: dict[str, Any], start: Start, controller: Ear, metrics: ControllerMetrics
) -> Iterable[bytes]:
    length = str(environ.get("CONTENT_LENGTH", ""))
    if not (length.isascii() and length.isdigit()):
        metrics.count(WEBHOOKS, "malformed")
        return _text(start, "411 Length Required", "Content-Length is wanted")
    if int(length) > MOST_BYTES:
        metrics.count(WEBHOOKS, "too_large")
        return _text(start, "413 Content Too Large", f"at most {MOST_BYTES} bytes")
    body = environ["wsgi.input"].read(int(length))
    try:
        message = parse_message(body)
    except FormatError as error:
        metrics.count(WEBHOOKS, "malformed")
        return _text(start, "400 Bad Request", printable(str(error)))
    for why in message.malformed:
        metrics.count(WEBHOOKS, "malformed")
        log.warning("a webhook's alert was passed over", why=printable(why))
    if why := controller.trouble():
        # Who cannot read the governance log would keep the alarm in memory alone: the sender comes again, perhaps to
        # another that can.
        metrics.count(WEBHOOKS, "unready")
        return _text(start, "503 Service Unavailable", printable(why), [("Retry-After", "5")])
    try:
        counts = controller.hear(message.alarms)
    except Full:
        return _text(start, "503 Service Unavailable", "too many alarms wait", [("Retry-After", "5")])
    return _json(start, "202 Accepted", {**counts, "malformed": len(message.malformed)})


def _let_go(environ: dict[str, Any]) -> None:
    """Read a short body that nobody looks at: a connection that is closed over it may take the answer with it."""
    length = str(environ.get("CONTENT_LENGTH", ""))
    if length.isascii() and length.isdigit() and int(length) <= _SHORT:
        environ["wsgi.input"].read(int(length))


def _text(start: Start, status: str, text: str, headers: Sequence[tuple[str, str]] = ()) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{text}\n".encode()]


def _json(start: Start, status: str, content: Any) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(content).encode()]


class WebhookServer(PageServer):
    """The pages at an address, in a thread. Listens at once."""

    def __init__(self, host: str, port: int, pages: Page, tls: ServedTls | None = None) -> None:
        """`port`: 0 takes a free one. Raises AuditError: the address is taken, or is none."""
        super().__init__(host, port, pages, tls, whose="[controller]", bounds=BOUNDS)
