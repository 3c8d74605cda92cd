"""A monitor that does not lead asks the one that does, for whoever asked it: so any monitor's URL will do.

Why so, and neither a list of URLs at each client nor a redirect: who asks (a controller, a person, a dashboard) often
reaches monitors under one name only, follows no redirects by design, and need not learn of monitors that come and go.
Each question goes one hop: who is asked by a monitor, and does not lead, says so.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final, NamedTuple

from audit.direct import direct
from audit.errors import LogUnavailable

from .members import Leader

HOP: Final = "Affiant-Monitor-Asks"
"""Of a question that a monitor has passed on."""
LEADS: Final = "Affiant-Monitor-Leads"
"""Of an answer: who gave it, where that is not who was asked."""
MOST: Final = 64 << 20
"""Bytes of an answer."""
TIMEOUT: Final = 8.0
"""Seconds; who asks waits ten for evidence."""
_TOGETHER: Final = 4
"""Questions that are passed on at a time: each may be an answer of many MiB."""
_OK, _NOT_FOUND = 200, 404

Who = Callable[[], Leader | None]
"""Who leads. Raises LogUnavailable."""


class Answer(NamedTuple):
    """What is answered in the leader's place."""

    status: int
    """200 and 404 are the leader's; 503: there is no answer of a leader, and the body says why."""
    body: bytes
    """JSON."""
    leader: str | None
    """Who leads, for people."""


class Asking:
    """For any thread. Nothing but GET of the path that was asked for, at the address that the leader tells."""

    def __init__(self, who: Who, *, timeout: float = TIMEOUT, most: int = MOST) -> None:
        """`who`: says who leads."""
        self._who: Final = who
        self._timeout: Final = timeout
        self._most: Final = most
        self._free: Final = threading.BoundedSemaphore(_TOGETHER)
        self._opener: Final = direct()

    def ask(self, path: str) -> Answer:
        """What the leader answers. MUST NOT be called for a question that has `HOP`.

        Args:
            path: as in the request's line, with its first slash.
        """
        try:
            leader = self._who()
        except LogUnavailable as error:
            return none(f"this monitor does not lead, and cannot say who does: {error}")
        if leader is None:
            return none("no monitor leads just now")
        if leader.address is None:
            return none(
                f"the monitor on {leader.name} leads, and does not say where it can be asked", leader.name
            )
        if not self._free.acquire(blocking=False):
            return none(
                f"the monitor at {leader.name} leads, and too many ask it through this one", leader.name
            )
        try:
            return self._answer(leader.address, path)
        finally:
            self._free.release()

    def _answer(self, address: str, path: str) -> Answer:
        request = urllib.request.Request(f"{address}{path}", headers={HOP: "1"})  # noqa: S310 - members.py lets no other scheme in
        try:
            with self._opener.open(request, timeout=self._timeout) as found:
                status, body = int(found.status), found.read(self._most + 1)
        except urllib.error.HTTPError as error:
            status, body = error.code, b""
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            return none(
                f"the monitor at {address} leads, and does not answer ({type(reason).__name__})", address
            )
        if status == _NOT_FOUND:
            return Answer(_NOT_FOUND, detail("there is none"), address)
        if status != _OK or len(body) > self._most:
            why = f"answers {status}" if status != _OK else f"answers more than {self._most} bytes"
            return none(
                f"the monitor at {address} is to lead, and {why}; where that is not the one that leads, "
                "its [monitor] advertise must say how others reach it",
                address,
            )
        return Answer(_OK, body, address)


def none(why: str, leader: str | None = None) -> Answer:
    """There is no answer of a leader."""
    return Answer(503, detail(why), leader)


def detail(why: str) -> bytes:
    """As JSON."""
    return json.dumps({"detail": why}).encode() + b"\n"
