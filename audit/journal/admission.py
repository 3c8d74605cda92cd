"""Whether a request may come in, from how full the journal is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

# The longest that a request is held back below the bound, in seconds.
MAX_DELAY: Final = 0.5


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
