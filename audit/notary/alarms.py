"""Alarms: what the notary says is wrong, told once each in the governance log, and never in floods.

An alarm is told when what raised it is sealed: then the topic is known to be the one that it is of. Until the
governance log has it, it waits in the notary's state: a crash in between tells it again, and who appends it first
looks whether its *identity* stands there already.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from audit.follow import Flaw
from audit.proof.errors import FormatError

BURST: Final = 64
"""Alarms of one partition that are told one by one when they come at once."""
EVERY: Final = 10.0
"""Seconds in which one more may be told; of the others one alarm `more` says how many there were."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong and where. `subject` tells apart what has no place: a setting, another topic."""

    what: str
    message: str
    topic: str
    """The topic's id, hex."""
    partition: int
    offset: int
    journal: str | None = None
    sequence: int | None = None
    subject: str | None = None

    @classmethod
    def of(cls, flaw: Flaw, topic: bytes) -> Alarm:
        """A flaw of that topic."""
        return cls(flaw.what, flaw.message, topic.hex(), *flaw[2:])

    @property
    def identity(self) -> bytes:
        """The same for the same thing, however often it is found: all but the message, 32 bytes."""
        return identity_of(asdict(self))

    def encode(self) -> bytes:
        """As JSON: the body of its statement."""
        content = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Alarm:
        """Of its JSON.

        Raises:
            FormatError: it is none.
        """
        try:
            return cls(**json.loads(raw))
        except (ValueError, TypeError) as error:
            raise FormatError("state: not an alarm") from error


def identity_of(body: dict[str, Any]) -> bytes:
    """The identity of an alarm's body, as it stands in the governance log."""
    kept = {key: value for key, value in body.items() if key != "message" and value is not None}
    return sha256(json.dumps(kept, separators=(",", ":"), sort_keys=True).encode()).digest()


class Untold:
    """The alarms of one partition that wait to be told. Used by two threads."""

    def __init__(
        self,
        topic: bytes,
        partition: int,
        clock: Callable[[], float],
        burst: int = BURST,
        every: float = EVERY,
    ) -> None:
        """`clock`: seconds, monotonic."""
        self._topic = topic
        self._partition = partition
        self._clock = clock
        self._burst, self._every = burst, every
        self._left, self._at = float(burst), clock()
        self._fresh: dict[bytes, Alarm] = {}
        self._waiting: dict[bytes, Alarm] = {}
        self._more: Counter[str] = Counter()
        self._between = [0, 0]
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Alarms of this run by name, those that are not told one by one included."""

    def add(self, alarm: Alarm, *, at_once: bool = False) -> None:
        """Take an alarm, or count it. `at_once`: it does not wait until what was read is sealed."""
        with self._lock:
            self.counts[alarm.what] += 1
            if len(self._fresh) + len(self._waiting) < self._burst and self._take():
                (self._waiting if at_once else self._fresh).setdefault(alarm.identity, alarm)
                return
            if not self._more:
                self._between[0] = alarm.offset
            self._more[alarm.what] += 1
            self._between[1] = alarm.offset

    def waiting(self) -> list[Alarm]:
        """Those that are to be told now."""
        with self._lock:
            if self._more and len(self._waiting) < self._burst and self._take():
                more = self._summary()
                self._waiting[more.identity] = more
                self._more.clear()
            return list(self._waiting.values())

    @property
    def fresh(self) -> bool:
        """Whether some wait until what raised them is sealed."""
        return bool(self._fresh)

    def sealed(self) -> None:
        """What was read is sealed, and these stand in the state."""
        with self._lock:
            self._waiting |= self._fresh
            self._fresh.clear()

    def forget(self) -> None:
        """What was read and not sealed is read again, or was another topic's."""
        with self._lock:
            self._fresh.clear()

    @property
    def count(self) -> int:
        """How many wait."""
        with self._lock:
            return len(self._fresh) + len(self._waiting) + self._more.total()

    def told(self, alarms: Iterable[Alarm]) -> None:
        """These stand in the governance log: let go of them."""
        with self._lock:
            for alarm in alarms:
                self._waiting.pop(alarm.identity, None)

    def state(self) -> dict[str, Any]:
        """For CBOR."""
        with self._lock:
            return {
                "untold": [alarm.encode() for alarm in (self._waiting | self._fresh).values()],
                "more": dict(self._more),
                "between": list(self._between),
            }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; what waits already goes on waiting.

        Raises:
            FormatError: it is none.
        """
        try:
            waiting = [Alarm.decode(raw) for raw in state["untold"]]
            self._waiting |= {alarm.identity: alarm for alarm in waiting}
            self._more = Counter({str(what): int(count) for what, count in state["more"].items()})
            first, last = state["between"]
            self._between = [int(first), int(last)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError("state: not alarms that wait") from error

    def _take(self) -> bool:
        """Whether one more may be told now."""
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) / self._every)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _summary(self) -> Alarm:
        first, last = self._between
        said = ", ".join(f"{what} {count}" for what, count in sorted(self._more.items()))
        return Alarm(
            "more",
            f"too many to tell one by one, at offsets {first} to {last}: {said}",
            self._topic.hex(),
            self._partition,
            first,
        )
