"""GET /receipts/<record id>: the proof that a record is sealed, for the gateway of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import structlog

from audit.errors import KeyRefused, NoSuchRecord, NotSealed, ObjectsUnavailable
from audit.proof.errors import FormatError, NotProved

PATH: Final = "/receipts/"
AT_ONCE: Final = 4
"""Receipts that are made at the same time; more are told to come back: scrapes and probes are answered meanwhile."""
_PROBLEM_JSON: Final = "application/problem+json"
_TEXT: Final = "text/plain; charset=utf-8"


class _Problem(NamedTuple):
    status: int
    title: str
    slug: str
    retry_after: int | None = None
    """Seconds; None: asking again is no use."""


_AFAR: Final = _Problem(403, "Forbidden", "loopback-only")
_BUSY: Final = _Problem(503, "Service Unavailable", "receipt-unavailable", 1)
_AWAY: Final = _Problem(503, "Service Unavailable", "receipt-unavailable", 5)
_REFUSED: Final = _Problem(502, "Bad Gateway", "receipt-refused")
_TABLE: Final[dict[type[Exception], _Problem]] = {
    NotSealed: _Problem(404, "Not Found", "not-sealed", 2),
    NoSuchRecord: _Problem(404, "Not Found", "unknown-record"),
    ObjectsUnavailable: _AWAY,
    KeyRefused: _AWAY,
    FormatError: _REFUSED,
    NotProved: _REFUSED,
}

Start = Callable[[str, list[tuple[str, str]]], Any]


class ReceiptPages:
    """A WSGI application."""

    def __init__(self, receipt: Callable[[str], bytes]) -> None:
        """`receipt` is `SealWatch.receipt`."""
        self._receipt = receipt
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._say = structlog.get_logger("sidecar")

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """200 with a `.tlog-proof`, or problem details.

        Only connections from this machine are answered: who asked for what is the gateway's to judge.
        """
        if not _loopback(str(environ.get("REMOTE_ADDR", ""))):
            return _say(start, _AFAR, "receipts are given to this machine's gateway alone")
        record = str(environ.get("PATH_INFO", "")).removeprefix(PATH)
        if not self._free.acquire(blocking=False):
            return _say(start, _BUSY, f"{AT_ONCE} receipts are being made")
        try:
            content = self._receipt(record)
        except tuple(_TABLE) as error:
            problem = next(line for kind, line in _TABLE.items() if isinstance(error, kind))
            if problem is _REFUSED:
                self._say.error(
                    "alarm: what the store has does not prove a record", record=record, reason=str(error)
                )
            return _say(start, problem, str(error))
        finally:
            self._free.release()
        start("200 OK", [("Content-Type", _TEXT), ("Content-Length", str(len(content)))])
        return [content]


def _say(start: Start, problem: _Problem, detail: str) -> Iterable[bytes]:
    """Problem details (RFC 9457)."""
    content = {
        "type": f"urn:affiant:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
    }
    body = json.dumps(content).encode()
    headers = [("Content-Type", _PROBLEM_JSON), ("Content-Length", str(len(body)))]
    if problem.retry_after is not None:
        headers.append(("Retry-After", str(problem.retry_after)))
    start(f"{problem.status} {problem.title}", headers)
    return [body]


def _loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
