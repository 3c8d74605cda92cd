"""What is there and what is missing for a digest, slot by slot: for people, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from registry.lineage.publication import publications_of
from registry.statement import APPROVAL, GATES, REJECTION, REVOCATION

from .board import SLOTS, Board
from .foresee import verdicts

_KINDS = {GATES: "gates", APPROVAL: "approval", REJECTION: "rejection", REVOCATION: "revocation"}


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """One slot's."""

    slot: str
    admitted: bool
    break_glass: bool
    expires: float | None
    reasons: tuple[str, ...]
    wanted: Mapping[str, int]
    """Role → people."""
    approved_by: tuple[tuple[str, str], ...]
    """(role, person)."""
    missing: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """A digest in a service."""

    service: str
    digest: str
    publisher: str | None
    """Who published the package, as it says itself; None when nobody knows."""
    published_by: tuple[str, ...]
    """Who has signed that they published it."""
    gates: Mapping[str, str]
    """Gate → passed or failed, of the results that count."""
    slots: tuple[SlotStatus, ...]
    emergency: Mapping[str, str]
    """Person → role of break-glass approvals that count."""
    history: tuple[Mapping[str, Any], ...]
    """What was said of it, in the log's order."""

    def slot(self, name: str) -> SlotStatus | None:
        """One of them; None: the policy has no such slot."""
        return next((each for each in self.slots if each.slot == name), None)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def status_of(board: Board, service: str, digest: str, *, now: float, publisher: str | None) -> Status:
    """Ask admission for every slot."""
    slots = []
    for name in SLOTS:
        rules = board.rules(service, name)
        verdict = board.verdict(service, digest, name, now, publisher)
        slots.append(
            SlotStatus(
                name, verdict.admitted, verdict.break_glass, verdict.expires, verdict.reasons,
                dict(rules.signers) if rules is not None else {}, verdict.approved_by, dict(verdict.missing or {}),
            )
        )  # fmt: skip
    history = tuple(
        {
            "offset": each.offset,
            "kind": _KINDS[each.type],
            "by": board.speaker(each),
            "role": _text(each.predicate.get("role")),
            "at": _time(each.predicate.get("at")),
            "break_glass": each.predicate.get("break_glass") is True,
            "this_policy": board.policy is not None and each.predicate.get("policy") == board.policy.digest,
            "rationale": _text(each.predicate.get("rationale")),
        }
        for each in board.about(digest)
        if each.predicate.get("service") == service
    )
    return Status(
        service, digest, publisher, _published(board, digest), verdicts(board.gates(service, digest)), tuple(slots),
        board.emergency(service, digest, now, publisher), history,
    )  # fmt: skip


def _published(board: Board, digest: str) -> tuple[str, ...]:
    said = publications_of(board.roots, board.about(digest), digest)
    return tuple(dict.fromkeys(each.person for each in said if each.may))


def waiting(board: Board, publisher: Callable[[str], str | None], now: float) -> list[Status]:
    """Digests that something was said of, for each service of the policy, and their state."""
    if board.policy is None:
        return []
    known = cache(publisher)  # each package is read whole for it
    return [
        status_of(board, service, digest, now=now, publisher=known(digest))
        for service in board.policy.policy.services
        for digest in board.digests(service)
    ]


def _text(value: object) -> str | None:
    """A predicate may hold anything; what is shown of it has one type."""
    return value if isinstance(value, str) else None


def _time(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:  # JSON has integers that no float holds
        return None
