"""Which deployment events count, and what they leave served. Pure: the log's statements in, plans out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.statement import DEPLOYMENT, Said, once

from .event import CONTROLLER_ROLE, DEPLOY_ROLE, Deployment, Placed, parse_deployment

STALE: Final = 3600.0
"""Seconds between the signer's clock and the log's after which an event counts for nothing: one that was kept back."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a service, and whether it counts."""

    offset: int
    logged: int
    """ms since 1970 UTC, by the log's clock."""
    content: Deployment
    person: str
    """Whose key signed it; empty when nobody's who may."""
    role: str
    void: str | None = None
    """Why it changes nothing; None: it counts."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A service as its events leave it."""

    service: str
    events: tuple[Event, ...]
    """All of them in the log's order, those that do not count too."""
    last: Event | None = None
    """The newest that counts; None: none does."""
    paused: bool = False

    @property
    def plan(self) -> tuple[Placed, ...]:
        """What is to answer; empty when no event counts."""
        return () if self.last is None else tuple(self.last.content.plan)

    @property
    def counted(self) -> tuple[Event, ...]:
        """Those that count."""
        return tuple(each for each in self.events if each.void is None)


def fold_deployments(roots: Roots, said: Iterable[Said]) -> Mapping[str, Deployed]:
    """Service → what its events leave.

    An event counts when a key that had the role `deploy` (or, for a rollback, `controller`) at that place of the log
    has signed it, when it follows the service's event before it, and when it was not kept back. A deployment stays in
    force when who signed it has left. An event that is appended again is as old as it was.

    Args:
        roots: the chain that is believed.
        said: statements in the log's order, `holds` decided by the roots' keys; others than deployments are passed
            over.
    """
    found: dict[str, Deployed] = {}
    for each in once(one for one in said if one.type == DEPLOYMENT and one.holds):
        try:
            content = parse_deployment(each)
        except FormatError:
            continue  # its signer may be anybody who ever had a key; nothing can be said of a service by it
        before = found.get(content.service) or Deployed(content.service, ())
        person, role = _who(roots, each)
        why = _void(content, person, role, each, before)
        event = Event(each.offset, each.logged, content, person, role, why)
        if why is not None:
            found[content.service] = Deployed(
                content.service, (*before.events, event), before.last, before.paused
            )
        else:
            paused = content.action == "pause" or (before.paused and content.action == "rollback")
            found[content.service] = Deployed(content.service, (*before.events, event), event, paused)
    return found


def _who(roots: Roots, said: Said) -> tuple[str, str]:
    root = roots.at(said.offset)
    for role in (DEPLOY_ROLE, CONTROLLER_ROLE):
        person = root.person(said.author, role, said.offset)
        if person is not None:
            return person, role
    return "", ""


def _void(  # noqa: PLR0911 - one line a reason
    content: Deployment, person: str, role: str, said: Said, before: Deployed
) -> str | None:
    if not person:
        return f"its key has not the role {DEPLOY_ROLE}"
    last = None if before.last is None else before.last.offset
    if content.after != last:
        return f"it follows {_event(content.after)}, and the newest was {_event(last)}"
    if abs(said.logged / 1000 - content.at) > STALE:
        return "it was appended an hour or more from when it was signed"
    if role == CONTROLLER_ROLE and content.action != "rollback":
        return f"the role {CONTROLLER_ROLE} may only roll back"
    if before.paused and (role == CONTROLLER_ROLE or content.action in ("deploy", "promote")):
        return "the service is paused"
    kept = content.action in ("pause", "resume")
    if kept and tuple(content.plan) != before.plan:
        return f"{content.action} must leave the plan as it is"
    return None


def _event(offset: int | None) -> str:
    return "no event" if offset is None else f"that at offset {offset}"
