"""What the governance log says of each package, as the tags and the stage that data scientists see in MLflow. Pure.

Tags, of a version (SERVICE and GATE as in the policy):

    affiant.stage               production | canary | staging | retired: the furthest over all services
    affiant.stage.SERVICE       the same for one service: live | canary | shadow | was there, and is no more
    affiant.gates.SERVICE       passed, or failed and which
    affiant.gate.SERVICE.GATE   passed, or failed and why
    affiant.approved.SERVICE.ROLE, affiant.break-glass.SERVICE.ROLE, affiant.rejected.SERVICE.ROLE
                                who, when, until when, why
    affiant.revoked.SERVICE     who, when, why; until somebody approves again

They repeat what the log says and are no proof: nothing of ours ever reads them back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from audit.proof.printable import printable
from registry.admission import policy_in_force
from registry.approvals.board import Board
from registry.approvals.root import Roots
from registry.deployment import fold_deployments
from registry.statement import APPROVAL, GATES, REJECTION, REVOCATION, Said, once

STAGES: Final = ("production", "canary", "staging", "retired")
"""From the furthest on."""
PREFIXES: Final = tuple(
    f"affiant.{kind}"
    for kind in ("stage", "gates.", "gate.", "approved.", "break-glass.", "rejected.", "revoked.")
)
"""What tags that are kept here begin with: those that the log no longer says are taken away."""
_SLOTS: Final = {"live": "production", "canary": "canary", "shadow": "staging"}
_LONGEST: Final = 500
_KEY: Final = re.compile(r"[^\w. -]")


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one package."""

    tags: Mapping[str, str]
    stages: Mapping[str, str]
    """Service → stage, of those that have it or had it."""


def standings(roots: Roots, said: Iterable[Said]) -> dict[str, Standing]:
    """Digest → what counts of all that was said of it: under the policy in force, by keys that may, not revoked.

    Args:
        roots: the chain that is believed.
        said: the whole log's statements in its order, `holds` decided by the roots' keys.
    """
    told = tuple(said)
    board = Board(roots, policy_in_force(roots, told), told, 0)
    stages = _stages(roots, told)
    services = _services(told)
    found = {}
    for digest in dict.fromkeys([*stages, *services]):
        placed = stages.get(digest, {})
        tags = {f"affiant.stage.{service}": stage for service, stage in placed.items()}
        if placed:
            tags["affiant.stage"] = furthest(placed.values())
        for service in services.get(digest, ()):
            tags |= _gates(board, service, digest) | _signatures(board, service, digest)
        found[digest] = Standing({_key(key): _line(value) for key, value in tags.items()}, placed)
    return found


def _stages(roots: Roots, said: Iterable[Said]) -> dict[str, dict[str, str]]:
    """Digest → service → stage."""
    stages: dict[str, dict[str, str]] = {}
    for service, deployed in fold_deployments(roots, said).items():
        for event in deployed.counted:
            for placed in event.content.plan:
                stages.setdefault(placed.digest, {})[service] = "retired"
        for placed in deployed.plan:
            stages[placed.digest][service] = _SLOTS[placed.slot]
    return stages


def _services(said: Iterable[Said]) -> dict[str, dict[str, None]]:
    """Digest → the services that something was said of it for, in the order of the first word."""
    services: dict[str, dict[str, None]] = {}
    for each in said:
        service = each.predicate.get("service")
        if each.holds and each.type in (GATES, APPROVAL, REJECTION, REVOCATION) and isinstance(service, str):
            for digest in each.subjects:
                services.setdefault(digest, {})[service] = None
    return services


def furthest(stages: Iterable[str]) -> str:
    """The stage nearest to production."""
    return min(stages, key=STAGES.index)


def _gates(board: Board, service: str, digest: str) -> dict[str, str]:
    said = board.gates(service, digest)
    results = said.predicate.get("results") if said is not None else None
    tags, failed = {}, []
    for each in results if isinstance(results, list) else []:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            continue
        passed = each.get("verdict") == "passed"
        tags[f"affiant.gate.{service}.{each['name']}"] = (
            "passed" if passed else f"failed: {each.get('reason') or 'no reason given'}"
        )
        if not passed:
            failed.append(each["name"])
    if tags:
        tags[f"affiant.gates.{service}"] = f"failed: {', '.join(failed)}" if failed else "passed"
    return tags


def _signatures(board: Board, service: str, digest: str) -> dict[str, str]:
    revoked = board.revoked(service, digest)
    people: dict[tuple[str, str], dict[str, str]] = {}
    for each in once(board.about(digest, (APPROVAL, REJECTION))):
        role = each.predicate.get("role")
        person = board.roots.now.person(each.author, role, each.offset) if isinstance(role, str) else None
        if each.predicate.get("service") != service or person is None or board.over(service, digest, each):
            continue
        glass = each.predicate.get("break_glass") is True
        kind = "rejected" if each.type == REJECTION else "break-glass" if glass else "approved"
        if each.type == APPROVAL:
            people.get(("rejected", str(role)), {}).pop(person, None)
            if board.policy is None or each.predicate.get("policy") != board.policy.digest:
                continue
        people.setdefault((kind, str(role)), {})[person] = _word(board, service, each, person)
    tags = {
        f"affiant.{kind}.{service}.{role}": " | ".join(words.values())
        for (kind, role), words in people.items()
        if words
    }
    if revoked is not None and not any(kind != "rejected" for kind, _ in people):
        tags[f"affiant.revoked.{service}"] = _word(board, service, revoked, board.speaker(revoked))
    return tags


def _word(board: Board, service: str, said: Said, person: str) -> str:
    """Who, when, until when, why."""
    at, rules = said.predicate.get("at"), board.rules(service, "live")
    when = f", {_time(at)}"
    if said.type == APPROVAL and rules is not None and isinstance(at, int | float):
        glass = said.predicate.get("break_glass") is True
        seconds = rules.break_glass_seconds if glass else rules.valid_seconds
        when += f" until {_time(at + seconds)}" if seconds is not None else ""
    return f"{person}{when}: {said.predicate.get('rationale') or 'no reason given'}"


def _time(seconds: Any) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        return "at no time"


def _key(text: str) -> str:
    """As MLflow takes it for a tag."""
    return _KEY.sub("_", text)[:250]


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:_LONGEST]
