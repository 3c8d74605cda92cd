"""uvicorn's HTTP/1.1 protocol, with a short way for requests that arrive whole.

A prediction is a small POST: head and body come in one read, and the answer is one write. uvicorn pays for what
such a request does not need (two checks by regular expression a header, an event, a timer and two writes a
request, a middleware): 15 of the 24 µs that it takes for an empty answer, where the whole prediction takes 35.
Everything else (bodies in parts, pipelining, upgrades, `Expect`, proxies' headers, queries, streamed answers) is
left to uvicorn's own code, request by request. Both ways MUST send the same bytes:
tests/integration/test_http.py holds them to each other.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import uvicorn.config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from .auth import CERTIFICATE
from .connections import BoundedProtocol
from .tls import TLS

_UNUSUAL: Final = frozenset({b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"upgrade"})
_NOT_WHOLE: Final = frozenset({b"connection", b"transfer-encoding"})


def install() -> None:
    """Have uvicorn take `Protocol`, for servers made from now on. BentoML passes it no option for that."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:Protocol"


class _Unheard:
    """In the place of an event that nobody waits for."""

    def set(self) -> None:
        """Nobody hears it."""


_UNHEARD: Final = cast("asyncio.Event", _Unheard())


class Exchange(RequestResponseCycle):
    """A request that is there whole, and its answer: ASGI on one side, one write on the other."""

    disconnected = False
    waiting_for_100_continue = False
    more_body = False
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0

    def __init__(self, protocol: Protocol, scope: Any, body: bytes, *, keep_alive: bool) -> None:
        # Not RequestResponseCycle's: most of what it sets is in the class above.
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.message_event = _UNHEARD
        self._defaults = protocol.defaults
        self._body: bytes | None = body
        self._start: Any = None

    async def receive(self) -> Any:
        """ASGI: the whole body; then, once the answer is sent or the client gone, that."""
        body, self._body = self._body, None
        if body is not None and not self.disconnected:
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.disconnected and not self.response_complete:
            if self.message_event is _UNHEARD:
                self.message_event = asyncio.Event()
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """ASGI. The start is held back until the body is known: mostly, that is all of it."""
        if message["type"] == "http.response.start" and self._start is None and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if self.disconnected or self._send_whole(start, message):
                return
            self.default_headers = self._defaults.headers
            await super().send(start)
        await super().send(message)

    def _send_whole(self, start: Any, message: Any) -> bool:
        """Write the answer, unless it is one that uvicorn must look at."""
        headers, body = start["headers"], message.get("body", b"")
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = value
            elif name in _NOT_WHOLE:
                return False
        if length != b"%d" % len(body) or message.get("more_body") or self.access_log:
            return False
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        # No value that a caller might have a say in can bring a line of its own, or a NUL.
        if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers) or b"\0" in lines:
            return False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(
            b"".join((STATUS_LINE[start["status"]], self._defaults.lines(), lines, end, body))
        )
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class _Defaults:
    """The headers of every answer, as bytes; uvicorn makes a new list each second, for the date."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._seen: Any = None
        self._lines = b""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As uvicorn has them."""
        return list(self._state.default_headers)

    def lines(self) -> bytes:
        """As they are sent."""
        if self._state.default_headers is not self._seen:
            self._seen = self._state.default_headers
            self._lines = b"".join([b"%b: %b\r\n" % header for header in self._seen])
        return self._lines


def _has_shown_a_certificate(transport: Any) -> bool:
    """Whether TLS has seen one, and found it right: one that is not ends the handshake."""
    return bool(transport.get_extra_info("peercert"))


class Protocol(BoundedProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.defaults = _Defaults(self.server_state)
        # Without the headers that it looks at, which are unusual here, the middleware changes nothing.
        app = self.app
        self._bare: Any = app.app if isinstance(app, ProxyHeadersMiddleware) else app
        self._plain = self.limit_concurrency is None and not self.root_path
        self._parts: list[bytes] | None = None
        """The body so far of a request that may come whole; None: uvicorn has the request."""
        tls = self.app_state.get(TLS)
        if tls is not None and self.config.ssl is not None:
            # Before this connection shakes hands. uvicorn makes its context itself, and BentoML passes it no factory.
            tls.renew(self.config.ssl)

    def connection_made(self, transport: Any) -> None:
        """The handshake is over: whether the client has shown a certificate goes along with each of its requests."""
        super().connection_made(transport)
        if self.config.ssl_ca_certs:
            self.app_state = {**self.app_state, CERTIFICATE: _has_shown_a_certificate(transport)}

    def data_received(self, data: bytes) -> None:
        """One read. What has not come whole by its end is uvicorn's."""
        super().data_received(data)
        if self._parts is not None:
            parts, self._parts = self._parts, None
            if not self.transport.is_closing():
                self._give_up(parts)

    def _give_up(self, parts: list[bytes]) -> None:
        self._begin()
        super().on_headers_complete()
        for part in parts:
            super().on_body(part)

    def _begin(self) -> None:
        """What uvicorn does when a message begins, after its head is there."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers

    def on_message_begin(self) -> None:
        """The parser's: only what the next calls need."""
        self._partial = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """The parser's."""
        if self._may_come_whole():
            self._parts = []
        else:
            self._begin()
            super().on_headers_complete()

    def _may_come_whole(self) -> bool:
        url, parser = self.url, self.parser
        return (
            self._plain
            and parser.get_method() == b"POST"
            and not parser.should_upgrade()
            and getattr(self.cycle, "response_complete", True)  # the first request finds None
            and url.startswith(b"/")
            and url.isascii()
            and b"?" not in url
            and b"%" not in url
            and b"#" not in url
            and _UNUSUAL.isdisjoint([name for name, _ in self.headers])
        )

    def on_body(self, body: bytes) -> None:
        """The parser's."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The parser's."""
        self._complete()
        if self._parts is None:
            super().on_message_complete()
            if self.cycle.response_complete:
                self._idle()  # it was answered before it was here whole
            return
        parts, self._parts = self._parts, None
        version = self.parser.get_http_version()
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,  # type: ignore[typeddict-item]
            "method": "POST",
            "root_path": "",
            "path": self.url.decode("ascii"),
            "raw_path": self.url,
            "query_string": b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        self.cycle = Exchange(self, self.scope, body, keep_alive=keep_alive)
        self._start_asgi_task(self.cycle, self._bare)

    def connection_lost(self, exc: Exception | None) -> None:
        """What it had sent is no request any more."""
        super().connection_lost(exc)
        self._parts = None
