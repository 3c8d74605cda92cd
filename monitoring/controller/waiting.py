"""Alarms that wait for their turn, and those that were decided about lately: bounded, and nothing of it is kept."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from monitoring.figures import Alarm

from .base import Decision

MOST_ALIKE: Final = 8
"""Alarms about one package for one cause: the same evidence decides about all of them. Who waits beside so many need
not wait, too."""
MOST_OF_SERVICE: Final = 256
"""Alarms of one service; who sends more is told to come again. Others' have their own places."""
MOST_WAITING: Final = 4096
"""Alarms of all services: anybody who has the token may name any."""
REPEAT: Final = 30.0
"""Seconds in which the same alarm is not decided about again, once it was decided about."""
LONGEST: Final = 60.0
"""Seconds between two looks at an alarm that waits."""
REMEMBERED: Final = 600.0
"""Seconds in which an alarm that came late has its turn again when what it is about answers again: Alertmanager sends
what goes on firing every five minutes, and knows nothing of deployments."""
FORGOTTEN: Final = 86_400.0
"""Seconds after which an alarm that waits, and is not sent again, is dropped."""

Key = tuple[str, float, str, str, str, str, str]
Alike = tuple[str, str, str, str, str]


class Full(Exception):  # noqa: N818 - the name says what happened
    """Too many alarms of a service wait, or of all; those before were taken."""


@dataclass(slots=True)
class _Waits:
    alarm: Alarm
    due: float
    heard: float
    since: float | None
    """Since when it waits for what nobody knows when it comes; None: that is known."""
    tries: int = 0


@dataclass(slots=True)
class _Done:
    at: float
    late: Alarm | None
    """The alarm, where what it is about did not answer."""
    end: int
    """Of the governance log by which that was so."""


class Waiting:
    """Not for several threads at once. Times are seconds of a clock that nobody sets."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waits: Final[dict[Key, _Waits]] = {}
        self._alike: Final[Counter[Alike]] = Counter()
        self._of_service: Final[Counter[str]] = Counter()
        """How many of `_waits`."""
        self._done: Final[OrderedDict[Key, _Done]] = OrderedDict()

    def hear(self, alarm: Alarm, now: float) -> str:
        """Take an alarm; what came of it: accepted, duplicate, resolved, full."""
        key = key_of(alarm)
        if alarm.status == "resolved":
            self._drop(key)
            self._done.pop(key, None)
            return "resolved"
        if (known := self._waits.get(key)) is not None:
            known.heard = now
            return "duplicate"
        if (done := self._done.get(key)) is not None and now - done.at < REPEAT:
            return "duplicate"
        if self._alike[alike(alarm)] >= MOST_ALIKE:
            return "duplicate"
        if not self._room(alarm):
            return "full"
        self._add(key, alarm, now)
        return "accepted"

    def turn(self, now: float) -> list[Alarm]:
        """Whose turn it is, those first that wait for the longest time; who is not heard of any more is dropped."""
        for key in [key for key, each in self._waits.items() if now - each.heard > FORGOTTEN]:
            self._drop(key)
        due = sorted((each.due, key) for key, each in self._waits.items() if each.due <= now)
        return [self._waits[key].alarm for _, key in due]

    def waits(self, alarm: Alarm) -> bool:
        """Whether it waits still: not when it was resolved meanwhile."""
        return key_of(alarm) in self._waits

    def longest(self, now: float) -> dict[str, float]:
        """Service → seconds that its alarm has waited which waits longest, for what nobody knows when it comes."""
        found: dict[str, float] = {}
        for each in self._waits.values():
            if each.since is not None:
                service = each.alarm.service
                found[service] = max(found.get(service, 0.0), now - each.since)
        return found

    def next(self) -> float | None:
        """When the next one's turn is; None: nobody waits."""
        return min((each.due for each in self._waits.values()), default=None)

    def decided(self, alarm: Alarm, decision: Decision, now: float, clock: float, late: int | None) -> None:
        """It has had its turn; one that may be decided otherwise later waits on.

        Args:
            alarm: which.
            decision: about it.
            now: as everywhere here.
            clock: seconds since 1970 UTC, as the decision has them.
            late: entries of the governance log by which what it is about does not answer; None: it does.
        """
        key = key_of(alarm)
        if decision.outcome != "wait":
            self._drop(key)
            self._done[key] = _Done(now, None if late is None else alarm, late or 0)
            self._done.move_to_end(key)
            while len(self._done) > MOST_WAITING:
                self._done.popitem(last=False)
        elif (waits := self._waits.get(key)) is not None:
            pause = min(LONGEST, 2.0**waits.tries)
            if decision.again is not None:
                pause = min(LONGEST, max(0.1, decision.again - clock))
                waits.since = None
            elif waits.since is None:
                waits.since = now
            waits.due, waits.tries = now + pause, min(16, waits.tries + 1)

    def changed(self, end: int, answers: Callable[[Alarm], bool], now: float) -> None:
        """The governance log has `end` entries: alarms that came late have their turn again where what they are about
        answers by them. What is decided then is decided by all the rules.
        """
        for key, done in list(self._done.items()):
            if done.late is None or done.end == end or now - done.at > REMEMBERED:
                continue
            done.end = end
            if self._alike[alike(done.late)] < MOST_ALIKE and self._room(done.late) and answers(done.late):
                del self._done[key]
                self._add(key, done.late, now)

    def _room(self, alarm: Alarm) -> bool:
        """Whether its service has a place left, and all have."""
        return self._of_service[alarm.service] < MOST_OF_SERVICE and len(self._waits) < MOST_WAITING

    def _add(self, key: Key, alarm: Alarm, now: float) -> None:
        self._waits[key] = _Waits(alarm, now, now, now)
        self._alike[alike(alarm)] += 1
        self._of_service[alarm.service] += 1

    def _drop(self, key: Key) -> None:
        """It waits no more; nothing where it did not."""
        if (gone := self._waits.pop(key, None)) is None:
            return
        _less(self._alike, alike(gone.alarm))
        _less(self._of_service, gone.alarm.service)


def _less(counts: Counter[Any], name: Any) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]


def alike(alarm: Alarm) -> Alike:
    """What alarms share that the same evidence decides about. A warning is none of a page's."""
    return alarm.service, alarm.digest, alarm.slot, alarm.cause, alarm.severity


def key_of(alarm: Alarm) -> Key:
    """An alarm with another content is another one: a false one MUST NOT keep a true one out."""
    return (
        alarm.fingerprint, alarm.starts_at, alarm.service, alarm.digest, alarm.slot, alarm.cause, alarm.severity,
    )  # fmt: skip
