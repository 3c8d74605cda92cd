"""What a monitor does to begin to lead: everything that is kept is read, then the state of who led before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from audit.log.base import Log

from .errors import DetectError
from .governed import Governing
from .held import Held, NotHere
from .judging import judged_by
from .lead import Lead, States
from .leading import Aggregate, restore
from .panes import Pane
from .read import Packages
from .store.feed import Feed

STEP: Final = 0.2
"""Seconds that are waited for panes at a time."""
FeedOf = Callable[[bytes], Feed]
"""Of the log with this topic id."""


class Takeover:
    """For one thread. What a crash leaves: nothing was written."""

    def __init__(
        self,
        feed: FeedOf,
        log: Log,
        governing: Governing,
        packages: Packages,
        states: Callable[[bytes], States],
        pane_records: int,
    ) -> None:
        """See `Monitor`."""
        self._feed_of: Final = feed
        self._log: Final = log
        self._governing: Final = governing
        self._packages: Final = packages
        self._states_of: Final = states
        self._pane_records: Final = pane_records
        self._say: Final = structlog.get_logger("monitor")

    def begin(self, topic: bytes, stop: threading.Event) -> Lead | None:
        """Lead from here on; None: it was stopped before.

        Raises:
            LogUnavailable, StoreUnavailable: something is away now.
        """
        feed = self._feed_of(topic)
        try:
            kept: dict[tuple[int, int], Pane] = {}
            while True:
                kept |= {(pane.partition, pane.number): pane for pane in feed.poll(STEP)}
                if feed.whole:
                    break
                if stop.is_set():
                    feed.close()
                    return None
            partitions = range(self._log.topic().partitions)
            panes = sorted(kept.values(), key=lambda pane: (pane.time, pane.partition, pane.number))
            states, held = self._states_of(topic), Held(self._packages)
            aggregate = self._restored(topic, partitions, states.get(), panes, held)
            lead = Lead(aggregate, feed, self._log.reader(), states, held, self._pane_records)
        except BaseException:
            feed.close()
            raise
        self._say.info("leads", panes=len(kept))
        return lead

    def _restored(
        self, topic: bytes, partitions: range, state: Mapping[str, Any] | None, panes: list[Pane], held: Held
    ) -> Aggregate:
        """From the state, as far as it is one, and the panes in their order."""
        while True:
            try:
                if state is not None:
                    aggregate = self._aggregate(topic, partitions, held)
                    try:
                        gone = restore(aggregate, state, panes)
                    except DetectError as error:
                        self._say.warning("what was judged before is judged again", reason=str(error))
                    else:
                        if gone:
                            self._say.warning("panes that figures were of are kept no more", panes=gone)
                        return aggregate
                aggregate = self._aggregate(topic, partitions, held)
                for pane in panes:
                    aggregate.take(pane)
            except NotHere:
                held.fetch()
            else:
                return aggregate

    def _aggregate(self, topic: bytes, partitions: range, held: Held) -> Aggregate:
        found = Aggregate(
            partitions, held, lambda service: judged_by(self._governing.policy, service),
            topic=topic.hex(), pane_records=self._pane_records, between=self._between,
        )  # fmt: skip
        found.serve(self._governing.served, self._governing.rollouts)
        return found

    def _between(self, service: str) -> tuple[float, float] | None:
        """The interval of the policy in force."""
        policy = self._governing.policy
        section = None if policy is None else policy.services.get(service)
        scores = None if section is None else section.slo.scores
        return None if scores is None else scores.between
