"""Takes the steps of rollouts once their comparison holds, and takes canaries back when it does not.

A canary without steps, or with none left, is compared as long as it stands: it may go back, and no further. Of several
each is compared with live by itself, and goes back alone; those that stay are compared anew from then on. A step that
is waited for longer than the policy says is given up: the canary goes back, though nothing is shown of it.

Nothing is kept but in the governance log: whoever dies here leaves a rollout where it is. What the monitor counted is
believed: a lying one can make a controller take steps early that people have signed, or go back, and nothing else. The
event says what it was decided by: the counts, of which offsets, the policy, and what came of each question.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import structlog

from audit.backoff import backoff
from audit.direct import direct
from audit.errors import AuditError
from monitoring.controller.act import Append, act, person_of
from monitoring.controller.base import Ground
from monitoring.controller.decide import without
from monitoring.controller.ground import Follower
from monitoring.errors import DetectError, MonitoringError
from monitoring.panes import LATENCY_BOUNDS
from registry.deployment import Deployed, Deployment, Placed, Rollout
from registry.deployment.change import stepped
from registry.errors import RegistryError

from .compare import Comparison, compare
from .stuck import Stuck
from .told import Told
from .tolerances import Tolerances

INTERVAL: Final = 2.0
"""Seconds between two looks."""
_REST: Final = 60.0
"""Seconds after an event that changed nothing; twice as long after each further one."""
_LONGEST_REST: Final = 64 * _REST
SECONDS: Final = tuple(bound / 1e9 for bound in LATENCY_BOUNDS)
_MOST: Final = 1 << 20
_TIMEOUT: Final = 10.0
_LONGEST: Final = 2000
_NUMBERS: Final = re.compile(r"[0-9][0-9.e+-]*|inf")

log = structlog.get_logger("affiant.controller")

Fetch = Callable[[str, str | None], Mapping[str, Any] | None]
"""A service and which of its canaries (None: the one that stands alone) → what the monitor has of its rollout; None:
nothing. Raises MonitoringError: it does not answer."""


class RolloutWaits(MonitoringError):  # noqa: N818 - the name says what happened
    """A rollout stays where it is; the message says why. `stuck`: neither time nor more requests would help."""

    def __init__(self, why: str, *, stuck: bool = True) -> None:
        super().__init__(why)
        self.stuck: Final = stuck


def fetched(monitor: str) -> Fetch:
    """Asks the monitor at that address."""
    opener = direct()

    def fetch(service: str, digest: str | None) -> Mapping[str, Any] | None:
        # Of one alone it is asked as ever: a monitor of before answers that too.
        which = "" if digest is None else f"/{quote(digest, safe=':')}"
        try:
            address = f"{monitor.rstrip('/')}/comparison/{quote(service, safe='')}{which}"
            with opener.open(address, timeout=_TIMEOUT) as answer:
                found = json.loads(answer.read(_MOST))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.NOT_FOUND:
                return None
            raise RolloutWaits(f"the monitor answers {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise RolloutWaits(f"the monitor does not answer ({type(error).__name__})") from error
        return found if isinstance(found, dict) else None

    return fetch


class Mover:
    """For one thread."""

    def __init__(
        self,
        follower: Follower,
        fetch: Fetch,
        append: Append,
        key: str,
        clock: Callable[[], float] = time.time,
        stuck: Stuck | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            follower: of the governance log.
            fetch: what the monitor has counted.
            append: signs and appends.
            key: the id of the key that it signs with.
            clock: seconds since 1970 UTC.
            stuck: is told which rollouts are.
        """
        self._follower: Final = follower
        self._fetch: Final = fetch
        self._append: Final = append
        self._key: Final = key
        self._clock: Final = clock
        self.stuck: Final = stuck or Stuck()
        self._told: dict[tuple[str, str], str] = {}
        """Service and canary → what was said last."""
        self._rests: dict[str, float] = {}
        """Service → until when nothing is signed for it."""
        self._tries: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Look every now and then until `stop` is set."""
        while not stop.wait(INTERVAL):
            self.step()

    def step(self) -> None:
        """Look once at each rollout."""
        try:
            services = self._follower.read_on().services()
        except (AuditError, RegistryError) as error:
            self._say("", "", f"the governance log: {error}")
            return
        standing = {
            (service, rollout.digest): (deployed, rollout)
            for service, deployed in services.items()
            for rollout in (() if deployed.paused else deployed.canaries)
        }
        self._told = {of: said for of, said in self._told.items() if of in standing}
        self.stuck.stands(standing)
        changed = set[str]()
        for (service, digest), (deployed, rollout) in standing.items():
            if service in changed:
                continue  # by another plan than that of a moment ago; at the next look
            try:
                self._say(service, digest, self._about(deployed, rollout))
                changed.add(service)
                self.stuck.says((service, digest), stuck=False)
            except (MonitoringError, AuditError, RegistryError) as error:
                self._say(service, digest, str(error))
                self.stuck.says((service, digest), stuck=not isinstance(error, RolloutWaits) or error.stuck)

    def _about(self, deployed: Deployed, rollout: Rollout) -> str:
        """What was done. Raises RolloutWaits: why nothing was."""
        grounds, now = self._follower.grounds, round(self._clock(), 3)
        ground = grounds.ground(deployed.service, now)
        if now < self._rests.get(deployed.service, 0.0) <= now + _LONGEST_REST:
            raise RolloutWaits("its last event changed nothing; it is tried again later")
        person = person_of(grounds.ledger.roots, self._key, grounds.end)
        if person is None:
            raise RolloutWaits("the controller's key has not the role controller in the root")
        found = self._counted(deployed.service, rollout)
        decided = _decided(ground, found, _limits(ground, rollout), rollout, now)
        plan = plan_without(deployed, rollout) if decided.back else stepped(deployed)
        reason = decided.back or f"the comparison with live holds; {_shares(plan)}"
        assert deployed.last is not None
        event = Deployment(
            service=deployed.service, action="rollback" if decided.back else "step", plan=plan,
            after=deployed.last.offset, reason=reason[:_LONGEST], actor=person, at=now,
            evidence=_evidence(ground, found, decided),
        )  # fmt: skip
        done = act(
            event, self._append, lambda: self._follower.read_on().ground(deployed.service, now).deployed
        )
        if done.why is not None:
            # Each try is an entry that all gateways read: ever more rarely.
            tries = self._tries[deployed.service] = self._tries.get(deployed.service, 0) + 1
            self._rests[deployed.service] = now + backoff(tries, _REST, _LONGEST_REST)
            raise RolloutWaits(f"it was signed, and changes nothing: {done.why}")
        self._tries.pop(deployed.service, None)
        return f"{'taken back' if decided.back else 'moved on'}: {reason}"

    def _counted(self, service: str, rollout: Rollout) -> Mapping[str, Any]:
        found = self._fetch(service, None if rollout.alone else rollout.digest)
        wanted = (rollout.digest, rollout.offset, rollout.moved)
        if found is None or (found.get("digest"), found.get("offset"), found.get("moved")) != wanted:
            raise RolloutWaits("the monitor has nothing of this step yet")
        return found

    def _say(self, service: str, digest: str, what: str) -> None:
        """Each thing once: what is waited for comes nearer at each look, and is the same thing."""
        thing = _NUMBERS.sub("", what)
        if self._told.get((service, digest)) != thing:
            self._told[service, digest] = thing
            log.info("rollout", service=service, digest=digest, what=what)


def _limits(ground: Ground, rollout: Rollout) -> Tolerances:
    try:
        return limits_of(ground)
    except RolloutWaits as error:
        # Whoever signed no steps wants none taken.
        raise RolloutWaits(str(error), stuck=bool(rollout.left)) from None


def limits_of(ground: Ground) -> Tolerances:
    """By what a service's canaries are compared. Raises RolloutWaits: the policy does not say."""
    section = ground.section
    limits = section.canary.rollout if section is not None and section.canary is not None else None
    if limits is None:
        raise RolloutWaits("the policy has no canary.rollout: nothing moves or goes back by itself")
    assert section is not None
    return Tolerances.of(limits, section.slo)


def plan_without(deployed: Deployed, rollout: Rollout) -> list[Placed]:
    """What answers when a canary is taken back: live alone; of several canaries, live with its share, and the rest."""
    if rollout.alone:
        return [Placed(digest=each.digest) for each in deployed.plan if each.slot == "live"]
    gone = next(each for each in deployed.plan if each.digest == rollout.digest)
    return list(without(deployed.plan, gone))


@dataclass(frozen=True, slots=True)
class _Decided:
    """What is done, and by which comparison."""

    came_of: Comparison
    back: str = ""
    """Why it goes back; empty: it moves on."""
    given_up: bool = False
    """Whether it goes back because nothing was shown for too long."""


def _decided(
    ground: Ground, found: Mapping[str, Any], limits: Tolerances, rollout: Rollout, now: float
) -> _Decided:
    """Raises RolloutWaits: nothing is done, and why."""
    told, came_of = _compare(found, limits, rollout, now)
    if came_of.verdict == "back":
        return _Decided(came_of, "; ".join(came_of.reasons))
    if not rollout.left:
        why = "no step is left: it stays, until it is shown to be worse or people decide"
        raise RolloutWaits(why, stuck=False)
    waits: tuple[str, ...] = (*told.waits(now), *came_of.reasons)
    barred: tuple[str, ...] = ()
    if not waits and rollout.left[0] == 1 and (barred := ground.admitted(rollout.digest)):
        waits = (f"the next step makes it live, and it may not be: {'; '.join(barred)}",)
    if not waits:
        return _Decided(came_of)
    if not overdue(told, rollout, limits, now):
        raise RolloutWaits("; ".join(waits), stuck=bool(barred))
    said = f"given up {limits.give_up / 3600:g} h after its step's time"
    return _Decided(came_of, f"{said}: {'; '.join(waits)}", given_up=True)


def overdue(told: Told, rollout: Rollout, limits: Tolerances, now: float) -> bool:
    """Whether its step was waited for long enough, by figures of now: after an outage what it waits for may be shown a
    moment later.
    """
    return rollout.due(int(1000 * (now - limits.give_up))) and not any(told.unknown(now))


def _compare(
    found: Mapping[str, Any], limits: Tolerances, rollout: Rollout, now: float
) -> tuple[Told, Comparison]:
    """Raises RolloutWaits: what the monitor answers is none."""
    try:
        told = Told.read(found)
        came_of = compare(
            told.canary, told.live, limits, SECONDS, due=rollout.due(int(now * 1000)), effect=told.effect
        )
    except DetectError as error:
        raise RolloutWaits(f"what the monitor answers is no comparison: {error}") from error
    return told, came_of


def _evidence(ground: Ground, found: Mapping[str, Any], decided: _Decided) -> dict[str, Any]:
    """What was decided by, for the event."""
    return {
        "kind": "rollout",
        "policy": None if ground.policy is None else ground.policy.digest,
        "governance_end": ground.end,
        "comparison": dict(found),
        "questions": [each.written() for each in decided.came_of.questions],
    } | ({"given_up": True} if decided.given_up else {})


def _shares(plan: list[Placed]) -> str:
    return ", ".join(f"{each.slot} {each.weight:.0%}" for each in plan)
