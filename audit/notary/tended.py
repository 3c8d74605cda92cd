"""One log as the notary tends it: a thread for each partition, and an eye on the topic itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from audit.errors import AuditError, LogError, LogUnavailable
from audit.log.base import Topic
from audit.proof.note import SignerUnavailable

from .alarms import Alarm
from .partition import Partition
from .workshop import TopicChanged, Workshop

SETTINGS_SECONDS: Final = 60.0
"""How often the topic's settings are looked at."""
TOPIC_SECONDS: Final = 2.0
"""How often a log that nothing comes from is asked whether its topic is still the same."""


class Tended:
    """Every partition of one topic, from its first sight until it is another topic."""

    def __init__(self, workshop: Workshop, workers: Callable[[int], int] = lambda _: 16) -> None:
        """Start a thread for each partition.

        Args:
            workshop: of this topic; `confirm` is replaced.
            workers: objects that one tree writes at once, by the number of partitions.
        """
        self._confirmed = float("-inf")
        self._confirming = threading.Lock()
        self._shop = replace(workshop, confirm=self.confirm, workers=workers(workshop.topic.partitions))
        self._stop = threading.Event()
        self._threads: dict[int, threading.Thread] = {}
        self._checked = float("-inf")
        self._settings: set[str] = set()
        self._say = structlog.get_logger("notary").bind(topic=workshop.topic.name)
        self.partitions: dict[int, Partition] = {}
        self.failures: list[Exception] = []
        self.changed = False
        """The topic is another one now: what was not sealed of the old one is gone with it."""
        self._start(workshop.topic.partitions)

    @property
    def topic(self) -> Topic:
        """Which topic this is."""
        return self._shop.topic

    def confirm(self, since: float) -> None:
        """See `Workshop.confirm`; many partitions share one answer."""
        with self._confirming:
            if self._confirmed >= since:
                return
            now = self._shop.monotonic()
            topic = self._shop.log.topic()
            if topic.id != self._shop.topic.id:
                self.changed = True
                raise TopicChanged(f"topic {topic.name!r} was made again: its id is {topic.id.hex()} now")
            self._confirmed = now

    def look(self) -> None:
        """What the topic and its settings are now; partitions that were added are sealed too.

        Raises:
            the failure of a partition that must end the notary.
        """
        if self.failures:
            raise self.failures[0]
        now = self._shop.monotonic()
        try:
            if now - self._confirmed >= TOPIC_SECONDS and not self.changed:
                self.confirm(now)
            if now - self._checked >= SETTINGS_SECONDS and not self.changed:
                self._check(now)
        except (TopicChanged, LogUnavailable):
            return  # `changed` says so; the partitions say what does not answer

    def waiting(self) -> list[tuple[Partition, Sequence[Alarm]]]:
        """Alarms that are to be told, by partition."""
        found = ((partition, partition.untold.waiting()) for partition in list(self.partitions.values()))
        return [(partition, alarms) for partition, alarms in found if alarms]

    def stop(self) -> None:
        """Let every partition seal what its log holds, and end."""
        self._stop.set()

    def join(self) -> None:
        """Wait for that.

        Raises:
            the failure of a partition that did not seal all.
        """
        for thread in self._threads.values():
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _start(self, count: int) -> None:
        for number in range(len(self.partitions), count):
            partition = Partition(self._shop, number)
            self.partitions[number] = partition
            thread = threading.Thread(
                target=self._run, args=(partition,), name=f"seal {self.topic.name}/{number}", daemon=True
            )
            self._threads[number] = thread
            thread.start()

    def _run(self, partition: Partition) -> None:
        try:
            partition.run(self._stop)
        except TopicChanged:
            self.changed = True
        except LogError as error:
            # Only at the end: what is not sealed of a log that does not answer, the next run seals.
            self.failures.append(error)
        except (AuditError, SignerUnavailable) as error:
            self.failures.append(error)
        except Exception as error:  # noqa: BLE001 — a thread must not end unseen
            self._say.exception("a partition's sealing failed", partition=partition.partition)
            self.failures.append(error)

    def _check(self, now: float) -> None:
        """An alarm a day for each setting that does not keep the promise."""
        self._checked = now
        topic = self._shop.log.topic()
        if topic.id == self.topic.id and topic.partitions > len(self.partitions):
            self._say.info("partitions were added", partitions=topic.partitions)
            self._start(topic.partitions)
        day = self._shop.clock() // 86_400_000_000_000
        for finding in self._shop.log.check():
            subject = f"{finding.what} {finding.found}, day {day}"
            if finding.fatal and subject not in self._settings:
                self._settings.add(subject)
                self.partitions[0].untold.add(
                    Alarm("settings", str(finding), self.topic.id.hex(), 0, 0, subject=subject), at_once=True
                )
