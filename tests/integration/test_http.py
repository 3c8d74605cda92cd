"""The short way through uvicorn and uvicorn's own: the same bytes for the same bytes, however they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service import http

DATE = [(b"date", b"Tue, 24 Nov 2026 00:00:00 GMT")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it got; the path says how it answers."""
    if scope["path"] == "/early":
        body = b"not read"
    else:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
    seen = {
        key: scope[key] for key in ("method", "path", "raw_path", "query_string", "client", "http_version")
    }
    seen["client"] = seen["client"][0]
    body = repr((sorted(seen.items()), sorted(scope["headers"]), body)).encode()
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/boom":
        raise ValueError("as asked")
    if scope["path"] not in ("/chunked", "/parts"):
        headers.append((b"content-length", b"%d" % len(body)))
    if scope["path"] == "/close":
        headers.append((b"connection", b"close"))
    if scope["path"] == "/inject":
        headers.append((b"affiant-record", b"a\r\nset-cookie: b"))
    status = 404 if scope["path"] == "/none" else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if scope["path"] == "/parts":
        for place in range(0, len(body), 10):
            await send({"type": "http.response.body", "body": body[place : place + 10], "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body})


async def exchange(protocol: type[HttpToolsProtocol], reads: Sequence[bytes], **options: Any) -> bytes:
    """What a server with that protocol answers to these reads, one after the other, until it hangs up."""
    config = uvicorn.Config(
        options.pop("app", app), log_config=None, server_header=False, timeout_keep_alive=1, **options
    )
    config.load()
    state = ServerState()
    state.default_headers = list(DATE)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        for part in reads:
            writer.write(part)
            for _ in range(3):  # a turn for the server's read, so that the parts stay parts
                await asyncio.sleep(0)
        answers = b""
        while part := await asyncio.wait_for(reader.read(1 << 16), 10):
            answers += part
    except ConnectionError:
        reject()  # it hung up before it had all: what it said until then may be lost on the way
    else:
        return answers
    finally:
        writer.close()
        server.close()
        await asyncio.gather(*state.tasks, return_exceptions=True)


def request(path: str, body: bytes, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    """One request's bytes."""
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


paths = st.sampled_from(
    [
        "/",
        "/a/b:predict",
        "/none",
        "/chunked",
        "/parts",
        "/early",
        "/close",
        "/boom",
        "/inject",
        "/a?b=c",
        "/%41",
        "/é",
    ]
)
extra = st.lists(
    st.sampled_from(
        [
            "X-A: 1",
            "X-Forwarded-For: 10.0.0.9",
            "Connection: close",
            "Connection: keep-alive",
            "Upgrade: h2c",
            "x-B:  v ",
        ]
    ),
    max_size=2,
    unique=True,
)
requests = st.builds(
    lambda path, body, headers, method, version: request(path, body, *headers, method=method, version=version),
    paths, st.binary(max_size=200), extra, st.sampled_from(["POST", "POST", "GET", "HEAD", "PUT"]),
    st.sampled_from(["1.1", "1.1", "1.0"]),
)  # fmt: skip
LAST = request("/last", b"", "Connection: close")
CLOSING = (b"Connection: close", b"HTTP/1.0", b"/close", b"/boom", b"/inject", "é".encode())
broken = st.sampled_from(
    [b"POST / HTTP/9.9\r\n\r\n", b"\x00\x01", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)


@settings(max_examples=120)
@given(st.lists(requests, min_size=1, max_size=4), st.booleans(), st.none() | broken, st.data())
def test_both_ways_answer_alike(stream: list[bytes], together: bool, end: bytes | None, data: Any) -> None:
    """Whole, in pieces, pipelined, with everything that a request may bring."""
    # What is sent after a server has hung up resets the connection, and with it what was not read yet.
    closes = next((place for place, one in enumerate(stream) if any(word in one for word in CLOSING)), None)
    stream = [*stream, end or LAST] if closes is None else stream[: closes + 1]
    reads = [b"".join(stream)] if together else list(stream)
    if data.draw(st.booleans()):
        whole = b"".join(reads)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
        reads = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    wanted = asyncio.run(exchange(HttpToolsProtocol, reads))
    assert asyncio.run(exchange(http.Protocol, reads)) == wanted


@pytest.mark.parametrize(
    "read",
    [
        request("/a", b"3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        request("/a", b"x" * 200_000),
        request("/a", b"body", "Expect: 100-continue"),
    ],
)
def test_bodies_of_other_kinds_are_answered_alike(read: bytes) -> None:
    """Chunked, larger than a read, and asked for."""
    assert asyncio.run(exchange(http.Protocol, [read, LAST])) == asyncio.run(
        exchange(HttpToolsProtocol, [read, LAST])
    )


def test_a_whole_request_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else this file compares uvicorn with itself."""
    made: list[type] = []
    start = HttpToolsProtocol._start_asgi_task
    monkeypatch.setattr(
        HttpToolsProtocol,
        "_start_asgi_task",
        lambda self, cycle, app: (made.append(type(cycle)), start(self, cycle, app))[1],
    )
    read = request("/v1/models/m:predict", b"{}", "Content-Type: application/json")
    asyncio.run(
        exchange(http.Protocol, [read, read, read[:-1], read[-1:], read.replace(b"predict", b"a?b"), LAST])
    )
    short, long = http.Exchange, RequestResponseCycle
    assert made == [short, short, long, long, short]


def test_an_application_that_waits_for_the_client_to_leave_hears_of_it() -> None:
    """The second `receive` waits, and then says so."""
    heard: list[str] = []

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        heard.append((await receive())["type"])

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange(http.Protocol, [request("/", b"{}")], app=waiting), 0.2)
        while not heard:
            await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert heard == ["http.disconnect"]


@pytest.mark.parametrize("busy", [False, True])
def test_an_idle_connection_is_closed_and_a_busy_one_is_not(busy: bool) -> None:
    """One timer looks; it is told of every request."""

    async def run() -> bool:
        config = uvicorn.Config(app, log_config=None, timeout_keep_alive=0)
        config.timeout_keep_alive = 0.3  # type: ignore[assignment]
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: http.Protocol(config, ServerState(), {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            for _ in range(8 if busy else 1):
                writer.write(request("/", b"{}"))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                if busy:
                    await asyncio.sleep(0.1)
            if busy:
                return not reader.at_eof()
            return await asyncio.wait_for(reader.read(), 10) == b""
        finally:
            writer.close()
            server.close()

    assert asyncio.run(run())


def test_uvicorn_takes_it_once_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name under which uvicorn looks up what BentoML leaves to it."""
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", uvicorn.config.HTTP_PROTOCOLS["auto"])
    http.install()
    config = uvicorn.Config(app, log_config=None)
    config.load()
    assert config.http_protocol_class is http.Protocol
