"""A policy, signed by one of those who may change it: what would not count is told beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.admission.policy import wanted_for_change
from registry.policy import Policy
from registry.statement import POLICY, encode

from .alone import holders
from .board import Board
from .proposals import Proposal, missing
from .root import GATES_ROLE, Root
from .slots import unwritten


@dataclass(frozen=True, slots=True)
class PolicyIntent:
    """What somebody is about to sign."""

    policy: Policy
    role: str
    key: str
    """The key id."""
    rationale: str
    at: float
    """Seconds since 1970 UTC."""
    version: int

    def statement(self) -> bytes:
        """The bytes that are signed."""
        predicate: dict[str, Any] = {
            "version": self.version,
            "role": self.role,
            "text": self.policy.canonical().decode(),
            "at": self.at,
            "rationale": self.rationale,
        }
        return encode(self.policy.digest, POLICY, predicate)


def next_version(board: Board, policy: Policy) -> int:
    """The version under which others have signed this policy already, else the next one."""
    now = board.policy.version if board.policy is not None else 0
    return max(
        (each.version for each in board.proposals() if each.policy.digest == policy.digest), default=now + 1
    )


def proposal_of(board: Board, digest: str, version: int) -> Proposal | None:
    """What is signed so far; None: nothing that counts."""
    return next(
        (each for each in board.proposals() if (each.policy.digest, each.version) == (digest, version)), None
    )


def policy_refusals(board: Board, intent: PolicyIntent) -> tuple[str, ...]:
    """Why the signature would not count, a sentence for each; empty: it would."""
    now, wanted = board.policy, wanted_for_change(board.roots, board.policy)
    if now is not None and now.unread is not None:
        return (now.unread.words(),)
    if now is not None and intent.policy.digest == now.digest:
        return (f"this policy is in force already, as version {now.version}",)
    if now is not None and intent.version <= now.version:
        return (f"version {intent.version} does not follow version {now.version}, which is in force",)
    found = list(unwritten(intent.policy))
    if intent.role not in wanted:
        roles = ", ".join(wanted) or "nobody: the root has no role policy"
        found.append(f"a change of the policy is not asked of {intent.role}, but of {roles}")
    person = board.roots.now.person(intent.key, intent.role, board.end)
    if person is None:
        found.append(f"the key {intent.key[:16]}… has not the role {intent.role}")
    there = proposal_of(board, intent.policy.digest, intent.version)
    if there is not None and person in there.signed:
        found.append(f"{person} has signed this policy already: nobody signs twice")
    return tuple(found)


def still_wanted(board: Board, digest: str, version: int) -> Mapping[str, int]:
    """Role → people who must still sign; empty when it is in force, or none is wanted."""
    if board.policy is not None and (board.policy.digest, board.policy.version) == (digest, version):
        return {}
    there = proposal_of(board, digest, version)
    return there.missing if there is not None else missing(wanted_for_change(board.roots, board.policy), {})


def lacking(root: Root, policy: Policy) -> tuple[str, ...]:
    """What a policy asks for and the root does not give, a sentence for each: it could never be met."""
    found = []
    asked: dict[str, Mapping[str, int]] = {"a change of the policy": policy.change.roles}
    for name, service in policy.services.items():
        asked[f"{name}: live"] = service.approvals.roles
        asked[f"{name}: break-glass"] = service.break_glass.roles if service.break_glass is not None else {}
    for what, roles in asked.items():
        for role, count in roles.items():
            there = len(holders(root.content, role))
            if there < count:
                found.append(f"{what} asks for {count} × {role}, and the root has {there}")
    if not holders(root.content, GATES_ROLE):
        found.append("the root has nobody in the role gates: no gate results will count")
    return tuple(found)
