"""The journal's place when the benchmark leaves it out. Never in production: nothing is recorded.

It resolves at once, so that what remains is what the gateway costs without its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from audit.journal.admission import OPEN, Admission


class Unrecorded:
    """Takes everything and keeps nothing. Record ids say so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sequence = 0

    def accept_encoded(self, header: bytes, request: bytes, arrived: int) -> int:
        """A ticket."""
        return 1

    def append_encoded(
        self, kind: int, count: int, fields: bytes, payload: bytes, ticket: int
    ) -> asyncio.Future[str]:
        """A future that is done."""
        return self.append({}, payload, ticket)

    def append(self, fields: Mapping[int, object], payload: bytes, ticket: int = 0) -> asyncio.Future[str]:
        """A future that is done."""
        future: asyncio.Future[str] = self._loop.create_future()
        self._sequence += 1
        future.set_result(f"unaudited-{self._sequence}")
        return future

    def count(self, reason: str) -> None:
        """Nothing."""

    def admission(self) -> Admission:
        """Always open."""
        return OPEN
