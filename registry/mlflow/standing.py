"""What the governance log says of each package, as the tags and the stage that data scientists see in MLflow. Pure.

Tags, of a version (SERVICE and GATE as in the policy):

    affiant.stage               production | canary | staging | refused | retired: the furthest over all services
    affiant.stage.SERVICE       the same for one service: live | canary | shadow | a deployment brought it there, and
                                admission does not let it answer | was there, and is no more
    affiant.gates.SERVICE       passed: each gate of live, compared with what was live; or failed and which
    affiant.gate.SERVICE.GATE   passed, or failed and why
    affiant.approved.SERVICE.ROLE, affiant.break-glass.SERVICE.ROLE, affiant.rejected.SERVICE.ROLE
                                who, when, until when, why
    affiant.revoked.SERVICE     who, when, why; until somebody approves again

They repeat what counts now, by admission's own rules, and are no proof: nothing of ours ever reads them back. What
ended, or never counted (expired, dated ahead, by the publisher, of a role that nobody asked, a second role of one
person), has no tag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from audit.proof.printable import printable
from registry.admission import compared_with_another, policy_in_force
from registry.approvals.board import SLOTS, Board
from registry.approvals.root import Roots
from registry.deployment import fold_deployments
from registry.statement import APPROVAL, GATES, REJECTION, REVOCATION, Said, once

STAGES: Final = ("production", "canary", "staging", "refused", "retired")
"""From the furthest on. Those that answer are the first three."""
ANSWERING: Final = STAGES[:3]
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


def standings(
    roots: Roots, said: Iterable[Said], *, publisher: Callable[[str], str | None], now: float
) -> dict[str, Standing]:
    """Digest → what counts of all that was said of it: what admission would count at `now`.

    Args:
        roots: the chain that is believed.
        said: the whole log's statements in its order, `holds` decided by the roots' keys.
        publisher: who published a package; None: nobody knows, and then no approval counts where that matters.
        now: seconds since 1970 UTC.
    """
    told = tuple(said)
    board = Board(roots, policy_in_force(roots, told), told, 0)
    by, asked = cache(publisher), _Asked(board, now)
    stages = _stages(
        roots, told, lambda service, digest, slot: asked.answers(service, digest, slot, by(digest))
    )
    services = _services(told)
    found = {}
    for digest in dict.fromkeys([*stages, *services]):
        placed = stages.get(digest, {})
        tags = {f"affiant.stage.{service}": stage for service, stage in placed.items()}
        if placed:
            tags["affiant.stage"] = furthest(placed.values())
        for service in services.get(digest, ()):
            tags |= _gates(board, service, digest) | asked.signatures(service, digest, by(digest))
        found[digest] = Standing({_key(key): _line(value) for key, value in tags.items()}, placed)
    return found


def _stages(
    roots: Roots, said: Iterable[Said], answers: Callable[[str, str, str], bool]
) -> dict[str, dict[str, str]]:
    """Digest → service → stage. `answers`: whether service, digest and slot may."""
    stages: dict[str, dict[str, str]] = {}
    for service, deployed in fold_deployments(roots, said).items():
        for event in deployed.counted:
            for placed in event.content.plan:
                stages.setdefault(placed.digest, {})[service] = "retired"
        for placed in deployed.plan:
            may = answers(service, placed.digest, placed.slot)
            stages[placed.digest][service] = _SLOTS[placed.slot] if may else "refused"
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
    if said is None or not tags:
        return tags
    rules = board.rules(service, "live")
    if rules is not None:
        there = {tag.removeprefix(f"affiant.gate.{service}.") for tag in tags}
        failed += [f"{gate} (did not run)" for gate in sorted(rules.gates - there)]
        other = compared_with_another(said, rules, service, board.live_at)
        failed += [] if other is None else [other]
    if tags:
        tags[f"affiant.gates.{service}"] = f"failed: {', '.join(failed)}" if failed else "passed"
    return tags


class _Asked:
    """Admission, asked of every package as it would be by a gateway now."""

    def __init__(self, board: Board, now: float) -> None:
        self._board: Final = board
        self._now: Final = now

    def answers(self, service: str, digest: str, slot: str, publisher: str | None) -> bool:
        """Whether it may answer there; or goes on, since only its approvals have ended and the policy lets it."""
        board = self._board
        verdict = board.verdict(service, digest, slot, self._now, publisher)
        rules = board.policy.rules(service) if board.policy is not None else None
        return verdict.admitted or (verdict.expired and rules is not None and not rules.stop_on_expiry)

    def signatures(self, service: str, digest: str, publisher: str | None) -> dict[str, str]:
        """Of approvals, those that count for some slot; of rejections, those that stand; a revocation while nothing is
        approved again.
        """
        board = self._board
        about = board.about(digest)
        usual = tuple(each for each in about if each.predicate.get("break_glass") is not True)
        # Without its emergency: that would be the whole verdict, and who signed as usual would not be told.
        calm = replace(board, said=usual, lives=board.lives)
        verdicts = [calm.verdict(service, digest, slot, self._now, publisher) for slot in SLOTS]
        counted = {offset for each in verdicts for offset in each.counted}
        rejected = {offset for each in verdicts for offset in each.rejected}
        urgent = board.emergency(service, digest, self._now, publisher)
        people: dict[tuple[str, str], dict[str, str]] = {}
        for each in once(about):
            role = each.predicate.get("role")
            person = board.roots.now.person(each.author, role, each.offset) if isinstance(role, str) else None
            if person is None and each.offset in rejected:
                person = board.speaker(each)  # by a key that is gone, of somebody who still has the role
            kind = _kind(each, counted, rejected, glass=person is not None and urgent.get(person) == role)
            if kind is not None and person is not None and each.predicate.get("service") == service:
                people.setdefault((kind, str(role)), {})[person] = _word(board, service, each, person)
        tags = {
            f"affiant.{kind}.{service}.{role}": " | ".join(words.values())
            for (kind, role), words in people.items()
        }
        revoked = board.revoked(service, digest)
        if revoked is not None and not any(kind != "rejected" for kind, _ in people):
            tags[f"affiant.revoked.{service}"] = _word(board, service, revoked, board.speaker(revoked))
        return tags


def _kind(each: Said, counted: Collection[int], rejected: Collection[int], *, glass: bool) -> str | None:
    """What a statement is told as; None: it is not told. `glass`: its signer's break-glass counts in that role."""
    if each.offset in counted:
        return "approved"
    if each.offset in rejected:
        return "rejected"
    if each.type == APPROVAL and each.predicate.get("break_glass") is True and glass:
        return "break-glass"
    return None


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
