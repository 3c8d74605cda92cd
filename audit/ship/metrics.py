"""What the sidecar says of itself: names and meanings of its metrics, computed when they are scraped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from audit.log.copy import LogCopy
from audit.mirror.mirror import MirrorProgress

from .lag import Lag, LagWatch
from .sealed import SealProgress
from .shipper import Progress

LAG_RECORDS: Final = "affiant_sidecar_lag_records"
IN_FLIGHT_BYTES: Final = "affiant_sidecar_in_flight_bytes"
UNSHIPPED_BYTES: Final = "affiant_sidecar_unshipped_bytes"
OLDEST_SECONDS: Final = "affiant_sidecar_oldest_unshipped_seconds"
SHIPPED: Final = "affiant_sidecar_shipped_records"
SHIPPED_BYTES: Final = "affiant_sidecar_shipped_bytes"
RESTARTS: Final = "affiant_sidecar_producer_restarts"
DUPLICATES: Final = "affiant_sidecar_duplicates"
GONE: Final = "affiant_sidecar_starts_gone"
ALARM: Final = "affiant_sidecar_alarm"
SEALED: Final = "affiant_sidecar_sealed_sequence"
UNSEALED: Final = "affiant_sidecar_unsealed_records"
OLDEST_UNSEALED: Final = "affiant_sidecar_oldest_unsealed_seconds"
SEAL_ALARM: Final = "affiant_sidecar_seal_alarm"
REFUSED: Final = "affiant_sidecar_checkpoints_refused"
GOVERNANCE_OFFSET: Final = "affiant_sidecar_governance_offset"
GOVERNANCE_SECONDS: Final = "affiant_sidecar_governance_seconds"
MIRROR_WAITING: Final = "affiant_sidecar_mirror_waiting_records"
MIRROR_OLDEST: Final = "affiant_sidecar_mirror_oldest_seconds"
MIRRORED: Final = "affiant_sidecar_mirrored_records"
MIRROR_RESENT: Final = "affiant_sidecar_mirror_resent_records"
MIRROR_DROPPED: Final = "affiant_sidecar_mirror_dropped_records"
MIRROR_FAILURES: Final = "affiant_sidecar_mirror_failures"

COPY_GAUGES: Final = {
    GOVERNANCE_OFFSET: "Entries of the governance log that are copied for the gateway.",
    GOVERNANCE_SECONDS: "Since the copy of the governance log was last known to have all of it.",
}
GAUGES: Final = {
    LAG_RECORDS: "Durable records of the journal that the log has not acknowledged.",
    UNSHIPPED_BYTES: "Bytes of the journal behind the last acknowledged record.",
    IN_FLIGHT_BYTES: "Bytes sent and not yet acknowledged.",
    OLDEST_SECONDS: "Age of the oldest durable record that the log has not acknowledged; 0 when there is none.",
    ALARM: "1 when shipping of this journal has stopped and a person must look.",
    SEALED: "Every entry of the journal below this sequence is proved to be sealed.",
    UNSEALED: "Durable records of the journal that are not proved to be sealed.",
    OLDEST_UNSEALED: "Age of the oldest durable record that is not proved to be sealed; 0 when there is none.",
    MIRROR_WAITING: "Durable records of the journal that Fluentd has not acknowledged.",
    MIRROR_OLDEST: "Age of the oldest durable record that Fluentd has not acknowledged; 0 when there is none.",
    SEAL_ALARM: "1 while what is sealed is not believed, or is not what was shipped: nothing is freed by it.",
}
COUNTERS: Final = {
    SHIPPED: "Records that the log acknowledged.",
    SHIPPED_BYTES: "Bytes of records that the log acknowledged.",
    RESTARTS: "Runs of a producer that ended in a failure.",
    DUPLICATES: "Benign duplicates seen before a barrier.",
    GONE: "Starts of a producer that found gone what they had to read of the log.",
    MIRRORED: "Records that Fluentd acknowledged, each counted once.",
    MIRROR_RESENT: "Records that Fluentd acknowledged once more.",
    MIRROR_DROPPED: "Records that the journal freed before they were copied to Fluentd.",
    MIRROR_FAILURES: "Interruptions of the copy to Fluentd.",
    REFUSED: "Looks at a checkpoint or at tiles that were not believed.",
}


@dataclass(frozen=True, slots=True)
class Sealing:
    """What is sealed of a journal, and what is not yet."""

    progress: SealProgress
    watch: LagWatch


@dataclass(frozen=True, slots=True)
class Mirroring:
    """What of a journal is copied to Fluentd, and what is not yet."""

    progress: MirrorProgress
    watch: LagWatch


@dataclass(frozen=True, slots=True)
class Shipped:
    """One journal as the metrics see it: what its shipper has done, and what is still to do.

    `sealed` is None where there is no notary, `mirrored` where no copy is wanted.
    """

    progress: Progress
    watch: LagWatch
    sealed: Sealing | None = None
    mirrored: Mirroring | None = None


class SidecarCollector:
    """A prometheus_client collector over the running shippers; labelled by journal id."""

    def __init__(
        self,
        journals: Callable[[], Mapping[bytes, Shipped]],
        clock: Callable[[], int] = time.time_ns,
        governance: LogCopy | None = None,
    ) -> None:
        """`journals` gives the shippers that run now, by journal id; `governance` is the copy that is kept."""
        self._journals = journals
        self._clock = clock
        self._governance = governance
        self._began = clock()

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        families: dict[str, Metric] = {
            **{name: GaugeMetricFamily(name, text, labels=["journal"]) for name, text in GAUGES.items()},
            **{name: CounterMetricFamily(name, text, labels=["journal"]) for name, text in COUNTERS.items()},
        }
        for journal, shipped in self._journals().items():
            for name, value in self._values(shipped).items():
                families[name].add_metric([journal.hex()], value)  # type: ignore[attr-defined]
        return [*families.values(), *self._copied()]

    def _copied(self) -> list[Metric]:
        copy = self._governance
        if copy is None:
            return []
        since = self._clock() - (copy.contact if copy.contact is not None else self._began)
        values = {GOVERNANCE_OFFSET: float(copy.copied), GOVERNANCE_SECONDS: max(0.0, since / 1e9)}
        return [GaugeMetricFamily(name, COPY_GAUGES[name], value) for name, value in values.items()]

    def _values(self, shipped: Shipped) -> dict[str, float]:
        progress = shipped.progress
        lag = shipped.watch.lag()
        return {
            LAG_RECORDS: lag.records,
            UNSHIPPED_BYTES: lag.bytes,
            IN_FLIGHT_BYTES: progress.in_flight_bytes,
            OLDEST_SECONDS: self._age(lag),
            ALARM: float(progress.alarm is not None),
            SHIPPED: progress.shipped,
            SHIPPED_BYTES: progress.shipped_bytes,
            RESTARTS: progress.restarts,
            DUPLICATES: progress.duplicates,
            GONE: progress.gone,
            **({} if shipped.sealed is None else self._sealed(shipped.sealed)),
            **({} if shipped.mirrored is None else self._mirrored(shipped.mirrored)),
        }

    def _sealed(self, sealed: Sealing) -> dict[str, float]:
        progress, lag = sealed.progress, sealed.watch.lag()
        return {
            SEALED: progress.sequence,
            UNSEALED: lag.records,
            OLDEST_UNSEALED: self._age(lag),
            SEAL_ALARM: float(progress.alarm is not None or progress.problem is not None),
            REFUSED: progress.refused,
        }

    def _mirrored(self, mirrored: Mirroring) -> dict[str, float]:
        progress, lag = mirrored.progress, mirrored.watch.lag()
        return {
            MIRROR_WAITING: lag.records,
            MIRROR_OLDEST: self._age(lag),
            MIRRORED: progress.mirrored,
            MIRROR_RESENT: progress.resent,
            MIRROR_DROPPED: progress.dropped,
            MIRROR_FAILURES: progress.failures,
        }

    def _age(self, lag: Lag) -> float:
        return 0.0 if lag.oldest is None else max(0.0, (self._clock() - lag.oldest) / 1e9)
