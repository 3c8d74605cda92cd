"""What signed statements say of payloads that were erased, by the payload's digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple


class Item(NamedTuple):
    """A payload, by the entry that it belongs to."""

    topic: bytes
    partition: int
    offset: int
    record: str | None
    """The record id, of a journal's entry."""
    digest: bytes
    """SHA-256 of the payload, salt included: as the entry has it."""
    external: bool = False
    """Whether it is a large one: in the object store, and not in the log's record."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Who has said that a payload is erased. The statement is a signed one, and whose word counts was looked at."""

    item: Item
    person: str
    at: float
    """Seconds since 1970 UTC, by the signer's clock."""
    reason: str
    statement: int
    """Its offset in the governance log."""

    def words(self) -> str:
        """One line for people. What others wrote is in it: it is to be printed as such."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        return f"{self.person}, {when}: {self.reason} (offset {self.statement} of the governance log)"

    def json(self) -> dict[str, Any]:
        """The same for programs."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return {"person": self.person, "at": when, "reason": self.reason, "statement": self.statement}


Erasures = Mapping[bytes, Erased]
"""By the payload's digest. Two entries with one payload: it is erased of both."""
NO_ERASURES: Final[Erasures] = MappingProxyType({})
