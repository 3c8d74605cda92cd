"""Rejections that stand: of people who may sign, until the same person takes theirs back.

Nothing else ends one. Whoever may revoke voids what lets a package answer; what somebody has against it they leave
standing, whoever they are. A break-glass says nothing of whether the package is good, and an approval under another
policy is none under this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from audit.proof.people import folded
from registry.approvals.root import Roots
from registry.statement import APPROVAL, REJECTION, Said

from .policy import InForce
from .rules import Rules
from .times import SKEW, at, unseen


def may_reject(rules: Rules, slot: str) -> frozenset[str]:
    """The roles whose rejection counts in a slot: those that sign for live, whatever the slot itself wants.

    A slot that asks fewer people MUST NOT be deaf to the others: a canary answers real requests, and a shadow reads
    them. Revocations are asked in the same way.
    """
    return frozenset(
        role for name in ("live", slot) if name in rules.slots for role in rules.slots[name].signers
    )


def standing(
    roots: Roots, policy: InForce, service: str, roles: Collection[str], said: Iterable[Said]
) -> dict[int, str]:
    """Offset → why, of the rejections that stand.

    Whose it is the root in force says. Where that no longer gives the key its role, the root of that time does: a
    rejection does not go with a key, while the person has the role by another one.

    Args:
        roots: the chain that is believed.
        policy: in force.
        service: its name.
        roles: whose rejection counts (`may_reject`).
        said: all that was said of the package, in the log's order, what a revocation has ended included.
    """
    found: dict[tuple[str, str | None], tuple[Said, str]] = {}
    for each in said:
        role = each.predicate.get("role")
        if not isinstance(role, str) or role not in roles or each.predicate.get("service") != service:
            continue
        if each.type == REJECTION:
            person, key = rejects(roots, role, each)
            if person is not None:
                found[person, key] = each, f"rejected by {person} ({role}): {said_why(each.predicate)}"
        elif each.type == APPROVAL:
            person = roots.person(each.author, role, each.offset)
            then = roots.at(each.offset).person(each.author, role, each.offset)
            for who, key in list(found):
                # Of a key that is gone, what it approved takes back what it rejected, and nothing else.
                own = who == person or (key == each.author and then is not None)
                if own and _takes_back(each, found[who, key][0], policy):
                    del found[who, key]
    return {each.offset: why for each, why in found.values()}


def rejects(roots: Roots, role: str, said: Said) -> tuple[str | None, str | None]:
    """Who rejected, as the root in force calls them, and the key where that has not the role any more; None: nobody who
    may, or nobody who has the role now.
    """
    person = roots.now.person(said.author, role, said.offset)
    if person is not None:
        return person, None
    then = roots.at(said.offset).person(said.author, role, said.offset)
    now = _named(then, roots.now.people(role)) if then is not None else None
    return (now, said.author) if now is not None else (None, None)


def _named(person: str, people: Collection[str]) -> str | None:
    """How these call somebody; None: they are none of them."""
    if person in people:
        return person
    return next((each for each in sorted(people) if folded(each) == folded(person)), None)


def _takes_back(approval: Said, rejection: Said, policy: InForce) -> bool:
    """Whether an approval of the same person was said after a rejection, and was one under a policy in force."""
    then = policy.at(approval.offset)
    return (
        approval.predicate.get("break_glass") is not True
        # Of then: a change of policy brings back no rejection that was taken back. Or of now: signed before it came.
        and approval.predicate.get("policy") in (policy.digest, None if then is None else then.digest)
        and at(rejection) <= at(approval) <= approval.logged / 1000 + SKEW
        # An approval of before, which somebody kept back, takes nothing back.
        and not unseen(approval, rejection.offset)
    )


def said_why(predicate: Mapping[str, Any]) -> str:
    """A rationale, short and on one line."""
    return " ".join(str(predicate.get("rationale", "no reason given")).split())[:200]
