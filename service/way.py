"""Long work in a thread of the gateway's process lets the event loop go on, in small steps.

Python runs one thread at a time. One that computes is asked to let another go on only after 5 ms, which each request
that comes meanwhile would wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STEP_SECONDS: Final = 0.002
PAUSE_SECONDS: Final = 0.0001
"""More than nothing: who asks for the interpreter needs a moment to wake up, and takes it then."""


class GiveWay:
    """Call it between two pieces of work; it pauses when the last pause is STEP_SECONDS ago. Used by one thread."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._since = clock()

    def __call__(self) -> None:
        """See the class."""
        if self._clock() - self._since >= STEP_SECONDS:
            self._sleep(PAUSE_SECONDS)
            self._since = self._clock()
