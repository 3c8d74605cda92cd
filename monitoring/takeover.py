"""What a monitor does to begin to lead: everything that is kept is read, then the state of who led before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from audit.errors import LogUnavailable
from audit.log.base import Log
from registry.errors import StoreUnavailable

from .errors import DetectError
from .governed import Governing
from .held import Held, NotHere
from .judging import judged_by
from .lead import Lead, States
from .leading import Aggregate, restore
from .panes import Pane
from .read import Packages
from .store.base import KEEP
from .store.feed import Feed
from .waits import ALL, Clock, Waits

STEP: Final = 0.2
"""Seconds that are waited for panes at a time."""
FeedOf = Callable[[bytes], Feed]
"""Of the log with this topic id."""


class Takeover:
    """For one thread. What a crash leaves: nothing was written.

    MUST keep the feed, and what it gave, until somebody leads with it: a feed gives each pane once, and to read all of
    a state topic again at each attempt would keep its brokers busy while a package is away. Of each partition it keeps
    the newest KEEP, as stores do: it may wait for as long as something is away, and panes come all the time.
    """

    def __init__(
        self,
        feed: FeedOf,
        log: Log,
        governing: Governing,
        packages: Packages,
        states: Callable[[bytes], States],
        pane_records: int,
        monotonic: Clock = time.monotonic,
    ) -> None:
        """See `Monitor`."""
        self._feed_of: Final = feed
        self._log: Final = log
        self._governing: Final = governing
        self._packages: Final = packages
        self._states_of: Final = states
        self._pane_records: Final = pane_records
        self._waits: Final = Waits(monotonic, "taking over")
        self._say: Final = structlog.get_logger("monitor")
        self._topic = b""
        self._feed: Feed | None = None
        self._kept: dict[int, dict[int, Pane]] = {}
        """Partition → number → what the feed gave."""

    def begin(self, topic: bytes, stop: threading.Event) -> Lead | None:
        """Lead from here on; None: it was stopped before.

        Raises:
            LogUnavailable, StoreUnavailable: something is away now, or was a moment ago.
        """
        if topic != self._topic:
            self.close()
            self._topic = topic
        feed = self._feed = self._feed or self._feed_of(topic)
        if not self._waits.over(ALL):
            if feed.whole:  # what it holds back is this log's: the next one may have the same feed
                self._take(feed, 0.0)
            raise LogUnavailable(self._waits.reason(ALL) or "")
        try:
            while True:
                self._take(feed, STEP)
                if feed.whole:
                    break
                if stop.is_set():
                    self.close()
                    return None
            lead = self._lead(topic, feed)
        except (LogUnavailable, StoreUnavailable) as error:
            self._waits.failed(ALL, str(error))
            raise
        except BaseException:
            self.close()
            raise
        self._waits.went_on(ALL)
        self._say.info("leads", panes=sum(map(len, self._kept.values())))
        self._feed, self._kept = None, {}
        return lead

    def close(self) -> None:
        """Let go of what no lead came of: the next attempt reads from the beginning, and waits for nothing."""
        feed, self._feed, self._kept = self._feed, None, {}
        self._waits.forget(ALL)
        if feed is not None:
            feed.close()

    def _take(self, feed: Feed, timeout: float) -> None:
        for pane in feed.poll(timeout):
            self._kept.setdefault(pane.partition, {})[pane.number] = pane
        for kept in self._kept.values():
            for number in sorted(kept)[:-KEEP]:
                del kept[number]

    def _lead(self, topic: bytes, feed: Feed) -> Lead:
        partitions = range(self._log.topic().partitions)
        kept = (pane for each in self._kept.values() for pane in each.values())
        panes = sorted(kept, key=lambda pane: (pane.time, pane.partition, pane.number))
        states, held = self._states_of(topic), Held(self._packages)
        aggregate = self._restored(topic, partitions, states.get(), panes, held)
        return Lead(aggregate, feed, self._log.reader(), states, held, self._pane_records)

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
