"""The controller at work: alarms wait in one bounded table, and one thread decides about them, one after another.

Nothing is kept but in the governance log, which is read again before each decision: whoever dies here loses the alarms
that waited, and Alertmanager sends them again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from audit.errors import AuditError
from audit.proof.printable import printable
from monitoring.errors import EvidenceUnavailable, EvidenceWrong
from monitoring.figures import Alarm
from monitoring.names import DECISIONS, ROLLBACKS, WEBHOOKS
from registry.errors import RegistryError

from .act import Append, act, event_of, person_of, retraining_of
from .base import Decision, Ground, Outcome, Shown
from .decide import decide, to_retrain, wants_evidence
from .ground import Follower, Grounds
from .metrics import OTHER, ControllerMetrics
from .told import Decisions
from .weigh import DRIFT, pages, unsound

MOST_WAITING: Final = 256
"""Alarms; who sends more is told to come again."""
REPEAT: Final = 30.0
"""Seconds in which the same alarm is not decided about again, once it was refused."""
LONGEST: Final = 60.0
"""Seconds between two looks at an alarm that waits."""
FORGOTTEN: Final = 86_400.0
"""Seconds after which an alarm that waits, and is not sent again, is dropped."""

log = structlog.get_logger("affiant.controller")

Key = tuple[str, float, str, str, str, str, str]
Show = Callable[[Alarm, str, Ground], Shown]
"""(alarm, whole digest, ground) → the evidence, computed again under the ground's policy.

Raises EvidenceUnavailable, EvidenceWrong.
"""
Tell = Callable[[Mapping[str, Any]], None]
"""Sends the message of a retraining. Raises RegistryError: nobody took it."""


class Full(Exception):  # noqa: N818 - the name says what happened
    """Too many alarms wait; those before were taken."""


@dataclass(slots=True)
class _Waiting:
    alarm: Alarm
    due: float
    heard: float
    tries: int = 0


@dataclass(slots=True)
class _Table:
    """What waits, and what was decided; held under one lock."""

    waiting: dict[Key, _Waiting] = field(default_factory=dict)
    done: OrderedDict[Key, float] = field(default_factory=OrderedDict)
    told: Decisions = field(default_factory=Decisions)


class Controller:
    """See the module. `hear`, `told` and `trouble` may be called from any thread; `run` and `step` from one."""

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
        self._table: Final = _Table()
        self._trouble = "the governance log was not read yet"

    def hear(self, alarms: Iterable[Alarm]) -> dict[str, int]:
        """Take alarms; how many of them came to what: accepted, duplicate, resolved.

        Raises:
            Full: not all were taken.
        """
        counts = {"accepted": 0, "duplicate": 0, "resolved": 0}
        with self._changed:
            for alarm in alarms:
                outcome = self._hear(alarm)
                self.metrics.count(WEBHOOKS, outcome)
                if outcome == "full":
                    raise Full
                counts[outcome] += 1
            self._changed.notify_all()
        return counts

    def _hear(self, alarm: Alarm) -> str:
        now, key = self._monotonic(), _key(alarm)
        table = self._table
        if alarm.status == "resolved":
            table.waiting.pop(key, None)
            table.done.pop(key, None)
            return "resolved"
        if (known := table.waiting.get(key)) is not None:
            known.heard = now
            return "duplicate"
        if now - table.done.get(key, -REPEAT) < REPEAT:
            return "duplicate"
        if len(table.waiting) >= MOST_WAITING:
            return "full"
        table.waiting[key] = _Waiting(alarm, now, now)
        return "accepted"

    def told(self) -> list[dict[str, Any]]:
        """The last decisions, newest first."""
        with self._changed:
            return self._table.told.as_json()

    def trouble(self) -> str:
        """Why it cannot do its work; empty when it can."""
        return self._trouble

    def run(self, stop: threading.Event) -> None:
        """Decide until `stop` is set."""
        while not stop.is_set():
            due = self.step()
            with self._changed:
                wait = 1.0 if due is None else min(1.0, max(0.0, due - self._monotonic()))
                if wait and not any(each.due <= self._monotonic() for each in self._table.waiting.values()):
                    self._changed.wait(wait)

    def step(self) -> float | None:
        """Decide about the alarms whose turn it is; when the next one's is, by the monotonic clock. None: none is."""
        if not self._look():
            return self._monotonic() + 1.0
        now = self._monotonic()
        with self._changed:
            waiting = self._table.waiting
            for key in [key for key, each in waiting.items() if now - each.heard > FORGOTTEN]:
                del waiting[key]
            turn = sorted((each.due, key) for key, each in waiting.items() if each.due <= now)
        for _, key in turn:
            self._about(key)
        with self._changed:
            return min((each.due for each in self._table.waiting.values()), default=None)

    def _look(self) -> bool:
        """Whether the log can be read, and the key's word counts."""
        try:
            grounds = self._follower.read_on()
        except (AuditError, RegistryError) as error:
            self._say_trouble(f"the governance log: {error}")
            return False
        counts = person_of(grounds.ledger.roots, self._key, grounds.end) is not None
        self._say_trouble(
            "" if counts else f"the key {self._key[:16]}… has not the role controller in the root"
        )
        return True

    def _say_trouble(self, why: str) -> None:
        if why and why != self._trouble:
            log.warning("not ready", why=printable(why))
        self._trouble = why

    def _about(self, key: Key) -> None:
        with self._changed:
            waiting = self._table.waiting.get(key)
        if waiting is None:
            return  # it was resolved meanwhile
        alarm = waiting.alarm
        try:
            decision, offset = self._decided(alarm)
        except EvidenceUnavailable as error:
            decision, offset = _unknown(alarm, "wait", str(error)), None
        except EvidenceWrong as error:
            decision, offset = _unknown(alarm, "wait", f"not to be believed: {error}"), None
        except (AuditError, RegistryError) as error:
            decision, offset = _unknown(alarm, "wait", f"nobody knows yet whether it was done: {error}"), None
        self._keep(key, alarm, decision, offset)

    def _decided(self, alarm: Alarm) -> tuple[Decision, int | None]:
        """Read, decide, act, read. Raises EvidenceUnavailable, EvidenceWrong, AuditError, RegistryError."""
        grounds, ground, now = self._ground(alarm)
        decision = decide(alarm, None, ground, now)
        retrain = to_retrain(alarm, ground)
        if not wants_evidence(decision) and retrain is None:
            return decision, None
        shown = self._show(alarm, retrain.digest if retrain is not None else decision.digest, ground)
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

    def _keep(self, key: Key, alarm: Alarm, decision: Decision, offset: int | None) -> None:
        """Remember the decision; an alarm that may be decided otherwise later waits on."""
        now, at = self._monotonic(), round(self._clock(), 3)
        with self._changed:
            table = self._table
            waiting = table.waiting.get(key)
            if decision.outcome != "wait":
                table.waiting.pop(key, None)
                table.done[key] = now
                while len(table.done) > MOST_WAITING:
                    table.done.popitem(last=False)
            elif waiting is not None:
                pause = min(LONGEST, 2.0**waiting.tries)
                if decision.again is not None:
                    pause = min(LONGEST, max(0.1, decision.again - at))
                waiting.due, waiting.tries = now + pause, min(16, waiting.tries + 1)
            if not table.told.add(alarm, decision, offset, at):
                return
        known = alarm.service in self._follower.grounds.services()
        self.metrics.count(DECISIONS, alarm.service if known else OTHER, decision.outcome)
        log.info(
            "decided", service=alarm.service, digest=decision.digest, slot=alarm.slot, cause=alarm.cause,
            outcome=decision.outcome, why=printable(decision.why),
        )  # fmt: skip


def _key(alarm: Alarm) -> Key:
    """An alarm with another content is another one: a false one MUST NOT keep a true one out."""
    return (
        alarm.fingerprint, alarm.starts_at, alarm.service, alarm.digest, alarm.slot, alarm.cause, alarm.severity,
    )  # fmt: skip


def _unknown(alarm: Alarm, outcome: Outcome, why: str) -> Decision:
    return Decision(outcome, why, alarm.service, alarm.digest, alarm.slot, alarm.cause)
