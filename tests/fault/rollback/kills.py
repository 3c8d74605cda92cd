"""Who is killed when, drawn from a seed; and the hand that does it, and starts again what is down, as a supervisor."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.components.chain import PAIR, Chain

VICTIMS: Final = (
    "monitor", "aggregator", "controller", "prometheus", "alertmanager", "broker", "sidecar",
)  # fmt: skip
"""`aggregator` is the monitor that judges at that moment, `monitor` the other one; `controller` any of the two."""
CLOCKED: Final = tuple(f"{what}-{number}" for what in ("monitor", "controller") for number in PAIR)
JUMPS: Final = (-7200.0, -600.0, 600.0, 7200.0)
"""Seconds: less and more than what makes an event count for nothing."""


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9, and a start after it."""

    at: float
    """Seconds after the round began."""
    victim: str
    away: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A clock that is put wrong, and right again."""

    at: float
    part: str
    ahead: float
    lasts: float


def kills(chance: random.Random, victims: Iterable[str], within: float) -> list[Kill]:
    """Each of them once, in any order, at any time."""
    found = [Kill(chance.uniform(0, within), each, chance.uniform(0.2, 4.0)) for each in victims]
    return sorted(found, key=lambda each: each.at)


def jumps(chance: random.Random, parts: Iterable[str], within: float) -> list[Jump]:
    """Each of their clocks once."""
    found = [
        Jump(chance.uniform(0, within), each, chance.choice(JUMPS), chance.uniform(5.0, 15.0))
        for each in parts
    ]
    return sorted(found, key=lambda each: each.at)


@dataclass
class Hand:
    """`step` does what is due; a part that ends by itself is started again, too, and told in `ended`."""

    chain: Chain
    chance: random.Random
    planned: Sequence[Kill | Jump] = ()
    killed: list[tuple[str, str]] = field(default_factory=list)
    """Victim and part."""
    ended: list[str] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)
    _left: list[Kill | Jump] = field(init=False)
    _back: list[tuple[float, str]] = field(default_factory=list)
    """When what is to be started again, or gets its clock put right."""

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        # A client of ours that is garbage goes on until it is collected, and kafka-python's leave a socket unclosed for
        # each attempt that a broker which is away refuses.
        gc.collect()
        self._left = sorted(self.planned, key=lambda each: each.at)

    @property
    def over(self) -> bool:
        """Whether all that was planned has happened, and everything runs again."""
        return not self._left and not self._back

    def step(self) -> bool:
        """Do what is due now; see `over`."""
        now = time.monotonic()
        while self._left and self._left[0].at <= now - self._begun:
            self._do(self._left.pop(0), now)
        for due, name in list(self._back):
            if due <= now:
                self._back.remove((due, name))
                self._mend(name)
        for name, part in self.chain.parts.items():
            if not part.alive and all(name != down for _, down in self._back):
                self.ended.append(f"{name} ended with {part.returncode}:\n{part.log_tail(12)}")
                part.start()
        return self.over

    def _do(self, what: Kill | Jump, now: float) -> None:
        if isinstance(what, Jump):
            self.chain.clocks[what.part].ahead = what.ahead
            self._back.append((now + what.lasts, what.part))
            return
        name = self._named(what.victim)
        if any(name == down for _, down in self._back):
            return  # it lies there already
        self.chain.parts[name].kill()
        self.killed.append((what.victim, name))
        self._back.append((now + what.away, name))

    def _mend(self, name: str) -> None:
        if name in self.chain.clocks:
            self.chain.clocks[name].ahead = 0.0
        if not self.chain.parts[name].alive:
            self.chain.parts[name].start()

    def _named(self, victim: str) -> str:
        if victim == "controller":
            return f"controller-{self.chance.choice(PAIR)}"
        if victim in ("monitor", "aggregator"):
            leader = self.chain.leader() or f"monitor-{self.chance.choice(PAIR)}"
            (other,) = (f"monitor-{number}" for number in PAIR if f"monitor-{number}" != leader)
            return leader if victim == "aggregator" else other
        return victim
