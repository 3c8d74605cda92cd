"""Whether a request may come in, from how full the journal is and how fast it fills."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

# The longest that a request is held back below the bound, in seconds.
MAX_DELAY: Final = 0.5
# Time constant of the filling and freeing rates, in seconds.
RATE_SPAN: Final = 300.0


class Door(Enum):
    """What to do with the next request."""

    OPEN = "open"
    SLOW = "slow"
    FULL = "full"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Admission:
    """`delay`: seconds to hold the request back (slow); `retry_after`: seconds to tell the client (full)."""

    door: Door
    delay: float = 0.0
    retry_after: float = 0.0
    reason: str = ""


OPEN: Final = Admission(Door.OPEN)


def slow_down(held: int, bound: int, slow_at: float, waits_for: str) -> Admission:
    """Open below `slow_at` × bound; from there a delay that grows with the square, up to MAX_DELAY."""
    start = slow_at * bound
    if held < start:
        return OPEN
    over = min(1.0, (held - start) / (bound - start))
    reason = f"{held} of {bound} bytes wait for {waits_for}"
    return Admission(Door.SLOW, delay=MAX_DELAY * over * over, reason=reason)


class Rates:
    """Exponentially weighted bytes a second in and out (time constant RATE_SPAN), and the hours to full."""

    def __init__(self, time: float, written: int, freed: int) -> None:
        self._time, self._written, self._freed = time, written, freed
        self._net: float | None = None

    def update(self, time: float, written: int, freed: int) -> None:
        """Totals so far, in bytes, at `time` in seconds of a monotonic clock."""
        span = time - self._time
        if span <= 0:
            return
        net = ((written - self._written) - (freed - self._freed)) / span
        weight = 1 - math.exp(-span / RATE_SPAN)
        self._net = net if self._net is None else self._net + weight * (net - self._net)
        self._time, self._written, self._freed = time, written, freed

    def hours_to_full(self, held: int, bound: int) -> float:
        """Infinite while the journal does not grow."""
        if not self._net or self._net <= 0:
            return math.inf
        return max(0, bound - held) / self._net / 3600
