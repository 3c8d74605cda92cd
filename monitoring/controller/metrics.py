"""What a controller exports, under the names of monitoring/names.py."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitoring.names import CONTROLLER_READY, CONTROLLER_WAITING, DECISIONS, ROLLBACKS, WEBHOOKS, Name

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


class Gauges:
    """What is so now, asked of a controller at each scrape."""

    def __init__(self, trouble: Callable[[], str], waits: Callable[[], Mapping[str, float]]) -> None:
        """`trouble`, `waits`: of a `Controller`."""
        self._trouble: Final = trouble
        self._waits: Final = waits

    def collect(self) -> Iterable[Metric]:
        """See `audit.scrape.Collector`."""
        yield GaugeMetricFamily(CONTROLLER_READY.name, CONTROLLER_READY.help, int(not self._trouble()))
        yield seconds_of(CONTROLLER_WAITING, self._waits())


def seconds_of(name: Name, found: Mapping[str, float]) -> Metric:
    """A gauge by service."""
    family = GaugeMetricFamily(name.name, name.help, labels=name.labels)
    for service, seconds in sorted(found.items()):
        family.add_metric((service,), seconds)
    return family
