"""What the notary says of itself: names and meanings of its metrics, computed when they are scraped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .notary import Notary
from .partition import Partition
from .workshop import Status

SIZE: Final = "affiant_notary_tree_size"
PUBLISHED: Final = "affiant_notary_published_size"
LAG_RECORDS: Final = "affiant_notary_lag_records"
LAG_SECONDS: Final = "affiant_notary_lag_seconds"
CHECKPOINT_AGE: Final = "affiant_notary_checkpoint_age_seconds"
ARCHIVE_LAG: Final = "affiant_notary_archive_lag_records"
HELD: Final = "affiant_notary_held"
MISSING: Final = "affiant_notary_witnesses_missing"
UNTOLD: Final = "affiant_notary_alarms_untold"
HOLES: Final = "affiant_notary_holes"
DUPLICATES: Final = "affiant_notary_duplicates"
UNCLEAN: Final = "affiant_notary_unclean_openings"
WITNESS_FAILURES: Final = "affiant_notary_witness_failures"
ALARMS: Final = "affiant_notary_alarms"
UP: Final = "affiant_notary_sealing"

GAUGES: Final = {
    SIZE: "Leaves that are sealed.",
    PUBLISHED: "Leaves under the published checkpoint; fewer than the tree has while the quorum is not met.",
    LAG_RECORDS: "Offsets of the log that are not sealed.",
    LAG_SECONDS: "Age of the oldest record that is not sealed; 0 when there is none.",
    CHECKPOINT_AGE: "Time since the newest checkpoint was signed or renewed.",
    ARCHIVE_LAG: "Sealed leaves that are not in the archive.",
    HELD: "1 while nothing is sealed of this partition; the notary's output says why.",
    MISSING: "Witnesses that do not vouch for the newest checkpoint.",
    UNTOLD: "Alarms that the governance log does not have yet.",
}
COUNTERS: Final = {
    HOLES: "Offsets that were sealed as a hole by this process.",
    DUPLICATES: "Benign duplicates: a journal's entry that the log has once more.",
    UNCLEAN: "Openings of a journal without a closing before: a gateway's crash.",
    WITNESS_FAILURES: "Times that a witness did not vouch for a checkpoint.",
}
_LABELS: Final = ["topic", "partition"]


class NotaryCollector:
    """A prometheus_client collector over the partitions; labelled by topic and partition."""

    def __init__(self, notary: Notary, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock`: ns since 1970 UTC."""
        self._notary = notary
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        families: dict[str, Metric] = {
            **{name: GaugeMetricFamily(name, text, labels=_LABELS) for name, text in GAUGES.items()},
            **{name: CounterMetricFamily(name, text, labels=_LABELS) for name, text in COUNTERS.items()},
        }
        alarms = CounterMetricFamily(
            ALARMS,
            "Things found wrong by this process; docs/notary.md says what each is.",
            labels=[*_LABELS, "alarm"],
        )
        sealing = GaugeMetricFamily(
            UP, "1 while the log's topic is known and its trees are open.", labels=["log"]
        )
        for watched in self._notary.logs:
            sealing.add_metric([watched.name], float(watched.tended is not None))
        for topic, partition in partitions(self._notary):
            labels = [topic, str(partition.partition)]
            for name, value in self._values(partition).items():
                families[name].add_metric(labels, value)  # type: ignore[attr-defined]
            for what, count in Counter(partition.untold.counts).items():
                alarms.add_metric([*labels, what], count)
        for topic, count in Counter(self._notary.topics.told).items():
            alarms.add_metric([topic, "0", "topic"], count)
        return [*families.values(), alarms, sealing]

    def _values(self, partition: Partition) -> dict[str, float]:
        status, now = partition.status, self._clock()
        return {
            SIZE: status.size,
            PUBLISHED: status.published,
            LAG_RECORDS: max(0, status.end - status.size),
            LAG_SECONDS: lag_seconds(status, now),
            CHECKPOINT_AGE: max(0.0, (now - status.sealed) / 1e9) if status.sealed else 0.0,
            ARCHIVE_LAG: max(0, status.size - status.archived),
            HELD: float(bool(status.held)),
            MISSING: len(status.missing),
            UNTOLD: partition.untold.count,
            HOLES: status.holes,
            DUPLICATES: status.duplicates,
            UNCLEAN: status.unclean,
            WITNESS_FAILURES: status.witness_failures,
        }


def lag_seconds(status: Status, now: int) -> float:
    """How long the oldest record has waited, or how long it is since there was seen to be none."""
    since = status.caught_up if status.oldest is None else status.oldest
    lag = max(0.0, now / 1e9 - since / 1e3)
    # Between two looks at a log that is caught up nothing is late.
    return lag if status.oldest is not None or lag > 2 else 0.0


def trouble(notary: Notary) -> str:
    """Why the notary is not ready; empty when every partition is open and sealed as it comes."""
    for watched in notary.logs:
        if watched.tended is None:
            return f"{watched.name}: {watched.said or 'not asked yet'}"
    for topic, partition in partitions(notary):
        if partition.status.held or not partition.status.sealed:
            return f"{topic}/{partition.partition}: {partition.status.held or 'nothing is sealed yet'}"
    return f"alarms cannot be told: {notary.untellable}" if notary.untellable else ""


def partitions(notary: Notary) -> Iterator[tuple[str, Partition]]:
    """Topic name and partition, of all that are sealed now."""
    for watched in notary.logs:
        tended = watched.tended
        if tended is not None:
            for partition in list(tended.partitions.values()):
                yield tended.topic.name, partition
