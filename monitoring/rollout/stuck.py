"""How long rollouts have been stuck, for metrics. What waits for time, or for requests, is not stuck."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import Metric

from monitoring.controller.metrics import seconds_of
from monitoring.names import ROLLOUT_WAITING

_Of = tuple[str, str]
"""Service and canary."""


class Stuck:
    """Told by one thread, asked by any: what is told is put in the place of what was."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic`: seconds of a clock that nobody sets."""
        self._monotonic: Final = monotonic
        self._since: Mapping[_Of, float] = {}

    def stands(self, standing: Iterable[_Of]) -> None:
        """These are there; of others nothing is known any more."""
        there = set(standing)
        self._since = {of: since for of, since in self._since.items() if of in there}

    def says(self, of: _Of, *, stuck: bool) -> None:
        """Whether it is."""
        rest = {other: since for other, since in self._since.items() if other != of}
        self._since = {**rest, of: self._since.get(of, self._monotonic())} if stuck else rest

    def seconds(self) -> dict[str, float]:
        """Service → for how long, of its canary that is stuck for longest."""
        now, found = self._monotonic(), dict[str, float]()
        for (service, _), since in self._since.items():
            found[service] = max(found.get(service, 0.0), now - since)
        return found

    def collect(self) -> Iterable[Metric]:
        """See `audit.scrape.Collector`."""
        yield seconds_of(ROLLOUT_WAITING, self.seconds())
