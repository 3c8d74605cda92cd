"""Gate results in the governance log: who may say them, what is said, and what was said of a package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.approvals.board import Board
from registry.approvals.root import GATES_ROLE
from registry.policy import Policy
from registry.statement import GATES, Said, encode

from .base import GateReport


@dataclass(frozen=True, slots=True)
class SaidResults:
    """One statement of gate results. What it says is somebody's word, with whatever texts they chose."""

    offset: int
    logged: int
    """The log's time, ms since 1970 UTC."""
    speaker: str
    """Who, by the root of that time."""
    may: bool
    """Whether they have the role `gates`."""
    counts: bool
    """Whether these are the results that admission looks at."""
    predicate: Mapping[str, Any]

    @property
    def results(self) -> list[dict[str, Any]]:
        """Those that are such; a name and a verdict, if they are ours."""
        told = self.predicate.get("results")
        return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "offset": self.offset,
            "logged": self.logged,
            "speaker": self.speaker,
            "may": self.may,
            "counts": self.counts,
            "predicate": dict(self.predicate),
        }


def statement(report: GateReport) -> bytes:
    """What is signed. Raises FormatError: a figure is not JSON."""
    return encode(report.package, GATES, report.model_dump(mode="json"), name=report.service)


def refusal(board: Board, key: str) -> str | None:
    """Why results signed with this key would not count; None: they would."""
    if board.roots.now.person(key, GATES_ROLE, board.end) is None:
        return f"the key {key[:16]}… has not the role {GATES_ROLE}: nobody would count what it signs"
    return None


def remark(board: Board, policy: Policy) -> str | None:
    """What to say of a policy before results under it are signed; None: it is in force."""
    if board.policy is None:
        return "no policy is in force yet: these results count once this one is"
    if board.policy.digest != policy.digest:
        return f"the policy in force is {board.policy.digest}, and not this one: results under another do not count"
    return None


def results_of(board: Board, digest: str, service: str | None = None) -> list[SaidResults]:
    """Every statement of gate results about a package whose signature holds, oldest first."""
    found = []
    for each in board.about(digest, (GATES,)):
        of = each.predicate.get("service")
        if service is None or of == service:
            found.append(_said(board, digest, each, of))
    return found


def _said(board: Board, digest: str, each: Said, service: object) -> SaidResults:
    counting = board.gates(service, digest) if isinstance(service, str) else None
    return SaidResults(
        each.offset,
        each.logged,
        board.speaker(each),
        board.roots.person(each.author, GATES_ROLE, each.offset) is not None,
        counting is not None and counting.offset == each.offset,
        each.predicate,
    )
