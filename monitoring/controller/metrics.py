"""What a controller exports, under the names of monitoring/names.py."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

from monitoring.names import DECISIONS, ROLLBACKS, WEBHOOKS, Name

OTHER: Final = "other"
"""In place of a service that nobody ever deployed: anybody who has the token may name any."""


class ControllerMetrics:
    """Counts, from any thread; asked by prometheus_client."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._counts: Final[Mapping[Name, Counter[tuple[str, ...]]]] = {
            each: Counter() for each in (ROLLBACKS, DECISIONS, WEBHOOKS)
        }

    def count(self, name: Name, *labels: str) -> None:
        """One more."""
        with self._lock:
            self._counts[name][labels] += 1

    def counted(self, name: Name, *labels: str) -> int:
        """So far."""
        with self._lock:
            return self._counts[name][labels]

    def collect(self) -> Iterable[Metric]:
        """See `audit.scrape.Collector`."""
        with self._lock:
            counts = {name: dict(found) for name, found in self._counts.items()}
        for name, found in counts.items():
            family = CounterMetricFamily(name.name, name.help, labels=name.labels)
            for labels, value in sorted(found.items()):
                family.add_metric(labels, value)
            yield family
