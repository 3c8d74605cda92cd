"""The server of metrics and probes: silent clients, many of them, and a machine that is short of descriptors."""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest
from prometheus_client.core import Metric

from audit import scrape, served
from audit.scrape import MetricsServer
from audit.served import Bounds
from tests.components.process import wait_until


class Nothing:
    """No metrics."""

    def collect(self) -> Iterable[Metric]:
        return ()


def metrics() -> MetricsServer:
    """Ready."""
    return MetricsServer("127.0.0.1", 0, Nothing(), str, table="sidecar")


def live(port: int) -> int:
    """What the probe is answered; 0: nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    except (http.client.HTTPException, OSError):
        return 0
    finally:
        connection.close()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[MetricsServer, list[socket.socket]]]:
    """A server of two connections, which are taken by clients that say nothing."""
    monkeypatch.setattr(scrape, "BOUNDS", Bounds(connections=2, silence=60.0, longest=60.0))
    with ExitStack() as stack:
        server = stack.enter_context(metrics())
        yield (
            server,
            [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                for _ in range(2)
            ],
        )


def test_one_connection_more_than_the_bound_is_closed(
    silent: tuple[MetricsServer, list[socket.socket]],
) -> None:
    """Whoever opens them without an end takes no thread and no descriptor beyond it; who lets go makes room."""
    server, clients = silent
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as more:
        assert more.recv(1) == b""
    for each in clients:
        each.settimeout(0)
        with pytest.raises(BlockingIOError):  # older, and open yet: it was not silence that closed that one
            each.recv(1)
        each.settimeout(20)
        each.shutdown(socket.SHUT_WR)
        assert each.recv(1) == b""
    wait_until(lambda: live(server.port) == 200, what="there is room again")


def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its seconds: by the server, and not by anybody else."""
    monkeypatch.setattr(scrape, "BOUNDS", Bounds(silence=0.2, longest=60.0))
    with metrics() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        assert client.recv(1) == b""
        assert live(server.port) == 200


def test_without_a_descriptor_nobody_is_taken_in_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection waits at the door, and would be found there again at once: a core would do nothing else."""
    left, pauses = [errno.EMFILE] * 3, []
    accept = WSGIServer.get_request

    def get_request(self: WSGIServer) -> Any:
        if left:
            raise OSError(left.pop(), "too many open files")
        return accept(self)

    monkeypatch.setattr(WSGIServer, "get_request", get_request)
    monkeypatch.setattr(served, "sleep", pauses.append)
    with metrics() as server:
        assert live(server.port) == 200
    assert len(pauses) == 3
    assert min(pauses) > 0
