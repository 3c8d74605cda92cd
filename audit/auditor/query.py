"""What the index is asked: filters made into SQL, and SQL of others held to one SELECT."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.errors import QueryRefused
from audit.proof.entry import Kind, Slot

_SHOWN: Final = (
    "record", "topic", "partition", "offset", "kind", "logged", "arrived", "committing", "service", "digest",
    "slot", "status", "caller", "subject", "request_id", "payload_length", "reason",
)  # fmt: skip

KINDS: Final = tuple(kind.name.lower() for kind in Kind)
SLOTS: Final = tuple(slot.name.lower() for slot in Slot)
_DIGEST: Final = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}")
_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")
_STATUSES: Final = range(100, 600)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; what is None does not matter. All that is said must hold."""

    since: datetime | None = None
    until: datetime | None = None
    """Of the time at which the request arrived, else of the entry's own: since ≤ time < until."""
    service: str | None = None
    digest: str | None = None
    """`sha256:…`, or the first digits of it."""
    caller: str | None = None
    """Pseudonym, 16 bytes in hex."""
    request_id: str | None = None
    """The client's own."""
    subject: str | None = None
    """Pseudonym, 16 bytes in hex."""
    status: int | None = None
    slot: str | None = None
    kinds: tuple[str, ...] = ("inference", "aborted")
    """Empty: of any kind."""
    limit: int = 100

    def __post_init__(self) -> None:
        """Refuse what no entry can have: it would find nothing, as if there were nothing.

        Raises:
            QueryRefused: says of which filter.
        """
        for kind in self.kinds:
            _one_of("kind", kind, KINDS)
        if self.status is not None and self.status not in _STATUSES:
            raise QueryRefused(f"status is '{self.status}', wanted one of HTTP, 100 to 599")
        if self.slot is not None:
            _one_of("slot", self.slot, SLOTS)
        for name, value, form, wanted in (
            (
                "digest",
                self.digest,
                _DIGEST,
                "a package digest, sha256:… with 64 hex digits, or its first ones",
            ),
            ("caller", self.caller, _PSEUDONYM, "a pseudonym, 32 hex digits"),
            ("subject", self.subject, _PSEUDONYM, "a pseudonym, 32 hex digits"),
        ):
            if value is not None and form.fullmatch(value) is None:
                raise QueryRefused(f"{name} is {value!r}, wanted {wanted} (lower case)")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise QueryRefused(f"{name} is {value!r}, which is none of {', '.join(known)}")


def search_sql(wanted: Search) -> tuple[str, list[object]]:
    """A SELECT of the index's `entries`, and its parameters."""
    when = "coalesce(arrived, committing, time, logged)"
    conditions: list[str] = []
    given: list[object] = []
    for text, value in (
        (f"{when} >= ?", wanted.since),
        (f"{when} < ?", wanted.until),
        ("service = ?", wanted.service),
        ("caller = ?", wanted.caller),
        ("request_id = ?", wanted.request_id),
        ("subject = ?", wanted.subject),
        ("status = ?", wanted.status),
        ("slot = ?", wanted.slot),
    ):
        if value is not None:
            conditions.append(text)
            given.append(value)
    if wanted.digest is not None:
        conditions.append("starts_with(digest, ?)")
        given.append(f"sha256:{wanted.digest.removeprefix('sha256:')}")
    if wanted.kinds:
        conditions.append(f"kind IN ({', '.join('?' * len(wanted.kinds))})")
        given.extend(wanted.kinds)
    names = ", ".join(f'"{name}"' for name in _SHOWN)
    where = " AND ".join(conditions) or "TRUE"
    text = f'SELECT {names} FROM entries WHERE {where} ORDER BY {when} DESC, partition, "offset" DESC LIMIT ?'  # noqa: S608 — values are parameters
    return text, [*given, wanted.limit]


def select_only(text: str) -> None:
    """Let one SELECT pass, and nothing else.

    Raises:
        QueryRefused: several statements, none, or one of another kind.
    """
    import duckdb

    with refused():
        statements = duckdb.extract_statements(text)
    if len(statements) != 1:
        raise QueryRefused(f"SQL: one SELECT is wanted, {len(statements)} statements were given")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused(f"SQL: only SELECT is allowed, not {statements[0].type.name}")


@contextmanager
def refused() -> Iterator[None]:
    """What DuckDB says of somebody's SQL."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise QueryRefused(f"SQL: {error}") from error
