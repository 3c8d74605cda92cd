"""What stands before the gateways, as a Service of Kubernetes does, and clients that it sends to them.

A gateway is sent requests from its first `/readyz` that says 200 until it is told to end, or `/readyz` says otherwise.
Whoever was sent to one keeps that connection for some requests more: it has not heard yet.
"""

from __future__ import annotations

import http.client
import json
import random
import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.components.ports import HOST
from tests.components.process import wait_until
from tests.fault.gateway.world import PREDICT, Answered

DEADLINE_S: Final = 600.0
"""For whatever is waited for here, a request's answer included. A gateway starts in ten seconds, and has taken 110 on a
machine of two cores with other work for fifty: what is claimed is that nothing fails, not how soon it comes.
"""
LOOK_S: Final = 0.1
PAUSE_S: Final = 0.05
"""Between two requests of a client: a steady load, beside which a gateway can start."""
KEPT: Final = 25
"""Requests on one connection; then another gateway may be taken."""


@dataclass(eq=False)
class Backend:
    """One life of one gateway."""

    name: str
    port: int
    ready: bool = False
    ending: bool = False
    users: int = 0
    """Clients that have a connection to it."""
    gone: float = float("inf")
    """When it had been killed, by the monotonic clock."""

    @property
    def asked(self) -> bool:
        """Whether anybody looks if it is ready: not once it is gone, as its port may be another process's by then."""
        return not self.ending and self.gone == float("inf")


class Failed(NamedTuple):
    """A request that has no answer, or another one than 200."""

    backend: Backend
    begun: float
    what: str


def unexcused(failed: Sequence[Failed]) -> list[Failed]:
    """Those that were not in flight on a killed gateway: their gateway was not killed, or they were sent later."""
    return [each for each in failed if each.backend.gone == float("inf") or each.begun > each.backend.gone]


def dropped(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed a kept connection: nobody's pool sends another request on such a one."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def readyz(port: int) -> bool:
    """Whether a gateway says that it may be sent requests."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass
class Balancer:
    """Which gateways are sent requests now."""

    backends: list[Backend] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def add(self, name: str, port: int) -> Backend:
        """A gateway that was started; it is sent nothing before it says that it is ready."""
        with self._lock:
            self.backends.append(made := Backend(name, port))
        return made

    def end(self, backend: Backend) -> None:
        """It was told to end: no new connection, and return when nobody has one any more (`preStop`)."""
        with self._lock:
            backend.ending = True
        wait_until(lambda: backend.users == 0, what=f"nobody asks {backend.name}", deadline_s=DEADLINE_S)

    def take(self, rng: random.Random) -> Backend | None:
        """One that is ready, to be given back by `leave`; None once this has been closed."""
        with self._lock:
            while not (ready := [each for each in self.backends if each.ready and each.asked]):
                if self._stop.is_set():
                    return None
                self._lock.wait(LOOK_S)
            chosen = rng.choice(ready)
            chosen.users += 1
            return chosen

    def leave(self, backend: Backend) -> None:
        """Whoever took it has no connection to it any more."""
        with self._lock:
            backend.users -= 1

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                asked = [each for each in self.backends if each.asked]
            for backend in asked:
                found = readyz(backend.port)
                with self._lock:
                    backend.ready = found
                    self._lock.notify_all()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


class Clients:
    """Threads that ask the balancer's gateways, one request after the other, until `join`."""

    def __init__(self, balancer: Balancer, count: int = 4) -> None:
        self.answered: list[Answered] = []
        self.failed: list[Failed] = []
        self.turned_away = 0
        """Connections that were refused, or found closed: nothing was sent, and another gateway was asked."""
        self._balancer = balancer
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        rng = random.Random(number)
        while not self._stop.is_set():
            backend = self._balancer.take(rng)
            if backend is None:
                return
            try:
                self._stay(backend, rng)
            finally:
                self._balancer.leave(backend)

    def _stay(self, backend: Backend, rng: random.Random) -> None:
        """Some requests on one connection."""
        connection = http.client.HTTPConnection(HOST, backend.port, timeout=DEADLINE_S)
        try:
            connection.connect()
        except OSError:
            with self._lock:
                self.turned_away += 1
            self._stop.wait(PAUSE_S)
            return
        try:
            for _ in range(KEPT):
                if not self._ask(connection, backend, rng) or self._stop.wait(PAUSE_S):
                    return
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, backend: Backend, rng: random.Random) -> bool:
        """One request; whether the connection can be kept."""
        rows = [[round(rng.uniform(-3, 3), 4) for _ in range(3)] for _ in range(rng.choice((1, 5, 60)))]
        body = json.dumps({"instances": rows}).encode()
        begun = time.monotonic()
        if dropped(connection):
            with self._lock:
                self.turned_away += 1
            return False
        try:
            connection.request("POST", PREDICT, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.note(Failed(backend, begun, repr(error)))
            return False
        if answer.status != 200:
            self.note(Failed(backend, begun, f"{answer.status} {content[:300]!r}"))
        else:
            self.note(Answered(answer.headers["affiant-record"], body, content))
        return answer.headers.get("connection") != "close"

    def note(self, what: Answered | Failed) -> None:
        """What came of a request."""
        with self._lock:
            if isinstance(what, Failed):
                self.failed.append(what)
            else:
                self.answered.append(what)

    def join(self) -> None:
        """No further request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
