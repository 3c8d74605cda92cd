"""What the sidecar says of itself: names and meanings of its metrics, computed when they are scraped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .shipper import Progress, oldest_unshipped

LAG_RECORDS: Final = "affiant_sidecar_lag_records"
IN_FLIGHT_BYTES: Final = "affiant_sidecar_in_flight_bytes"
UNSHIPPED_BYTES: Final = "affiant_sidecar_unshipped_bytes"
OLDEST_SECONDS: Final = "affiant_sidecar_oldest_unshipped_seconds"
SHIPPED: Final = "affiant_sidecar_shipped_records"
SHIPPED_BYTES: Final = "affiant_sidecar_shipped_bytes"
RESTARTS: Final = "affiant_sidecar_producer_restarts"
DUPLICATES: Final = "affiant_sidecar_duplicates"
ALARM: Final = "affiant_sidecar_alarm"


class Shipped:
    """One journal as the metrics see it: its next durable sequence, its bytes that are not acknowledged."""

    def __init__(self, progress: Progress, durable: Callable[[], int], unshipped: Callable[[], int]) -> None:
        self.progress = progress
        self.durable = durable
        self.unshipped = unshipped


class SidecarCollector:
    """A prometheus_client collector over the running shippers; labelled by journal id."""

    def __init__(
        self, journals: Callable[[], Mapping[bytes, Shipped]], clock: Callable[[], int] = time.time_ns
    ) -> None:
        """`journals` gives the shippers that run now, by journal id."""
        self._journals = journals
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        gauges = {
            LAG_RECORDS: "Durable records of the journal that the log has not acknowledged.",
            UNSHIPPED_BYTES: "Bytes of the journal behind the last acknowledged record.",
            IN_FLIGHT_BYTES: "Bytes sent and not yet acknowledged.",
            OLDEST_SECONDS: "Age of the oldest record sent and not acknowledged; 0 when there is none.",
            ALARM: "1 when shipping of this journal has stopped and a person must look.",
        }
        counters = {
            SHIPPED: "Records that the log acknowledged.",
            SHIPPED_BYTES: "Bytes of records that the log acknowledged.",
            RESTARTS: "Runs of a producer that ended in a failure.",
            DUPLICATES: "Benign duplicates seen before a barrier.",
        }
        families: dict[str, Metric] = {
            **{name: GaugeMetricFamily(name, text, labels=["journal"]) for name, text in gauges.items()},
            **{name: CounterMetricFamily(name, text, labels=["journal"]) for name, text in counters.items()},
        }
        for journal, shipped in self._journals().items():
            for name, value in self._values(shipped).items():
                families[name].add_metric([journal.hex()], value)  # type: ignore[attr-defined]
        return families.values()

    def _values(self, shipped: Shipped) -> dict[str, float]:
        progress = shipped.progress
        oldest = oldest_unshipped(progress)
        return {
            LAG_RECORDS: max(0, shipped.durable() - progress.acknowledged),
            UNSHIPPED_BYTES: shipped.unshipped(),
            IN_FLIGHT_BYTES: progress.in_flight_bytes,
            OLDEST_SECONDS: 0 if oldest is None else max(0.0, (self._clock() - oldest) / 1e9),
            ALARM: float(progress.alarm is not None),
            SHIPPED: progress.shipped,
            SHIPPED_BYTES: progress.shipped_bytes,
            RESTARTS: progress.restarts,
            DUPLICATES: progress.duplicates,
        }
