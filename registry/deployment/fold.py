"""Which deployment events count, and what they leave served. Pure: the log's statements in, plans out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.statement import DEPLOYMENT, Said, once

from .event import CONTROLLER_ROLE, DEPLOY_ROLE, Deployment, Placed, parse_deployment
from .standing import Event, Standing, standings
from .steps import Rollout, why_not


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
    canaries: tuple[Rollout, ...] = ()
    """Those that stand; each is compared with live by itself, with steps or without."""

    @property
    def plan(self) -> tuple[Placed, ...]:
        """What is to answer; empty when no event counts."""
        return () if self.last is None else tuple(self.last.content.plan)

    @property
    def canary(self) -> Rollout | None:
        """The one canary that stands; None: there is none, or several."""
        return self.canaries[0] if len(self.canaries) == 1 else None

    @property
    def counted(self) -> tuple[Event, ...]:
        """Those that count."""
        return tuple(each for each in self.events if each.void is None)


def ever_named(services: Mapping[str, Deployed]) -> set[tuple[str, str]]:
    """Service and digest of all that any event which counts named: what may have answered."""
    return {
        (service, placed.digest)
        for service, deployed in services.items()
        for event in deployed.counted
        for placed in event.content.plan
    }


class Fold:
    """Deployment events, taken one after another, and what they leave; the events themselves are let go.

    An event counts when a key that had the role `deploy` (or, for a rollback to what was live and for a step that a
    deployment named, `controller`) at that place of the log has signed it, when it follows the service's event before
    it, and when it was not kept back. A deployment stays in force when who signed it has left. An event that is
    appended again is as old as it was.
    """

    def __init__(self) -> None:
        self._services: dict[str, Standing] = {}

    def take(self, roots: Roots, said: Iterable[Said]) -> list[Event]:
        """The next statements.

        Args:
            roots: the chain that is believed; a later one may be given than before.
            said: statements in the log's order, `holds` decided by the roots' keys; others than deployments are
                passed over.

        Returns:
            The events among them, whether or not they count.
        """
        return [event for each in said if (event := self._take(roots, each)) is not None]

    def _take(self, roots: Roots, said: Said) -> Event | None:
        if said.type != DEPLOYMENT or not said.holds:
            return None
        try:
            content = parse_deployment(said)
        except FormatError:
            return (
                None  # its signer may be anybody who ever had a key; nothing can be said of a service by it
            )
        service = self._services.setdefault(content.service, Standing())
        if (said.author, said.raw) in service.refused:
            return None
        event = _judged(roots, said, content, service)
        if event.void is None:
            service.count(event)
        else:
            service.refuse(said, content.after)
        return event

    def plans(self) -> Mapping[str, tuple[Placed, ...]]:
        """Service → what is to answer; services without an event that counts are not there."""
        return {name: each.plan for name, each in self._services.items() if each.last is not None}

    def standing(self) -> Mapping[str, Standing]:
        """Service → how it stands; also of services of which no event counts."""
        return self._services

    def kept(self) -> dict[str, Any]:
        """What `resume` needs, as JSON."""
        return {name: each.kept() for name, each in self._services.items()}

    @classmethod
    def resume(cls, kept: object, roots: Roots, said_at: Callable[[int], Said | None]) -> Fold:
        """Go on from where another fold was.

        Which events count is believed of `kept`; what an event says, and whose it is, is not: those that a service
        stands on are read again, and MUST hold, each after the one before it.

        Args:
            kept: what `kept` said, of the first statements of the very same log.
            roots: as of `take`. No key that signed any of those statements is in them that was not in them then.
            said_at: the statement at an offset, its signature checked; None: there is none.

        Raises:
            FormatError: it is not of that form, or not what those statements leave.
        """
        fold = cls()
        for name, one in standings(kept).items():
            service = fold._services[name] = one.begin()
            for offset in one.since:
                said = said_at(offset)
                if said is None or said.type != DEPLOYMENT or not said.holds:
                    raise FormatError(f"standing of {name}: there is no deployment at offset {offset}")
                content = parse_deployment(said)
                event = _judged(roots, said, content, service)
                # What came before the first one is not known here.
                if content.service != name or not event.person or (service.since and event.void is not None):
                    raise FormatError(f"standing of {name}: the event at offset {offset} does not count")
                service.count(replace(event, void=None))
            for offset in one.refused:
                said = said_at(offset)
                if said is None:
                    raise FormatError(f"standing of {name}: there is no deployment at offset {offset}")
                service.refuse(said, parse_deployment(said).after)
        return fold

    def live_at(self, service: str, offset: int) -> str | None:
        """What was live for a service before that offset of the log; None: nothing, by its events."""
        found = self._services.get(service)
        return None if found is None else found.live_at(offset)


def fold_deployments(roots: Roots, said: Iterable[Said]) -> Mapping[str, Deployed]:
    """Service → what its events leave, of a whole log, with the events; see `Fold`."""
    fold, events = Fold(), dict[str, list[Event]]()
    for event in fold.take(roots, once(each for each in said if each.type == DEPLOYMENT and each.holds)):
        events.setdefault(event.content.service, []).append(event)
    standing = fold.standing()
    return {
        name: Deployed(name, tuple(own), each.last, each.paused, each.rollout, each.canaries)
        for name, own, each in ((name, own, standing[name]) for name, own in events.items())
    }


def _who(roots: Roots, said: Said) -> tuple[str, str]:
    root = roots.at(said.offset)
    for role in (DEPLOY_ROLE, CONTROLLER_ROLE):
        person = root.person(said.author, role, said.offset)
        if person is not None:
            return person, role
    return "", ""


def _judged(roots: Roots, said: Said, content: Deployment, before: Standing) -> Event:
    person, role = _who(roots, said)
    why = _void(content, person, role, said, before)
    return Event(said.offset, said.logged, content, person, role, why)


def _void(  # noqa: PLR0911 - one line a reason
    content: Deployment, person: str, role: str, said: Said, before: Standing
) -> str | None:
    if not person:
        return f"its key has not the role {DEPLOY_ROLE}"
    if content.after != before.after:
        return f"it follows {_event(content.after)}, and the newest was {_event(before.after)}"
    if said.kept_back(content.at):
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


def _back(content: Deployment, before: Standing) -> bool:
    """Whether what is live then was live before, and nothing else answers that did not, or more than it did."""
    kept = {(each.digest, each.slot): each.weight for each in before.plan}
    return content.live in before.was_live and all(
        each.weight <= kept.get((each.digest, each.slot), 0.0) for each in content.plan if each.slot != "live"
    )


def _event(offset: int | None) -> str:
    return "no event" if offset is None else f"that at offset {offset}"
