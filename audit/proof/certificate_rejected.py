"""Rejections: of whom they are, and which stand. registry.admission.rejected, over plain JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from .certificate_bound import unseen
from .certificate_policy import InForce, SlotRules
from .certificate_said import APPROVAL, REJECTION, Roots, Said
from .certificate_times import SKEW, said_at
from .people import folded


class Rejected(NamedTuple):
    """A rejection."""

    offset: int
    person: str | None
    """None: of nobody whose rejection counts."""
    role: str
    back: int | None = None
    """Where its author approved again."""

    @property
    def stands(self) -> bool:
        """Whether nothing is admitted for it."""
        return self.person is not None and self.back is None

    def words(self) -> str:
        """For people who read a certificate; one that stands is there beside a break-glass only."""
        if self.person is None:
            return f"a rejection at offset {self.offset} does not count: its key has no role that may reject"
        said = f"{self.person} ({self.role}) rejected it at offset {self.offset}"
        if self.back is not None:
            return f"{said} and approved it again at offset {self.back}"
        return f"{said}, which stands: the emergency goes without it"


def may_reject(rules: SlotRules, live: SlotRules | None) -> frozenset[str]:
    """The roles whose rejection counts in a slot: those that sign for live, whatever the slot itself wants."""
    return frozenset((*rules.signers, *(live.signers if live is not None else ())))


def rejections(
    roots: Roots, policy: InForce, service: str, roles: Collection[str], about: Iterable[Said]
) -> list[Rejected]:
    """All of a service, in the log's order. Nobody's revocation ends one.

    Args:
        roots: the chain that is believed.
        policy: in force.
        service: its name.
        roles: whose rejection counts.
        about: all that was said of the package, what a revocation has ended included.
    """
    found: list[Rejected] = []
    open_: dict[tuple[str, str | None], list[tuple[int, Said]]] = {}
    for each in about:
        named = each.predicate.get("role")
        role = named if isinstance(named, str) else ""
        if each.predicate.get("service") != service:
            continue
        if each.type == REJECTION:
            who = _rejects(roots, role, each) if role in roles else None
            if who is not None:
                open_.setdefault(who, []).append((len(found), each))
            found.append(Rejected(each.offset, None if who is None else who[0], role))
        elif each.type == APPROVAL and role in roles:
            person = roots.person(each.author, role, each.offset)
            then = roots.at(each.offset).person(each.author, role, each.offset)
            for (rejecter, key), own in open_.items():
                # Of a key that is gone, what it approved takes back what it rejected, and nothing else.
                theirs = rejecter == person or (key == each.author and then is not None)
                if own and theirs and _takes_back(each, own[-1][1], policy):
                    for place, _ in own:
                        found[place] = found[place]._replace(back=each.offset)
                    own.clear()
    return found


def _rejects(roots: Roots, role: str, said: Said) -> tuple[str, str | None] | None:
    """Who rejected, and the key where the root in force does not give it the role any more; None: nobody who has it."""
    person = roots.now.person(said.author, role, said.offset)
    if person is not None:
        return person, None
    then = roots.at(said.offset).person(said.author, role, said.offset)
    has = roots.now.roles.get(role)
    people = {roots.now.keys[name].person for name in has.keys} if has is not None else set()
    if then is None or then in people:
        return (then, said.author) if then is not None else None
    now = next((each for each in sorted(people) if folded(each) == folded(then)), None)
    return None if now is None else (now, said.author)


def _takes_back(approval: Said, rejection: Said, policy: InForce) -> bool:
    """Whether the same person approved after they rejected, plainly, under a policy that was in force, or is."""
    then = policy.at(approval.offset)
    return (
        approval.predicate.get("break_glass") is not True
        and approval.predicate.get("policy") in (policy.digest, None if then is None else then.digest)
        and said_at(rejection) <= said_at(approval) <= approval.logged / 1000 + SKEW
        and not unseen(approval, rejection.offset)
    )
