"""The controller at work: alarms wait in one bounded table, and one thread decides about them, one after another.

Nothing is kept but in the governance log, which is read again before each decision: whoever dies here loses the alarms
that waited, and Alertmanager sends them again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog

from audit.errors import AuditError
from audit.proof.printable import printable
from monitoring.errors import EvidenceUnavailable, EvidenceWrong
from monitoring.figures import Alarm
from monitoring.names import DECISIONS, ROLLBACKS, WEBHOOKS
from registry.deployment import Placed
from registry.errors import RegistryError

from .act import Append, act, event_of, person_of, retraining_of
from .base import Decision, Ground, Outcome, Shown
from .decide import decide, to_retrain, wants_evidence
from .ground import Follower, Grounds
from .metrics import OTHER, ControllerMetrics
from .place import placed_of
from .told import Decisions
from .waiting import Full, Waiting
from .weigh import DRIFT, PREDICTION, SLO, pages, unsound

log = structlog.get_logger("affiant.controller")

Show = Callable[[Alarm, str, Ground], Shown]
"""(alarm, whole digest, ground) → the evidence, computed again under the ground's policy.

Raises EvidenceUnavailable, EvidenceWrong.
"""
Tell = Callable[[Mapping[str, Any]], None]
"""Sends the message of a retraining. Raises RegistryError: nobody took it."""


class Controller:
    """See the module. `run` and `step` are for one thread; the rest may be called from any."""

    def __init__(
        self,
        follower: Follower,
        show: Show,
        append: Append,
        key: str,
        *,
        tell: Tell | None = None,
        metrics: ControllerMetrics | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key`: the id of the key that `append` signs with. `tell`: of the retraining webhook; None: there is none."""
        self._follower: Final = follower
        self._show: Final = show
        self._append: Final = append
        self._key: Final = key
        self._tell: Final = tell
        self._clock: Final = clock
        self._monotonic: Final = monotonic
        self.metrics: Final = metrics or ControllerMetrics()
        self._changed: Final = threading.Condition()
        self._waiting: Final = Waiting()
        self._told: Final = Decisions()
        self._trouble = "the governance log was not read yet"
        self._known: frozenset[str] = frozenset()
        """Services that were ever deployed, as of the last look."""

    def hear(self, alarms: Iterable[Alarm]) -> dict[str, int]:
        """Take alarms; how many of them came to what: accepted, duplicate, resolved.

        Raises:
            Full: not all were taken.
        """
        counts = {"accepted": 0, "duplicate": 0, "resolved": 0}
        with self._changed:
            for alarm in alarms:
                outcome = self._waiting.hear(alarm, self._monotonic())
                self.metrics.count(WEBHOOKS, outcome)
                if outcome == "full":
                    raise Full
                counts[outcome] += 1
            self._changed.notify_all()
        return counts

    def told(self) -> list[dict[str, Any]]:
        """The last decisions, newest first."""
        with self._changed:
            return self._told.as_json()

    def trouble(self) -> str:
        """Why it cannot do its work; empty when it can."""
        return self._trouble

    def waits(self) -> dict[str, float]:
        """Service → seconds: see `Waiting.longest`. What nobody ever deployed is one service."""
        with self._changed:
            known, found = self._known, dict[str, float]()
            for service, seconds in self._waiting.longest(self._monotonic()).items():
                label = service if service in known else OTHER
                found[label] = max(found.get(label, 0.0), seconds)
            return found

    def run(self, stop: threading.Event) -> None:
        """Decide until `stop` is set."""
        while not stop.is_set():
            due = self.step()
            with self._changed:
                wait = 1.0 if due is None else min(1.0, max(0.0, due - self._monotonic()))
                soonest = self._waiting.next()  # one that came meanwhile
                if wait and (soonest is None or soonest > self._monotonic()):
                    self._changed.wait(wait)

    def step(self) -> float | None:
        """Decide about the alarms whose turn it is; when the next one's is, by the monotonic clock. None: none is."""
        if not self._look():
            return self._monotonic() + 1.0
        with self._changed:
            grounds, now = self._follower.grounds, self._monotonic()
            self._waiting.changed(grounds.end, self._answers, now)
            turn = self._waiting.turn(now)
        looked = _Looked(self._show)
        # What is answered decides before what is asked: where both roll back, the event says so.
        for alarm in sorted(turn, key=lambda each: each.cause != PREDICTION):
            self._about(alarm, looked)
        with self._changed:
            return self._waiting.next()

    def _answers(self, alarm: Alarm) -> bool:
        deployed = self._follower.grounds.ground(alarm.service, self._clock()).deployed
        return placed_of(alarm, deployed) is not None

    def _look(self) -> bool:
        """Whether the log can be read, and the key's word counts."""
        try:
            grounds = self._follower.read_on()
        except (AuditError, RegistryError) as error:
            self._say_trouble(f"the governance log: {error}")
            return False
        self._known = frozenset(grounds.services())
        counts = person_of(grounds.ledger.roots, self._key, grounds.end) is not None
        self._say_trouble(
            "" if counts else f"the key {self._key[:16]}… has not the role controller in the root"
        )
        return True

    def _say_trouble(self, why: str) -> None:
        if why and why != self._trouble:
            log.warning("not ready", why=printable(why))
        self._trouble = why

    def _about(self, alarm: Alarm, looked: _Looked) -> None:
        with self._changed:
            if not self._waiting.waits(alarm):
                return  # it was resolved meanwhile
        try:
            decision, offset = self._decided(alarm, looked)
        except EvidenceUnavailable as error:
            decision, offset = _unknown(alarm, "wait", str(error)), None
        except EvidenceWrong as error:
            decision, offset = _unknown(alarm, "wait", f"not to be believed: {error}"), None
        except (AuditError, RegistryError) as error:
            decision, offset = _unknown(alarm, "wait", f"nobody knows yet whether it was done: {error}"), None
        self._keep(alarm, decision, offset)

    def _decided(self, alarm: Alarm, looked: _Looked) -> tuple[Decision, int | None]:
        """Read, decide, act, read. Raises EvidenceUnavailable, EvidenceWrong, AuditError, RegistryError."""
        grounds, ground, now = self._ground(alarm)
        decision = decide(alarm, None, ground, now)
        retrain = to_retrain(alarm, ground)
        if retrain is not None and not wants_evidence(decision) and _said_already(alarm, retrain, grounds):
            return decision, None
        if not wants_evidence(decision) and retrain is None:
            return decision, None
        shown = looked(alarm, retrain.digest if retrain is not None else decision.digest, ground)
        grounds, ground, now = self._ground(alarm)  # that took its time: what others did meanwhile counts
        decision = decide(alarm, shown, ground, now)
        if retrain is not None and unsound(retrain, shown, ground) is None:
            self._retrain(alarm, retrain.digest, shown, grounds, now)
        if decision.outcome != "roll_back":
            return decision, None
        person = person_of(grounds.ledger.roots, self._key, grounds.end)
        if person is None:
            return _unknown(
                alarm, "wait", "the controller's key has not the role controller in the root"
            ), None
        event = event_of(decision, alarm, shown, ground, person, now)
        acted = act(event, self._append, lambda: self._ground(alarm)[1].deployed)
        if acted.why is not None:
            return _unknown(alarm, "wait", f"it was signed, and changes nothing: {acted.why}"), acted.offset
        self.metrics.count(ROLLBACKS, alarm.service, alarm.cause)
        log.warning(
            "rolled back", service=alarm.service, left=decision.digest, slot=alarm.slot, to=decision.to,
            offset=acted.offset,
        )  # fmt: skip
        return decision, acted.offset

    def _ground(self, alarm: Alarm) -> tuple[Grounds, Ground, float]:
        grounds, now = self._follower.read_on(), round(self._clock(), 3)
        return grounds, grounds.ground(alarm.service, now), now

    def _retrain(self, alarm: Alarm, digest: str, shown: Shown, grounds: Grounds, now: float) -> None:
        """Say once that a package is to be trained anew; again only for columns of which it was not said."""
        columns = tuple(sorted(each for cause in DRIFT for each in pages(cause, shown)))
        person = person_of(grounds.ledger.roots, self._key, grounds.end)
        if not set(columns) - grounds.asked_for(alarm.service, digest) or person is None:
            return
        statement, message = retraining_of(alarm, digest, columns, shown, person, now)
        self._append([statement])
        log.warning("retraining wanted", service=alarm.service, digest=digest, columns=list(columns))
        if self._tell is not None:
            try:
                self._tell(message)
            except RegistryError as error:
                # The statement is in the log: that is what counts.
                log.warning("the retraining webhook was not told", why=printable(str(error)))

    def _keep(self, alarm: Alarm, decision: Decision, offset: int | None) -> None:
        """Remember the decision; an alarm that may be decided otherwise later waits on."""
        now, at = self._monotonic(), round(self._clock(), 3)
        late = None if self._answers(alarm) else self._follower.grounds.end
        with self._changed:
            self._waiting.decided(alarm, decision, now, at, late)
            if not self._told.add(alarm, decision, offset, at):
                return
        known = alarm.service in self._follower.grounds.services()
        self.metrics.count(DECISIONS, alarm.service if known else OTHER, decision.outcome)
        log.info(
            "decided", service=alarm.service, digest=decision.digest, slot=alarm.slot, cause=alarm.cause,
            outcome=decision.outcome, why=printable(decision.why),
        )  # fmt: skip


class _Looked:
    """Evidence of one turn: of a package in a slot it is computed once, however many alarms are about it.

    All rules hold for it as for fresh evidence: what changed since it was computed makes the alarm wait.
    """

    def __init__(self, show: Show) -> None:
        self._show: Final = show
        self._found: Final[
            dict[tuple[str, str, str, bool, str], Shown | EvidenceUnavailable | EvidenceWrong]
        ] = {}

    def __call__(self, alarm: Alarm, digest: str, ground: Ground) -> Shown:
        """Raises EvidenceUnavailable, EvidenceWrong."""
        policy = "" if ground.policy is None else ground.policy.digest
        of = (alarm.service, digest, alarm.slot, alarm.cause == SLO, policy)
        if of not in self._found:
            try:
                self._found[of] = self._show(alarm, digest, ground)
            except (EvidenceUnavailable, EvidenceWrong) as error:
                self._found[of] = error
        found = self._found[of]
        if isinstance(found, Shown):
            return found
        raise found


def _said_already(alarm: Alarm, package: Placed, grounds: Grounds) -> bool:
    """Whether retraining was asked for already for the column that an alarm names: others have alarms of their own."""
    return alarm.labels.get("feature") in grounds.asked_for(alarm.service, package.digest)


def _unknown(alarm: Alarm, outcome: Outcome, why: str) -> Decision:
    return Decision(outcome, why, alarm.service, alarm.digest, alarm.slot, alarm.cause)
