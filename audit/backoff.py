"""How long to wait before the next try, after so many failures one after another."""

from __future__ import annotations

from typing import Final

_DOUBLINGS: Final = 64
"""More than anybody's bound leaves room for. 2.0 ** 1024 is no number: it would raise where a failure is handled."""


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds: `first` after one failure, twice as long after each further one, `most` at most. Never raises."""
    return min(most, first * 2.0 ** min(failures - 1, _DOUBLINGS))
