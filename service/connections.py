"""What a connection may hold of the gateway: a descriptor for a while, and no more of them than there are."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Place = tuple[bool, float]
"""Whether there is more to lose than silence, and since when the client is waited for."""
BOUNDS: Final = "affiant.bounds"
"""In the lifespan's state, which uvicorn hands to each connection: its `Bounds`."""
PART: Final = 1 << 20
"""A body has the whole time again for each so many bytes that have come."""
_SHORTEST: Final = 0.05
_LOOKED: Final = 0.1
"""Seconds for which nobody looks again after nobody was found that gives way."""
_AT_ONCE: Final = 64
_FRESH: Final = 1.0
"""A request that has been coming for less is not given up for another."""
PROBES: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client that is gone without a word is noticed after two minutes, where Linux would take two hours."""
REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
)


@dataclass(slots=True)
class Waiting:
    """Who gives way, as they were found last: to look at thousands of connections takes milliseconds."""

    found: deque[tuple[Place, BoundedProtocol]] = field(default_factory=deque)
    nobody_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """`receive_seconds`: [gateway]'s. `connections`: at most. `refused` is called for each that got no place."""

    receive_seconds: float = 30.0
    connections: int = 8192
    refused: Callable[[], None] = lambda: None
    waiting: Waiting = field(default_factory=Waiting)


def most_connections(wanted: int) -> int:
    """As many as the settings say, and a quarter of this process's descriptors left for all the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, 3 * soft // 4)


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which is closed when its client lets it wait too long.

    One timer a connection, which looks since when the client is waited for: no request makes or cancels any.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bounds: Bounds = self.app_state.get(BOUNDS) or Bounds()
        self._partial = False
        """A request has begun, and is not here whole. Who takes the parser's calls MUST keep it."""
        self._idle_since: float | None = None
        self._arriving_since: float | None = None
        self._received = 0
        """Bytes of the request that is arriving."""
        self._unsent, self._unsent_since = -1, 0.0
        """What the client was to take when that grew less the last time, or began; -1: it takes what there is."""
        self._patience = self._bounds.receive_seconds
        """How long a client may be idle: for its first request as long as one may take to arrive."""

    @property
    def gives_way(self) -> Place | None:
        """Where no place is left the least goes. None: it is the gateway's turn, or a request is just coming."""
        if self.transport.is_closing():
            return None
        if self.flow.write_paused:
            return (True, self._unsent_since)
        if self._arriving_since is not None:
            late = self.loop.time() - self._arriving_since >= _FRESH
            return (True, self._arriving_since) if late else None
        return None if self._idle_since is None else (False, self._idle_since)

    def connection_made(self, transport: Any) -> None:
        """A place for it, or a refusal."""
        super().connection_made(transport)
        _probe(transport)
        self._idle_since = self.loop.time()
        self._watch()
        if len(self.connections) > self._bounds.connections:
            self._make_room()

    def _make_room(self) -> None:
        """Whose client is waited for longest goes, those without a request first: a silent crowd MUST keep out neither
        probes nor callers.
        """
        if self._one_goes() or (self._look() and self._one_goes()):
            return
        self._bounds.refused()
        self.transport.write(REFUSAL)
        self.transport.close()

    def _one_goes(self) -> bool:
        """The first of those that were found and wait yet."""
        found = self._bounds.waiting.found
        while found:
            place, each = found.popleft()
            if each.gives_way == place:  # else it was answered meanwhile, or is gone
                each.transport.abort()
                return True
        return False

    def _look(self) -> bool:
        """Whether somebody is found that gives way."""
        waiting, now = self._bounds.waiting, self.loop.time()
        if now < waiting.nobody_until:
            return False
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        places = [(place, each) for each in others if (place := each.gives_way)]
        waiting.found.extend(nsmallest(_AT_ONCE, places, key=lambda one: one[0]))
        waiting.nobody_until = 0.0 if waiting.found else now + _LOOKED
        return bool(waiting.found)

    def data_received(self, data: bytes) -> None:
        """One read."""
        super().data_received(data)
        self._note(len(data))

    def _note(self, received: int) -> None:
        """What the read has left: nothing to wait for, or a request in parts."""
        if not self._partial:
            self._arriving_since = None
            return
        if self._arriving_since is None:
            self._arriving_since, self._received = self.loop.time(), 0
            self._watch()
        self._received += received

    def _unset_keepalive_if_required(self) -> None:
        """uvicorn's, at each read. Bytes that begin no request are no reason to go on waiting."""

    def on_response_complete(self) -> None:
        """An answer is sent: go on with what was pipelined, or be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._watch()
            return
        self.flow.resume_reading()
        if self._arriving_since is not None:
            self._arriving_since = (
                self.loop.time()
            )  # of the next one nothing was read while this one was at work
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle()

    def _idle(self) -> None:
        """Nothing is asked: the client is waited for, not long."""
        self._idle_since = self.loop.time()
        self._patience = self.timeout_keep_alive
        self._watch()

    def _complete(self) -> None:
        """A request is here whole. Who takes the parser's calls MUST call it then, and after it what begins it."""
        self._partial = False
        self._idle_since = self._arriving_since = None

    def pause_writing(self) -> None:
        """The transport's: its client takes nothing, for the moment."""
        super().pause_writing()
        self._unsent, self._unsent_since = self.transport.get_write_buffer_size(), self.loop.time()
        self._watch()

    def _watch(self) -> None:
        if self.timeout_keep_alive_task is None:
            # Often enough for the shortest wait, whatever this connection will wait for next.
            seconds = max(_SHORTEST, min(self.timeout_keep_alive, self._bounds.receive_seconds))
            if (due := self._due()) is not None:
                seconds = min(seconds, max(0.0, due - self.loop.time()))
            self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _due(self) -> float | None:
        """When this connection is to be closed; None: the client waits for us."""
        if self._arriving_since is not None:
            return self._arriving_since + self._bounds.receive_seconds * (1 + self._received // PART)
        return None if self._idle_since is None else self._idle_since + self._patience

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection whose client has let it wait for the whole time."""
        self.timeout_keep_alive_task = None
        now = self.loop.time()
        if self.transport.is_closing() or self.flow.write_paused:
            self._let_it_take(now)
            return
        self._unsent = -1
        if self._arriving_since is not None and self.flow.read_paused:
            self._arriving_since = now  # it is the gateway that does not read
        due = self._due()
        if due is None:
            return
        if now >= due:
            self.transport.close()
            self._idle_since = self._arriving_since = None
        self._watch()

    def _let_it_take(self, now: float) -> None:
        """There is something to be sent, be it to the end: as long as its client takes some of it."""
        unsent = self.transport.get_write_buffer_size()
        if self._unsent < 0 or unsent < self._unsent:
            self._unsent, self._unsent_since = unsent, now
        if now >= self._unsent_since + self._bounds.receive_seconds:
            self.transport.abort()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


def _probe(transport: asyncio.BaseTransport) -> None:
    """Have the system look whether the client is still there."""
    found = transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in PROBES:
        found.setsockopt(socket.IPPROTO_TCP, option, value)
