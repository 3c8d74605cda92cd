"""A rate, as a bucket that fills with time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final


class TokenBucket:
    """`per_second` on average, and at most one second's worth (at least one) at once."""

    def __init__(self, per_second: float, timer: Callable[[], float]) -> None:
        self._per_second: Final = per_second
        self._room: Final = max(1.0, per_second) if per_second > 0 else 0.0
        self._timer: Final = timer
        self._tokens = self._room
        self._at = timer()

    def take(self) -> bool:
        """Whether one more is within the rate."""
        now = self._timer()
        self._tokens = min(self._room, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
