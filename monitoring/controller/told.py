"""The last decisions, for people."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from monitoring.figures import Alarm

from .base import Decision

KEPT: Final = 200
"""Decisions that are remembered."""


@dataclass(frozen=True, slots=True)
class Told:
    """A decision, as people are shown it. Times are seconds since 1970 UTC."""

    at: float
    first: float
    """When the same was decided about this alarm first."""
    times: int
    alarm: str
    fingerprint: str
    decision: Decision
    offset: int | None
    """Of the event."""

    def as_json(self) -> dict[str, Any]:
        """Without what only machines need."""
        decision = self.decision
        return {
            "at": text_of(self.at),
            "since": text_of(self.first),
            "times": self.times,
            "alert": self.alarm,
            "fingerprint": self.fingerprint,
            "service": decision.service,
            "digest": decision.digest,
            "slot": decision.slot,
            "cause": decision.cause,
            "outcome": decision.outcome,
            "why": decision.why,
            "to": decision.to,
            "offset": self.offset,
        }


class Decisions:
    """Newest last. What is decided again about the same alarm, as before, is one decision. Not for several threads."""

    def __init__(self) -> None:
        self._told: Final[deque[Told]] = deque(maxlen=KEPT)

    def add(self, alarm: Alarm, decision: Decision, offset: int | None, at: float) -> bool:
        """Whether it is another decision than the one before about that alarm."""
        last = next(
            (
                one
                for one in reversed(self._told)
                if (one.alarm, one.fingerprint) == (alarm.name, alarm.fingerprint)
            ),
            None,
        )
        if last is not None and (last.decision, last.offset) == (decision, offset):
            self._told.remove(last)
            self._told.append(replace(last, at=at, times=last.times + 1))
            return False
        self._told.append(Told(at, at, 1, alarm.name, alarm.fingerprint, decision, offset))
        return True

    def as_json(self) -> list[dict[str, Any]]:
        """Newest first."""
        return [each.as_json() for each in reversed(self._told)]


def text_of(at: float) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
