"""Which deployment events count, and what they leave served. Pure: the log's statements in, plans out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.statement import DEPLOYMENT, Said

from .event import CONTROLLER_ROLE, DEPLOY_ROLE, Deployment, Placed, parse_deployment
from .steps import Rollout, begun, moved, why_not

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
    rollout: Rollout | None = None
    """The canary that moves on by itself; None: there is none, or it is through."""

    @property
    def plan(self) -> tuple[Placed, ...]:
        """What is to answer; empty when no event counts."""
        return () if self.last is None else tuple(self.last.content.plan)

    @property
    def counted(self) -> tuple[Event, ...]:
        """Those that count."""
        return tuple(each for each in self.events if each.void is None)


class Fold:
    """Deployment events, taken one after another.

    An event counts when a key that had the role `deploy` (or, for a rollback to what was live and for a step that a
    deployment named, `controller`) at that place of the log has signed it, when it follows the service's event before
    it, and when it was not kept back. A deployment stays in force when who signed it has left. An event that is
    appended again is as old as it was.
    """

    def __init__(self) -> None:
        self._services: dict[str, _Service] = {}
        self._seen: set[tuple[str, bytes]] = set()

    def take(self, roots: Roots, said: Iterable[Said]) -> None:
        """The next statements.

        Args:
            roots: the chain that is believed; a later one may be given than before.
            said: statements in the log's order, `holds` decided by the roots' keys; others than deployments are
                passed over.
        """
        for each in said:
            if each.type != DEPLOYMENT or not each.holds or (each.author, each.raw) in self._seen:
                continue
            self._seen.add((each.author, each.raw))
            try:
                content = parse_deployment(each)
            except FormatError:
                continue  # its signer may be anybody who ever had a key; nothing can be said of a service by it
            service = self._services.setdefault(content.service, _Service())
            person, role = _who(roots, each)
            why = _void(content, person, role, each, service)
            event = Event(each.offset, each.logged, content, person, role, why)
            service.events.append(event)
            if why is None:
                service.count(event)

    def plans(self) -> Mapping[str, tuple[Placed, ...]]:
        """Service → what is to answer; services without an event that counts are not there."""
        return {name: each.plan for name, each in self._services.items() if each.last is not None}

    def deployed(self) -> Mapping[str, Deployed]:
        """Service → what its events leave."""
        return {
            name: Deployed(name, tuple(each.events), each.last, each.paused, each.rollout)
            for name, each in self._services.items()
        }


def fold_deployments(roots: Roots, said: Iterable[Said]) -> Mapping[str, Deployed]:
    """Service → what its events leave, of a whole log; see `Fold`."""
    fold = Fold()
    fold.take(roots, said)
    return fold.deployed()


@dataclass(slots=True)
class _Service:
    events: list[Event] = field(default_factory=list)
    last: Event | None = None
    paused: bool = False
    rollout: Rollout | None = None
    was_live: set[str] = field(default_factory=set)

    def count(self, event: Event) -> None:
        """An event that counts."""
        content = event.content
        if content.action == "step" and self.rollout is not None:
            self.rollout = moved(self.rollout, event.logged)
        elif content.action not in ("pause", "resume"):
            self.rollout = begun(content, event.logged, event.offset)
        self.last = event
        self.was_live.add(content.live)
        self.paused = content.action == "pause" or (self.paused and content.action == "rollback")

    @property
    def plan(self) -> tuple[Placed, ...]:
        return () if self.last is None else tuple(self.last.content.plan)


def _who(roots: Roots, said: Said) -> tuple[str, str]:
    root = roots.at(said.offset)
    for role in (DEPLOY_ROLE, CONTROLLER_ROLE):
        person = root.person(said.author, role, said.offset)
        if person is not None:
            return person, role
    return "", ""


def _void(  # noqa: PLR0911 - one line a reason
    content: Deployment, person: str, role: str, said: Said, before: _Service
) -> str | None:
    if not person:
        return f"its key has not the role {DEPLOY_ROLE}"
    last = None if before.last is None else before.last.offset
    if content.after != last:
        return f"it follows {_event(content.after)}, and the newest was {_event(last)}"
    if abs(said.logged / 1000 - content.at) > STALE:
        return "it was appended an hour or more from when it was signed"
    if role == CONTROLLER_ROLE and content.action not in ("rollback", "step"):
        return f"the role {CONTROLLER_ROLE} may only roll back, and take steps that were signed"
    if before.paused and (role == CONTROLLER_ROLE or content.action in ("deploy", "promote", "step")):
        return "the service is paused"
    if role == CONTROLLER_ROLE and content.action == "rollback" and not _back(content, before):
        return f"the role {CONTROLLER_ROLE} may only go back to what was live"
    if content.action == "step":
        return why_not(content, said.logged, before.rollout, before.plan)
    kept = content.action in ("pause", "resume")
    if kept and tuple(content.plan) != before.plan:
        return f"{content.action} must leave the plan as it is"
    return None


def _back(content: Deployment, before: _Service) -> bool:
    """Whether what is live then was live before, and nothing answers that did not."""
    kept = {(each.digest, each.slot) for each in before.plan}
    return content.live in before.was_live and all(
        (each.digest, each.slot) in kept for each in content.plan if each.slot != "live"
    )


def _event(offset: int | None) -> str:
    return "no event" if offset is None else f"that at offset {offset}"
