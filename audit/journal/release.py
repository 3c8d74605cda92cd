"""release = "log": an answer waits until the sidecar says that the log has its record."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from audit.errors import JournalFailed, NotReleased

from .committer import Waiter

# How often the acknowledged mark is looked at while somebody waits, in seconds.
POLL: Final = 0.001


class LogRelease:
    """Holds durable appends back until the acknowledged mark has passed them.

    Args:
        acknowledged: reads the mark, and raises no OSError; every sequence below it is in the log.
        resolve: tells those who wait.
        expired: called with the sequence of an append that was not acknowledged in time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        *,
        acknowledged: Callable[[], int],
        resolve: Callable[[Sequence[Waiter]], None],
        expired: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._timeout = timeout
        self._acknowledged = acknowledged
        self._resolve = resolve
        self._expired = expired
        self._waiting: deque[tuple[Waiter, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def durable(self, waiters: Sequence[Waiter]) -> None:
        """These are on this node's disk: wait for the log."""
        deadline = self._loop.time() + self._timeout
        self._waiting.extend((waiter, deadline) for waiter in waiters)
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_later(POLL, self._look)

    def _look(self) -> None:
        self._timer = None
        try:
            self._let_go(self._acknowledged())
        finally:
            # Whatever happened: where nobody looks again, who waits is never told.
            if self._waiting:
                self._timer = self._loop.call_later(POLL, self._look)
            else:
                self._wake()

    def _let_go(self, acknowledged: int) -> None:
        """Of what the log has, and of what it did not acknowledge in time."""
        released: list[Waiter] = []
        while self._waiting and self._waiting[0][0][1] < acknowledged:
            released.append(self._waiting.popleft()[0])
        self._resolve(released)
        now = self._loop.time()
        while self._waiting and self._waiting[0][1] <= now:
            (future, sequence, _), _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(
                    NotReleased(f"the log did not acknowledge entry {sequence} in {self._timeout:g} s")
                )
            # Written even when nobody waits any more: the log's reader must know that no answer went out.
            self._expired(sequence)

    async def drained(self) -> None:
        """Wait until everything was acknowledged or timed out."""
        if self._waiting:
            self._empty = self._loop.create_future()
            await self._empty

    def _wake(self) -> None:
        if self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    @property
    def waiting(self) -> int:
        """Appends that the log has not acknowledged yet."""
        return len(self._waiting)

    def fail(self, failure: JournalFailed) -> None:
        """The journal failed: so does everything that waits."""
        while self._waiting:
            (future, _, _), _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(failure)
        self._wake()
        self.close()

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
