"""Which of the records that are shipped belong to sampled requests. Without any, shipping pays one look at a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.proof.entry import Key, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import split_record

from .context import Context
from .ring import SLOTS, RingReader

KEPT: Final = 60.0
"""Seconds after which a sampled request without a record is given up: until then each record's ticket is looked at."""
_OPEN: Final = 1.0
"""Seconds between looks for a ring that is not there."""


class Waiting:
    """Of one journal. Used by the thread of its shipper alone."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        """`path` is the ring's, which may not be there (yet)."""
        self._path = path
        self._monotonic = monotonic
        self._ring: RingReader | None = None
        self._next = 0.0
        self._found: dict[int, tuple[Context, float]] = {}

    def look(self) -> bool:
        """Whether any sampled request's record is awaited. MUST be called after the records were read."""
        if self._ring is None and not self._open():
            return False
        assert self._ring is not None
        now = 0.0
        for ticket, context in self._ring.fresh():
            now = now or self._monotonic()
            self._found[ticket] = context, now
        if self._found:
            self._forget()
        return bool(self._found)

    def take(self, record: bytes) -> Context | None:
        """The context of a record, once; None: its request was not sampled."""
        try:
            ticket = parse_entry(split_record(record)[0]).get(Key.TICKET)
        except FormatError:
            return None  # the log's readers will say so
        found = self._found.pop(ticket, None)
        return None if found is None else found[0]

    def close(self) -> None:
        """Let go."""
        if self._ring is not None:
            self._ring.close()

    def _open(self) -> bool:
        now = self._monotonic()
        if now < self._next:
            return False
        self._next = now + _OPEN
        try:
            self._ring = RingReader(self._path)
        except (OSError, ValueError):
            return False  # the gateway traces nothing, or has not begun
        return True

    def _forget(self) -> None:
        """Of requests whose record never comes, or came before this sidecar was started."""
        end = self._monotonic() - KEPT
        for ticket in [ticket for ticket, (_, since) in self._found.items() if since < end]:
            del self._found[ticket]
        while len(self._found) > SLOTS:
            del self._found[next(iter(self._found))]
