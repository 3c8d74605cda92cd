"""What /metrics says of this worker. Hot paths add to plain numbers; they become samples when somebody asks.

Labels are services and digests, never callers: who asks is nobody's statistics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from .models import Plan

SECONDS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_SLOTS: Final = ("live", "canary", "shadow")


class Histogram:
    """Counts by upper bound (inclusive), and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as the exposition format has them."""
        found, running = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


JOURNAL_NUMBERS: Final = {
    "epoch": "Openings of the journal, this one included.",
    "sequence": "Sequence of the journal's next entry.",
    "durable_sequence": "Every entry below this sequence is on disk.",
    "durable_group": "Number of the last group that is on disk.",
    "acknowledged": "Every entry below this sequence is in the log.",
    "sealed": "Every entry below this sequence is proved to be sealed by the notary.",
    "held_bytes": "Bytes of the journal that are not freed yet.",
    "bound_bytes": "Bytes that the journal takes at most; requests are refused there.",
    "hours_to_full": "Hours until the bound, at the rate at which what waits becomes more; 0: it is full.",
    "open_requests": "Accepted requests that have no record yet.",
    "waiting_for_log": "Records on disk whose answers wait for the log (release = log).",
}
"""Numbers of `audit.journal` that are shown, and what each means."""


@dataclass(frozen=True, slots=True)
class State:
    """What is looked at when /metrics is asked for; each is a function of nothing."""

    plan: Callable[[], Plan]
    in_work: Callable[[], int]
    journal: Callable[[], Mapping[str, float]]
    """Numbers of the journal, by the metric's name without its prefix."""
    journal_id: str
    """Of the journal that this worker writes, in hex; empty where it writes none."""
    workers: int
    """How many the gateway has, this one included."""
    ready: Callable[[], bool]
    unaudited: bool
    worker: int
    behind: Callable[[], bool]
    """Whether something of the plan is not served."""
    governance: Callable[[], float | None]
    """Seconds since the copy of the governance log was last whole; None: there is no copy."""
    certificate: Callable[[], float | None] = lambda: None
    """When the TLS certificate that is served ends, s since 1970 UTC; None: there is none."""


class Metrics:
    """Counters and histograms of one worker."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[tuple[str, str], Histogram] = {}
        self._counted: Counter[tuple[str, str, str]] = Counter()
        self._recorded: Counter[int] = Counter()
        self._labels: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        """Rare things by name: plan loads and failures, shadows dropped, refused packages."""
        self.batches: Final = Histogram(BATCHES)
        self.journal_seconds: Final = Histogram(SECONDS)
        self._batch = 0

    def number(self, rows: int) -> int:
        """The next batch id: see `batching.Batches`."""
        self._batch += 1
        self.batches.add(rows)
        return self._batch

    def answered(self, service: str, digest: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[service, digest, status] += 1
        if status == 200:
            histogram = self._seconds.get((service, digest))
            if histogram is None:
                histogram = self._seconds[service, digest] = Histogram(SECONDS)
            histogram.add(seconds)

    def recorded(self, status: int) -> None:
        """An answer has left whose record was durable before."""
        self._recorded[status] += 1

    def labelled(self, service: str, count: int) -> None:
        """So many labels are durable."""
        self._labels[service] += count

    def count(self, reason: str, service: str = "", digest: str = "") -> None:
        """An exchange that is only counted; service and digest as far as they are known."""
        self._counted[service, digest, reason] += 1

    def families(self, state: State) -> Iterator[Metric]:
        """Every family, as it is now."""
        requests = CounterMetricFamily(
            "affiant_requests", "Requests answered.", labels=("service", "digest", "status")
        )
        for (service, digest, status), count in list(self._requests.items()):
            requests.add_metric((service, digest, str(status)), count)
        yield requests
        recorded = CounterMetricFamily(
            "affiant_recorded_answers",
            "Answers whose record was durable before they left.",
            labels=("journal", "status"),
        )
        for status, count in list(self._recorded.items()):
            recorded.add_metric((state.journal_id, str(status)), count)
        yield recorded
        taken = CounterMetricFamily(
            "affiant_labels",
            "Labels that were taken, each durable before the answer left.",
            labels=("service",),
        )
        for service, count in list(self._labels.items()):
            taken.add_metric((service,), count)
        yield taken
        seconds = HistogramMetricFamily(
            "affiant_request_seconds",
            "From a request's head to its answer, of answers with status 200.",
            labels=("service", "digest"),
        )
        for labels, histogram in list(self._seconds.items()):
            seconds.add_metric(labels, histogram.buckets(), histogram.total)
        yield seconds
        yield _histogram("affiant_batch_rows", "Rows predicted together.", self.batches)
        yield _histogram(
            "affiant_journal_append_seconds", "From giving a record to the journal until it was durable.",
            self.journal_seconds,
        )  # fmt: skip
        counted = CounterMetricFamily(
            "affiant_counted_only",
            "Exchanges without a record of their own.",
            labels=("service", "digest", "reason"),
        )
        for known, count in list(self._counted.items()):
            counted.add_metric(known, count)
        yield counted
        events = CounterMetricFamily("affiant_events", "Rare things that happened.", labels=("event",))
        for event, count in list(self.events.items()):
            events.add_metric((event,), count)
        yield events
        yield from _state_families(state)


def _state_families(state: State) -> Iterator[Metric]:
    workers = GaugeMetricFamily(
        "affiant_workers",
        "Workers of this gateway. They share its port, and each tells of itself: of the one that writes this journal.",
        labels=("journal",),
    )
    workers.add_metric((state.journal_id,), state.workers)
    yield workers
    yield GaugeMetricFamily("affiant_in_work", "Requests in work.", state.in_work())
    yield GaugeMetricFamily("affiant_ready", "1 when predictions are answered.", int(state.ready()))
    yield GaugeMetricFamily(
        "affiant_unaudited", "1 when the benchmark's switch leaves the journal out.", int(state.unaudited)
    )
    yield GaugeMetricFamily(
        "affiant_plan_behind",
        "1 while something of the plan is not served: not admitted, not to be loaded, or not to be read.",
        int(state.behind()),
    )
    if (age := state.governance()) is not None:
        yield GaugeMetricFamily(
            "affiant_governance_seconds",
            "Since this machine's copy of the governance log was last known to have all of it.",
            age,
        )
    if (end := state.certificate()) is not None:
        yield GaugeMetricFamily(
            "affiant_gateway_certificate_expires_timestamp_seconds",
            "When the TLS certificate that is served ends, since 1970 UTC.",
            end,
        )
    for name, value in state.journal().items():
        yield GaugeMetricFamily(f"affiant_journal_{name}", JOURNAL_NUMBERS[name], value)
    plan = GaugeMetricFamily(
        "affiant_plan_weight",
        "Packages of the plan that are loaded.",
        labels=("service", "digest", "slot", "runtime", "device", "batching"),
    )
    for service in state.plan().values():
        for served in (*service.answering, *service.shadows):
            model = served.loaded.model
            labels = (
                service.name, model.digest, _SLOTS[served.slot], model.runtime, model.device,
                model.batching.kind,
            )  # fmt: skip
            plan.add_metric(labels, served.weight)
    yield plan


def _histogram(name: str, about: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, about, histogram.buckets(), histogram.total)


class _Collector:
    """Gives prometheus-client the families, each with the worker's number."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


def exposition(metrics: Metrics, state: State, more: Iterable[Any] = ()) -> bytes:
    """The text exposition format. `more` are other collectors, such as the process's own."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(lambda: metrics.families(state)))
    for collector in more:
        registry.register(collector)
    return generate_latest(registry)
