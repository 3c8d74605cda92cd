"""What a monitor has while it leads: everything that the panes of all partitions say, and what labels do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from audit.log.base import LogReader
from registry.policy import ServicePolicy

from .governed import Governing
from .held import Held, NotHere
from .labels.export import Reading
from .labels.follow import Follow
from .labels.look import Look
from .leading import Aggregate, Told
from .panes import Of
from .store.feed import Feed

SLACK: Final = 1000
"""ms by which the clock here may be ahead of the log's."""
BEHIND: Final = 16
"""Panes that may be left to be counted, or to be judged, while labels are read as well …"""
APART: Final = 1.0
"""… and seconds between two of their moments when more are: then they get a tenth of the time."""
Begin = Callable[[Mapping[str, ServicePolicy], Iterable[int]], Follow]
"""Of the services that are looked at, and all partitions."""


def labels_due(uncounted: int, unjudged: int, pane_records: int, waited: float) -> bool:
    """Whether labels have a moment in this round: judging comes first, and they are not starved.

    Args:
        uncounted: records.
        unjudged: panes.
        pane_records: offsets of a pane.
        waited: seconds since they had one.
    """
    behind = uncounted > BEHIND * pane_records or unjudged > BEHIND
    return not behind or waited >= APART


class States(Protocol):
    """Keeps the newest state of whoever leads. Raises LogUnavailable when what is beneath does not answer."""

    def get(self) -> Mapping[str, Any] | None:
        """The newest one; None: there is none, or it is none."""
        ...

    def put(self, state: Mapping[str, Any]) -> None:
        """Keep it in place of the one before; durable on return."""
        ...


class Lead:
    """What only the monitor that leads has."""

    def __init__(
        self,
        aggregate: Aggregate,
        feed: Feed,
        reader: LogReader,
        states: States,
        held: Held,
        pane_records: int,
    ) -> None:
        self.aggregate: Final = aggregate
        self.feed: Final = feed
        self.reader: Final = reader
        self.states: Final = states
        self.saved = -1
        """Panes that were judged when the state was last kept."""
        self._labels: Follow | None = None
        self._labels_before = 0.0
        """Seconds that were spent for policies of before."""
        self._waits: dict[int, tuple[int, float]] = {}
        """Partition → the pane that is judged next, and since when it is that."""
        self._held: Final = held
        self._pane_records: Final = pane_records

    def judge(self, lock: threading.Lock, governing: Governing, clock: Callable[[], float]) -> list[Told]:
        """Take the panes that are new, and judge those whose turn it is; what changed by it.

        Args:
            lock: held while something changes, and while nothing outside of this process is asked.
            governing: what answers, and by which limits it is judged.
            clock: seconds since 1970 UTC.

        Raises:
            LogUnavailable, StoreUnavailable: something is away now. No pane is lost by it.
        """
        panes = self.feed.poll(0.0)
        with lock:
            for pane in panes:  # at once: the feed gives each of them once
                self.aggregate.take(pane)
        ends = self.ends(clock)
        self._held.forget_none()
        while True:
            try:
                with lock:
                    self.aggregate.serve(governing.served, governing.rollouts)
                    for partition, time in ends.items():
                        self.aggregate.read_to_end(partition, time)
                    return self.aggregate.judge()
            except NotHere:
                self._held.fetch()

    def close(self) -> None:
        """Let go."""
        self.feed.close()
        self.reader.close()
        if self._labels is not None:
            self._labels.close()

    @property
    def looks(self) -> Mapping[Of, Look]:
        """What labels say."""
        return {} if self._labels is None else self._labels.looks

    @property
    def reading(self) -> Reading:
        """What reading labels costs, and how far it is."""
        labels = self._labels
        return (
            Reading()
            if labels is None
            else Reading(
                dict(labels.unread), self._labels_before + labels.seconds, labels.unmatched, labels.short
            )
        )

    def waiting(self, now: float) -> dict[int, tuple[int, float]]:
        """Partition → panes that wait to be judged, and since when the next of them is the next one.

        `now`: seconds of a clock that only goes forward. MUST be asked after each round.
        """
        before, self._waits = self._waits, {}
        found = {}
        for partition, (number, panes) in self.aggregate.waiting.items():
            known, since = before.get(partition, (-1, now))
            self._waits[partition] = number, since if known == number else now
            found[partition] = panes, self._waits[partition][1]
        return found

    def read_labels(self, asked: Mapping[str, ServicePolicy], served: Mapping[Of, int], begin: Begin) -> None:
        """Read on for a moment, where the policy of a service asks what labels say; when it asks for something else
        than before, from the beginning.

        Args:
            asked: the services that are looked at.
            served: what is to answer now → since when.
            begin: makes a reader.

        Raises:
            LogUnavailable, StoreUnavailable: the log, or a package, is away now.
        """
        if self._labels is not None and self._labels.policies != asked:
            self._labels.close()
            self._labels_before += self._labels.seconds
            self._labels = None
        if not asked:
            return
        if self._labels is None:
            self._labels = begin(asked, self.aggregate.partitions)
        self._labels.step(served)

    def ends(self, clock: Callable[[], float]) -> dict[int, int]:
        """Partitions of which no pane is missing → until when: no record of a later pane is older.

        A pane that is not there yet has at least one record that is not in the log yet.
        """
        before = int(clock() * 1000) - SLACK
        found = {}
        for partition in self.aggregate.partitions:
            end = self.reader.bounds(partition)[1]
            if end < (self.aggregate.taken(partition) + 1) * self._pane_records:
                found[partition] = before
        if len(found) == len(self.aggregate.partitions):
            # Nothing is missing anywhere: no clock that was ahead for a while may keep panes waiting for its time.
            latest = max(before, self.aggregate.newest_waiting + 1)
            return dict.fromkeys(found, latest)
        return found
