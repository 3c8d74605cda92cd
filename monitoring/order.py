"""Panes of many partitions, one after another: by time, then partition, then number.

A pane is given out once no older one can come any more: each other partition has a younger pane, or was read to its
end at a later time. One that comes late all the same is given out when it comes, and counted: where the log stamps its
records with its own clock there is none, and all monitors see one order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """What has a place in the order."""

    @property
    def partition(self) -> int:
        """Of the log."""
        ...

    @property
    def number(self) -> int:
        """Counts the partition's panes, from 0."""
        ...

    @property
    def time(self) -> int:
        """Milliseconds since 1970 UTC by the log's clock; MUST NOT fall from a partition's pane to its next."""
        ...


P = TypeVar("P", bound=Placed)
_Key = tuple[int, int, int]


class Order(Generic[P]):
    """For one thread."""

    def __init__(self, partitions: Iterable[int]) -> None:
        """`partitions`: all of the log's; none is known to have anything yet."""
        self._known: dict[int, int] = dict.fromkeys(partitions, -1)
        """Partition → what comes of it next is younger than this, or as old."""
        self._waiting: list[tuple[_Key, P]] = []
        self._last: _Key = (-1, -1, -1)
        self.late = 0
        """Panes that came after younger ones had been given out."""

    def take(self, pane: P) -> None:
        """The next pane of its partition."""
        self._known[pane.partition] = max(self._known.get(pane.partition, -1), pane.time)
        heapq.heappush(self._waiting, (_key(pane), pane))

    def read_to_end(self, partition: int, time: int) -> None:
        """Nothing that is older than `time`, ms by the log's clock, will be in a pane of this partition that did not
        come yet.
        """
        self._known[partition] = max(self._known.get(partition, -1), time)

    def __len__(self) -> int:
        """Panes that wait."""
        return len(self._waiting)

    def waiting(self) -> dict[int, tuple[int, int]]:
        """Partition → the number of the pane that is its next one, and how many wait."""
        found: dict[int, tuple[int, int]] = {}
        for (_, partition, number), _ in self._waiting:
            first, count = found.get(partition, (number, 0))
            found[partition] = min(first, number), count + 1
        return found

    @property
    def newest(self) -> int:
        """The largest time of those that wait; -1 when none does."""
        return max((key[0] for key, _ in self._waiting), default=-1)

    def ready(self) -> Iterator[P]:
        """Those whose turn it is. They are out of here once given."""
        while self._waiting:
            key, pane = self._waiting[0]
            if any(known <= pane.time for other, known in self._known.items() if other != pane.partition):
                return
            heapq.heappop(self._waiting)
            if key < self._last:
                self.late += 1
            else:
                self._last = key
            yield pane


def _key(pane: Placed) -> _Key:
    return pane.time, pane.partition, pane.number
