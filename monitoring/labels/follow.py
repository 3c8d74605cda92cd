"""The log is read a second time, by whoever leads, for the services whose policy asks what labels say.

Panes cannot hold this: a label comes weeks after its prediction, in another partition. So nothing is kept of it; who
begins to lead reads the log again from where answers may still wait for labels. A crash leaves nothing to be repaired.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

import structlog

from audit.errors import OffsetGone
from audit.log.base import LogReader
from monitoring.panes import Of
from monitoring.read import External, Packages
from registry.policy import Policy, ServicePolicy

from .concept import prepare
from .look import Look, look, too_short
from .reading import Reading

SLICE: Final = 0.1
"""Seconds of a round that are read for, at most; the monitor has its panes to judge."""
_BYTES: Final = 1 << 20
"""Of one read."""
_NEAR: Final = 256
"""Entries that are read too early, at most, to find where the window begins."""
_WAIT: Final = 0.1
"""Seconds that are waited for what is known to be there."""
EVERY: Final = 5.0
"""Seconds between two looks, at least."""
_SHARE: Final = 20.0
"""A look that takes a second is not taken more often than in so many."""


def asked_of(policy: Policy | None) -> dict[str, ServicePolicy]:
    """Services that are looked at."""
    return {
        service: section
        for service, section in (policy.services if policy is not None else {}).items()
        if section.performance is not None or section.live_fairness is not None
    }


class Follow:
    """See above. For one thread."""

    def __init__(
        self,
        reader: LogReader,
        partitions: Iterable[int],
        policies: Mapping[str, ServicePolicy],
        packages: Packages,
        *,
        window: float,
        clock: Callable[[], int],
        external: External | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            reader: of the log; closed with this.
            partitions: all of the log's.
            policies: of the services that are looked at.
            packages: where profiles are had.
            window: seconds that answers wait for their labels.
            clock: ms since 1970 UTC; what was logged a window before is not read.
            external: what the object store has under a digest.
        """
        self.policies: Final = policies
        self._reader: Final = reader
        self._reading: Final = Reading(policies, packages, round(window * 1e9), external, clock=clock)
        self._since: Final = clock() - round(window * 1000)
        self._next: Final[dict[int, int]] = {}
        """Partition → the next offset to be read."""
        self._turn: Final = deque(partitions)
        self._unread: Final = set(self._turn)
        """Partitions whose end was not met yet: before that, what labels say is not known."""
        self._preparing: Final = threading.Thread(target=prepare, name="labels", daemon=True)
        """Beside the reading: a look that waited for it would hold judging up, and be taken for a long one."""
        if any(section.performance is not None for section in policies.values()):
            self._preparing.start()
        self._new = True
        self._next_look = float("-inf")
        self.unread: Final[dict[int, int]] = {}
        """Partition → entries that were not read yet, as of its last turn."""
        self.seconds = 0.0
        """That all of this took."""
        self.looks: Mapping[Of, Look] = {}
        """What stands; replaced as a whole. Empty until all was read once."""
        self.unmatched: Mapping[str, Mapping[str, int]] = {}
        """Service → reason → labels that are in no figure; the empty one: of none that is looked at."""
        self.short: Final = {service: too_short(section, window) for service, section in policies.items()}
        for service, why in self.short.items():
            if why:
                structlog.get_logger("monitor").warning("coverage is not judged", service=service, reason=why)

    @property
    def whole(self) -> bool:
        """Whether every partition was read to its end once."""
        return not self._unread

    def step(self, serving: Mapping[Of, int]) -> None:
        """Read on for a moment, a partition after the other; look, when it is time and something is new.

        Args:
            serving: what is to answer now → since when.

        Raises:
            LogUnavailable, StoreUnavailable: the log, or a package, is away now; the next step goes on.
        """
        started = time.monotonic()
        try:
            self._step(serving, started + SLICE)
        finally:
            self.seconds += time.monotonic() - started

    def _step(self, serving: Mapping[Of, int], until: float) -> None:
        for outcomes in self._reading.outcomes.values():
            outcomes.serve(serving, self._reading.newest_ms)
        for _ in range(len(self._turn)):
            try:
                self._read(self._turn[0], until)
            except OffsetGone:
                self._next.pop(self._turn[0], None)  # the next turn begins with what is there
            self._turn.rotate(-1)
            if time.monotonic() >= until:
                break
        began = time.monotonic()
        ready = self.whole and not self._preparing.is_alive()
        if self._new and ready and began >= self._next_look:
            self.looks = self._look(serving)
            self._new = False
            ended = time.monotonic()
            self._next_look = ended + max(EVERY, _SHARE * (ended - began))

    def close(self) -> None:
        """Let go."""
        self._reader.close()

    def _read(self, partition: int, until: float) -> None:
        first, end = self._reader.bounds(partition)
        offset = self._next.get(partition)
        if offset is None:
            offset = self._begin(partition, first, end)
        offset = max(offset, first)  # what the log let go of will have no labels
        self.unread[partition] = max(0, end - offset)
        while offset < end:
            entries = self._reader.read(partition, offset, _BYTES, _WAIT)
            if not entries:
                break
            self._reading.take(entries)
            self._new = True
            offset = self._next[partition] = entries[-1].offset + 1
            self.unread[partition] = max(0, end - offset)
            if time.monotonic() >= until:
                break
        if offset >= end:
            self._next[partition] = offset
            self._unread.discard(partition)

    def _begin(self, partition: int, first: int, end: int) -> int:
        """The first offset that may have been logged within the window. Log times never go back by much: what is a
        little too old is let go of by who takes it.
        """
        low, high = first, end
        while high - low > _NEAR:
            middle = (low + high) // 2
            entries = self._reader.read(partition, middle, 1, _WAIT)
            if not entries or entries[0].timestamp >= self._since:
                high = middle  # nothing came: too early is no fault
            else:
                low = middle
        return low

    def _look(self, serving: Mapping[Of, int]) -> dict[Of, Look]:
        read, found = self._reading, {}
        unmatched = {"": {reason: count for (whose, reason), count in read.unreadable.items() if not whose}}
        for service, section in self.policies.items():
            own = {package: since for package, since in serving.items() if package.service == service}
            outcomes = read.outcomes[service]
            outcomes.serve(own, read.newest_ms)
            joined, fits = outcomes.joined()
            counted = unmatched[service] = read.unmatched(service, fits)
            for package, each in look(joined, section, own, read.newest_ms, read.unlooked).items():
                found[package] = replace(each, unmatched=counted, short=self.short[service])
        self.unmatched = unmatched
        return found
