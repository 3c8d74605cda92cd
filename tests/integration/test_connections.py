"""A connection is closed when its client keeps the gateway waiting, and there are never more than there is room for."""

from __future__ import annotations

import asyncio
import resource
import socket
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from service import http
from service.connections import BOUNDS, Bounds, most_connections
from tests.integration.test_http import app, request


class Task:
    """An application that is at work until the test says otherwise."""

    def add_done_callback(self, _: object) -> None:
        """It is never done."""


class Turns:
    """In a loop's place: a clock that the test moves, and what is to be called by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Any]] = []
        self.made = 0

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Any) -> Any:
        self.made += 1
        entry = (self.now + seconds, call)
        self.calls.append(entry)
        return SimpleNamespace(cancel=lambda: self.calls.remove(entry))

    def create_task(self, work: Any, **_: Any) -> Any:
        work.close()
        return Task()

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := min(
            (each for each in self.calls if each[0] <= end), key=lambda each: each[0], default=None
        ):
            self.calls.remove(due)
            self.now = due[0]
            due[1]()
        self.now = end


class Wire(asyncio.Transport):
    """One end of a connection: what was written, and how it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.closed, self.aborted, self.unsent = b"", False, False, 0

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


class Held:
    """Connections of a gateway that has room for `places` of them, and waits 30 s for a request."""

    def __init__(self, places: int = 100) -> None:
        self.turns = Turns()
        self.refused = 0
        self.state = ServerState()
        self.config = uvicorn.Config(app, log_config=None, lifespan="off")
        self.config.load()
        self.bounds = Bounds(30.0, places, self.refuse)
        self.make = http.Protocol

    def refuse(self) -> None:
        self.refused += 1

    def connect(self) -> tuple[http.Protocol, Wire]:
        """A new one."""
        protocol = self.make(self.config, self.state, {BOUNDS: self.bounds}, self.turns)
        wire = Wire()
        protocol.connection_made(wire)
        return protocol, wire


WHOLE = request("/a", b"{}")


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n", b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Le", WHOLE[:-1], request("/a?b", b"{}")[:-1]],
)
def test_a_client_that_sends_no_whole_request_is_not_waited_for_long(sent: bytes) -> None:
    """Whatever it has sent of one, and though it sends a byte now and then: each holds a descriptor."""
    held = Held()
    protocol, wire = held.connect()
    if sent:
        protocol.data_received(sent)
    held.turns.pass_by(29)
    assert not wire.closed
    if sent[:4] == b"POST" and b"\r\n\r\n" not in sent:
        protocol.data_received(b"n")
    held.turns.pass_by(5)
    assert wire.closed
    protocol.connection_lost(None)
    assert not held.turns.calls


def test_a_large_body_has_its_time() -> None:
    """As much again for each MiB, so that a slow line is enough for it; but not for ever for one that stops."""
    held = Held()
    protocol, wire = held.connect()
    protocol.data_received(request("/a", bytes(1 << 23))[: -(1 << 23)])
    for _ in range(6):
        protocol.data_received(bytes(1 << 20))
        protocol.flow.resume_reading()  # as the application does that takes it
        held.turns.pass_by(29)
    assert not wire.closed
    held.turns.pass_by(60)
    assert wire.closed
    protocol.connection_lost(None)


def test_the_gateways_own_time_is_not_the_clients() -> None:
    """However long an answer takes, it is waited for; then the keep-alive counts, and no request makes a timer."""
    held = Held()
    protocol, wire = held.connect()
    protocol.data_received(WHOLE)
    held.turns.pass_by(1000)
    assert not wire.closed
    made = held.turns.made
    for _ in range(100):
        protocol.cycle.response_complete = True
        protocol.on_response_complete()
        protocol.data_received(WHOLE)
    assert held.turns.made <= made + 1
    held.turns.pass_by(1000)
    assert not wire.closed
    protocol.on_response_complete()
    held.turns.pass_by(11)
    assert wire.closed
    protocol.connection_lost(None)


def test_an_answer_that_its_client_does_not_take_is_given_up() -> None:
    """A closed connection with bytes to send keeps its descriptor; who takes some of them is waited for."""
    held = Held()
    protocol, wire = held.connect()
    wire.unsent = 1000
    protocol.on_response_complete()
    for _ in range(5):
        held.turns.pass_by(25)
        wire.unsent -= 100
    assert (wire.closed, wire.aborted) == (True, False)
    held.turns.pass_by(40)
    assert wire.aborted
    protocol.connection_lost(None)


def test_a_client_that_takes_no_answers_is_given_up_though_it_asks_on() -> None:
    """It is not closed: what is sent waits for it. Who takes some of it is waited for."""
    held = Held(places=1)
    protocol, wire = held.connect()
    protocol.data_received(WHOLE)
    held.turns.pass_by(1000)
    wire.unsent = 1000
    protocol.pause_writing()
    for _ in range(5):
        held.turns.pass_by(25)
        wire.unsent -= 100
    assert not wire.closed
    held.turns.pass_by(40)
    assert wire.aborted
    protocol.connection_lost(None)
    assert not held.turns.calls
    protocol, wire = held.connect()
    protocol.data_received(WHOLE)
    protocol.pause_writing()
    held.connect()
    assert (wire.aborted, held.refused) == (True, 0)


def test_an_answer_before_the_whole_request_does_not_end_the_waiting() -> None:
    """Of a page that is not there, say: what is still coming of the body is nobody's turn."""
    held = Held()
    protocol, wire = held.connect()
    protocol.data_received(request("/a?b", b"{}")[:-1])
    protocol.cycle.response_complete = True
    protocol.on_response_complete()
    protocol.data_received(b"}")
    held.turns.pass_by(11)
    assert wire.closed


def test_requests_that_overlap_have_each_their_own_time() -> None:
    """A read that ends one and begins the next is no request that takes for ever; nor is one that the gateway does not
    read, while it is at work for the one before.
    """
    held = Held()
    protocol, wire = held.connect()
    protocol.data_received(WHOLE[:9])
    for _ in range(20):
        held.turns.pass_by(3)
        protocol.data_received(WHOLE[9:] + WHOLE[:9])
        protocol.cycle.response_complete = True
        protocol.on_response_complete()
    assert not wire.closed
    held.turns.pass_by(25)
    protocol.data_received(WHOLE[9:] + WHOLE[:9])
    held.turns.pass_by(20)
    assert not wire.closed
    protocol.cycle.response_complete = True
    protocol.on_response_complete()
    protocol.data_received(WHOLE[9:] + request("/a?b", b"{}")[:-1])
    assert protocol.flow.read_paused
    held.turns.pass_by(100)
    assert not wire.closed
    protocol.cycle.response_complete = True
    protocol.on_response_complete()
    held.turns.pass_by(29)
    assert not wire.closed
    held.turns.pass_by(5)
    assert wire.closed


def test_who_was_found_waiting_and_is_at_work_by_now_stays() -> None:
    """The others that were found with it are looked at again."""
    held = Held(places=3)
    connections = [held.connect() for _ in range(3)]
    held.connect()
    (gone,) = [wire for _, wire in connections if wire.aborted]
    asking, other = [(protocol, wire) for protocol, wire in connections if wire is not gone]
    for protocol, wire in connections:
        if wire is gone:
            protocol.connection_lost(None)
    held.turns.pass_by(1)
    asking[0].data_received(WHOLE)
    other[0].data_received(WHOLE)
    other[0].cycle.response_complete = True
    other[0].on_response_complete()
    _, newest = held.connect()
    assert [wire.aborted for wire in (asking[1], newest)] == [False, False]
    assert held.refused == 0


def test_where_all_are_at_work_nobody_looks_at_each_of_them_for_each_that_comes() -> None:
    """Thousands of them take milliseconds, and those that come are as many as their clients like."""
    held = Held(places=3)
    for _ in range(3):
        held.connect()[0].data_received(WHOLE)
    seen = []

    class Counted(http.Protocol):
        @property
        def gives_way(self) -> Any:
            seen.append(self)
            return super().gives_way

    held.make = Counted
    for each in [protocol for protocol in held.state.connections if isinstance(protocol, http.Protocol)]:
        each.__class__ = Counted
    for _ in range(10):
        protocol, _ = held.connect()
        protocol.connection_lost(None)
    assert (held.refused, len(seen)) == (10, 3)
    held.turns.pass_by(0.2)
    idle, wire = held.connect()
    assert (held.refused, len(seen)) == (11, 6)
    idle.connection_lost(None)
    assert wire.closed


def test_where_no_place_is_left_who_keeps_the_gateway_waiting_goes() -> None:
    """Silent ones first, then half requests, the oldest of each; where all are at work the new one is told so."""
    held = Held(places=4)
    connections = []
    for _ in range(4):
        connections.append(held.connect())
        held.turns.pass_by(0.1)
    (working, in_work), (half, in_half), (_, in_silent), (_, in_late) = connections
    working.data_received(WHOLE)
    half.data_received(WHOLE[:9])
    held.turns.pass_by(2)
    gone = []
    for _ in range(4):
        newest, wire = held.connect()
        newest.data_received(WHOLE)
        closed = [name for name, each in zip(
            ("work", "half", "silent", "late", "new"), (in_work, in_half, in_silent, in_late, wire), strict=True,
        ) if each.closed]  # fmt: skip
        gone.append([name for name in closed if [name] not in gone])
        for protocol in [each for each in held.state.connections if each.transport.is_closing()]:
            protocol.connection_lost(None)
    assert gone == [["silent"], ["late"], ["half"], ["new"]]
    assert held.refused == 1
    assert wire.sent.startswith(b"HTTP/1.1 503 ")
    assert not wire.aborted


def test_a_request_that_is_just_coming_is_not_given_up_for_another() -> None:
    """A body in two reads is nobody's fault."""
    held = Held(places=1)
    first, wire = held.connect()
    first.data_received(WHOLE[:-1])
    _, second = held.connect()
    assert (wire.closed, second.closed, held.refused) == (False, True, 1)


def test_connections_leave_descriptors_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the journal cannot open its next segment."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert most_connections(8192) == 768
    assert most_connections(100) == 100
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert most_connections(8192) == 8192


def test_silent_connections_of_a_real_server_end_and_the_system_probes_the_others() -> None:
    """Sockets in place of a wire."""

    async def run() -> list[bytes]:
        config = uvicorn.Config(app, log_config=None)
        config.load()
        state, made = ServerState(), []

        def connected() -> http.Protocol:
            made.append(http.Protocol(config, state, {BOUNDS: Bounds(0.2)}))
            return made[-1]

        server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
        heard = []
        for sent in (b"", WHOLE[:20], WHOLE[:-1]):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(sent)
            await writer.drain()
            while not made or made[-1].transport is None:
                await asyncio.sleep(0)
            found = made[-1].transport.get_extra_info("socket")
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            heard.append(await asyncio.wait_for(reader.read(), 20))
            writer.close()
            made.clear()
        server.close()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        return heard

    heard = asyncio.run(run())
    assert heard[:2] == [b"", b""]
