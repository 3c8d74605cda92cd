"""How long what cannot go on now is left alone before it is tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

FIRST: Final = 0.5
MOST: Final = 5.0
"""A broker that is back is found soon: what was decided late meanwhile is decided then."""
ALL: Final = -1
"""In place of a partition: all of them."""
Clock = Callable[[], float]


class Waits:
    """By partition. `clock` is in seconds, monotonic; `work`: what waits, for people."""

    def __init__(self, clock: Clock, work: str = "counting") -> None:
        self._clock: Final = clock
        self._work: Final = work
        self._say: Final = structlog.get_logger("monitor")
        self._until: dict[int, tuple[float, float, str]] = {}

    def failed(self, partition: int, reason: str) -> None:
        """It could not go on. Told when the reason is another one than before."""
        _, pause, before = self._until.get(partition, (0.0, FIRST / 2, ""))
        pause = min(MOST, 2 * pause)
        self._until[partition] = self._clock() + pause, pause, reason
        if reason != before:
            self._say.error(f"{self._work} waits", partition=_name(partition), reason=reason)

    def over(self, partition: int) -> bool:
        """Whether it may be tried."""
        return partition not in self._until or self._clock() >= self._until[partition][0]

    def went_on(self, partition: int) -> None:
        """It did."""
        if self._until.pop(partition, None) is not None:
            self._say.info(f"{self._work} goes on", partition=_name(partition))

    def reason(self, partition: int) -> str | None:
        """Why it waits; None: it does not."""
        found = self._until.get(partition)
        return None if found is None else found[2]

    def forget(self, partition: int) -> None:
        """Somebody else has it now."""
        self._until.pop(partition, None)


def _name(partition: int) -> int | str:
    return "all" if partition == ALL else partition
