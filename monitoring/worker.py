"""One partition: what is read of it is counted, kept, and handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from audit.log.base import LogEntry
from monitoring.panes import Pane
from monitoring.panes.collector import Collector, Finished, State
from monitoring.read import External, Packages
from monitoring.store.base import PaneStore

Hand = Callable[[Sequence[Pane]], None]
"""Takes panes of one partition, ascending, each of which is kept already. After a restart some come again."""


class Worker:
    """Counts one partition on from where its store's panes end. For one thread.

    What it has is a function of the log alone, so that a process that dies at any point of this leaves nothing to be
    repaired: panes that were counted and not kept are counted again, with the same outcome.
    """

    def __init__(
        self,
        partition: int,
        size: int,
        store: PaneStore,
        packages: Packages,
        hand: Hand,
        external: External | None = None,
    ) -> None:
        """Restore what is kept; the panes are handed on.

        Args:
            partition: of the log.
            size: offsets of a pane.
            store: of panes of this log and size.
            packages: where profiles are had.
            hand: gets the panes that are kept, and each that is finished.
            external: what the object store has under a digest.

        Raises:
            LogUnavailable: the store does not answer.
        """
        self.partition: Final = partition
        self._size: Final = size
        self._store: Final = store
        self._packages: Final = packages
        self._hand: Final = hand
        self._external: Final = external
        self._say: Final = structlog.get_logger("monitor")
        state, panes = store.restore(partition)
        self._state = state or State(0)
        self._collector = self._collect()
        if panes:
            hand(panes)

    @property
    def offset(self) -> int:
        """The next one to be read."""
        return self._collector.offset

    @property
    def time(self) -> int:
        """The largest log time that was read, ms since 1970 UTC."""
        return self._collector.time

    def take(self, entries: Sequence[LogEntry]) -> int:
        """Entries from `offset` on; how many panes were finished. Those are kept before they are handed on.

        Raises:
            StoreUnavailable: a package cannot be had now.
            LogUnavailable: the store, the object store or the governance log does not answer now.
            ConfigError: a pane is larger than its store can take.

        After each of these, go on with what is at `offset`: it is where the newest pane that was kept ends.
        """
        try:
            finished = list(self._collector.take(entries))
            if finished:
                self._store.put(self.partition, finished)
        except BaseException:
            self._collector = self._collect()
            raise
        if finished:
            self._state = finished[-1].after
            self._hand([one.pane for one in finished])
        return len(finished)

    def skip(self, first: int) -> None:
        """The log has nothing before `first` any more: go on with the first pane that is there whole."""
        if first <= self.offset:
            return
        position = -(-first // self._size) * self._size
        self._say.error(
            "the log does not have these records any more, and they are not counted",
            partition=self.partition, first=self.offset, end=position,
        )  # fmt: skip
        self._state = State(position, self._state.time, self._state.reached)
        self._collector = self._collect()

    def _collect(self) -> Collector:
        return Collector(self.partition, self._size, self._packages, self._state, self._external)


__all__ = ["Finished", "Hand", "Worker"]
