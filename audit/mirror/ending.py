"""When a mirror that was told to end has tried for long enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Ending:
    """So many seconds from when it is first seen that the end was asked for."""

    def __init__(
        self, stop: threading.Event, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stop = stop
        self._seconds = seconds
        self._monotonic = monotonic
        self._deadline: float | None = None

    @property
    def asked(self) -> bool:
        """Whether it was told to end."""
        return self._stop.is_set()

    def over(self) -> bool:
        """Whether it was told to end, and the time for what is left has passed."""
        if not self._stop.is_set():
            return False
        if self._deadline is None:
            self._deadline = self._monotonic() + self._seconds
        return self._monotonic() >= self._deadline

    def wait(self, seconds: float) -> None:
        """Pause; less when it is told to end, and shortly when it was told before."""
        if self._stop.is_set():
            time.sleep(min(seconds, 0.05))
        else:
            self._stop.wait(seconds)
