"""The monitor: counts its partitions of the log, and judges those of all while it leads.

One thread does all of it; who asks for metrics or evidence takes a lock. What a crash leaves: panes that are kept, and
a state of a moment before, from which the next to lead comes to the same figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from prometheus_client.metrics_core import Metric

from audit.errors import LogUnavailable
from audit.log.base import Log
from registry.errors import StoreUnavailable
from registry.policy import ServicePolicy

from .alerts.expiry import Expiry
from .answers import basis_of, comparison_of, figures_of
from .consume import Following
from .errors import NotLeading
from .exporter import Seen, families
from .figures import Evidence
from .governed import Governing
from .labels.export import Reading
from .labels.follow import Follow, asked_of
from .lead import Lead, States, labels_due
from .leading import state_of
from .read import External, Packages
from .takeover import FeedOf, Takeover

STEP: Final = 0.2
"""Seconds that a round waits for records."""
GOVERN: Final = 1.0
"""Seconds between two looks at the governance log."""
SAVE: Final = 2.0
"""Seconds between two states that are kept."""


class Monitor:
    """See above. `step` and `run` are for one thread, the rest for any."""

    def __init__(
        self,
        following: Following,
        feed: FeedOf,
        log: Log,
        governing: Governing,
        packages: Packages,
        states: Callable[[bytes], States],
        *,
        pane_records: int,
        labels_seconds: float = 2_592_000.0,
        external: External | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            following: counts the partitions that are this monitor's.
            feed: the panes of all partitions.
            log: whose records are counted.
            governing: limits and plans.
            packages: where profiles are had.
            states: of whoever leads, of the log with a topic id.
            pane_records: offsets of a pane.
            labels_seconds: how long predictions wait for their labels.
            external: what the object store has under a digest.
            clock: seconds since 1970 UTC.
            monotonic: seconds.
        """
        self._monotonic: Final = monotonic
        self._pane_records: Final = pane_records
        self._following: Final = following
        self._log: Final = log
        self._governing: Final = governing
        self._packages: Final = packages
        self._takeover: Final = Takeover(feed, log, governing, packages, states, pane_records, monotonic)
        self._labels_seconds: Final = labels_seconds
        self._external: Final = external
        self._clock: Final = clock
        self._say: Final = structlog.get_logger("monitor")
        self._lock: Final = threading.Lock()
        """MUST NOT be held while anything outside of this process is asked."""
        self._computing: Final = threading.Lock()
        self._expiry: Final = Expiry()
        self._lead: Lead | None = None
        self._seen = Seen(round=monotonic())
        self._governed_at = self._saved_at = self._labels_at = float("-inf")
        self._trouble = "nothing was read yet"
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set; then keep a last state, and let go."""
        self._stop = stop
        try:
            while not stop.is_set():
                self.step()
        finally:
            self._save(now=float("inf"))
            self.close()

    def close(self) -> None:
        """Let go, without a last state."""
        self._let_go()
        self._following.close()

    def step(self) -> None:
        """One round. What is outside and away is waited for, and said by `trouble`."""
        self._following.step(STEP)
        trouble = ""
        try:
            self._govern()
            if self._following.leads:
                self._judge()
            else:
                self._let_go()
        except (LogUnavailable, StoreUnavailable) as error:
            trouble = str(error)
        standings = self._following.standings()
        behind = sum(each.end - each.position for each in standings.values())
        lead = self._lead
        panes = {} if lead is None else lead.waiting(self._monotonic())
        unread = self._read_labels(behind, sum(each for each, _ in panes.values()))
        waiting = [f"partition {one}: {each.waiting}" for one, each in standings.items() if each.waiting]
        self._said(trouble or unread or self._following.trouble or "; ".join(waiting))
        now = self._clock()
        with self._lock:
            self._seen = Seen(
                {one: each.position for one, each in standings.items()},
                {one: each.end - each.position for one, each in standings.items()},
                {
                    one: max(0.0, now - each.time / 1000) if each.time and each.end > each.position else 0.0
                    for one, each in standings.items()
                },
                lead is not None,
                self._monotonic(),
                panes,
                Reading() if lead is None else lead.reading,
            )

    @property
    def trouble(self) -> str:
        """Why it is not ready; empty when it is."""
        return self._trouble

    @property
    def leads(self) -> bool:
        """Whether it judges."""
        return self._lead is not None

    @property
    def judged(self) -> int:
        """Panes that it has judged since it leads."""
        lead = self._lead
        return 0 if lead is None else lead.aggregate.panes

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        with self._lock:
            aggregate = None if self._lead is None else self._lead.aggregate
            self._expiry.now = self._governing.expires if aggregate is not None else {}
            looks = {} if self._lead is None else self._lead.looks
            self._seen.now = self._monotonic()
            return [*families(aggregate, self._governing.policy, self._seen, looks), *self._expiry.collect()]

    def evidence(self, service: str, digest: str, slot: str) -> Evidence | None:
        """Of a package that serves; `digest` may be its beginning. None: none does. Raises NotLeading."""
        with self._lock:
            basis = basis_of(self._leading().aggregate, service, digest, slot)
        # A second's work at most, which nobody who judges or scrapes waits for; and nobody gets two at a time.
        with self._computing:
            return None if basis is None else basis.evidence()

    def comparison(self, service: str, digest: str | None = None) -> dict[str, Any] | None:
        """What was asked of a canary and of live since its last step; None: there is none. Raises NotLeading.

        `digest`: of which canary; None: of the one that stands alone.
        """
        with self._lock:
            return comparison_of(self._leading().aggregate, service, digest)

    def figures(self) -> list[dict[str, Any]]:
        """What stands of each package that serves, for JSON. Raises NotLeading."""
        with self._lock:
            lead = self._leading()
            return figures_of(lead.aggregate, lead.looks)

    def _leading(self) -> Lead:
        if self._lead is None:
            raise NotLeading(
                "this monitor is to lead, and has not read yet what is kept"
                if self._following.leads
                else "this monitor does not lead"
            )
        return self._lead

    def _govern(self) -> None:
        now = self._monotonic()
        if now - self._governed_at >= GOVERN:
            self._governed_at = now
            self._governing.read_on()

    def _judge(self) -> None:
        topic = self._following.topic
        if topic is None:
            return
        if self._lead is not None and self._lead.aggregate.topic != topic.hex():
            self._let_go()  # the log was made again: another one, judged from its beginning
        lead = self._lead or self._begin(topic)
        if lead is None:
            return
        told = lead.judge(self._lock, self._governing, self._clock)
        for each in told:
            self._say.warning(
                "an alarm stands" if each.after else "an alarm has ended", service=each.of.service,
                digest=each.of.digest, slot=each.of.slot, column=each.column, severity=each.after or each.before,
            )  # fmt: skip
        self._save(self._monotonic())

    def _read_labels(self, uncounted: int, unjudged: int) -> str:
        """Give labels a moment, when it is theirs; what is away, if something is."""
        lead, now = self._lead, self._monotonic()
        if lead is None or not labels_due(uncounted, unjudged, self._pane_records, now - self._labels_at):
            return ""
        governing = self._governing
        try:
            lead.read_labels(asked_of(governing.policy), governing.served, self._follow)
        except (LogUnavailable, StoreUnavailable) as error:
            return str(error)
        finally:
            self._labels_at = self._monotonic()
        return ""

    def _follow(self, asked: Mapping[str, ServicePolicy], partitions: Iterable[int]) -> Follow:
        return Follow(
            self._log.reader(), partitions, asked, self._packages, window=self._labels_seconds,
            clock=lambda: int(self._clock() * 1000), external=self._external,
        )  # fmt: skip

    def _begin(self, topic: bytes) -> Lead | None:
        lead = self._takeover.begin(topic, self._stop)
        with self._lock:
            self._lead = lead
        return lead

    def _save(self, now: float) -> None:
        lead = self._lead
        if lead is None or now - self._saved_at < SAVE or lead.saved == lead.aggregate.panes:
            return
        self._saved_at = now
        try:
            lead.states.put(state_of(lead.aggregate))
            lead.saved = lead.aggregate.panes
        except LogUnavailable as error:
            self._say.warning("the state is not kept", reason=str(error))

    def _let_go(self) -> None:
        self._takeover.close()
        lead = self._lead
        if lead is None:
            return
        with self._lock:
            self._lead = None
        lead.close()
        self._say.info("leads no more")

    def _said(self, trouble: str) -> None:
        if trouble != self._trouble:
            if trouble:
                self._say.error("waits", reason=trouble)
            self._trouble = trouble
