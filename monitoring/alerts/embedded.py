"""Alerts on a machine without Prometheus: the same rules, over what this machine's processes say of themselves.

It scrapes, evaluates and tells by itself, and finds what Prometheus finds: tests/property/test_alerts_agree.py.
What it does not have: samples from before its start (a burn rate sees what came since), and silences.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from prometheus_client.parser import text_string_to_metric_families

from audit.direct import direct
from audit.proof.printable import printable

from .form import Group
from .samples import History, Sample
from .sender import Sender
from .standing import Alert, Standing

INTERVAL: Final = 1.0
"""Seconds from one look to the next."""
MOST_BYTES: Final = 32 << 20
"""Of another process's page."""
TIMEOUT: Final = 2.0
PATIENCE: Final = 10
"""Looks in which a target may fail before it is worth a line: it may be being started, here beside us."""
LEFT_OUT: Final = "it has more series than are kept"

log = structlog.get_logger("affiant.alerts")

Source = Callable[[], Iterable[Sample]]
"""What one target says now. Raises OSError or ValueError: it does not, or not what can be read."""


class Collector(Protocol):
    """As prometheus_client has them."""

    def collect(self) -> Iterable[Any]:
        """Families of samples."""
        ...


def own(collector: Collector) -> Source:
    """The samples of a collector in this process."""

    def samples() -> Iterable[Sample]:
        for family in collector.collect():
            for each in family.samples:
                yield Sample(each.name, each.labels, each.value)

    return samples


def page(url: str, *, timeout: float = TIMEOUT, tls: Callable[[], ssl.SSLContext] | None = None) -> Source:
    """The samples of another process's /metrics, of it alone: through no proxy, and where no redirect leads.

    Args:
        url: of the settings.
        timeout: seconds that it may say nothing.
        tls: whose certificate is believed, asked for each time: it may be renewed while we run. Raises OSError.
    """
    plain = direct()

    def samples() -> Iterable[Sample]:
        opener = plain if tls is None else direct(urllib.request.HTTPSHandler(context=tls()))
        try:
            with opener.open(url, timeout=timeout) as answer:
                raw = answer.read(MOST_BYTES + 1)
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {type(error).__name__}") from error
        return parsed(raw)

    return samples


def parsed(raw: bytes) -> list[Sample]:
    """An exposition's samples. Raises ValueError: it is none, or longer than MOST_BYTES."""
    if len(raw) > MOST_BYTES:
        raise ValueError(f"over {MOST_BYTES} bytes")
    try:
        return [
            Sample(each.name, each.labels, each.value)
            for family in text_string_to_metric_families(raw.decode())
            for each in family.samples
        ]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"no metrics: {type(error).__name__}") from error


class Embedded:
    """See the module. For one thread; `firing` may be read from any."""

    def __init__(
        self,
        groups: Sequence[Group],
        sources: Mapping[str, Source],
        senders: Sequence[Sender],
        *,
        runbooks: str = "",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        history: History | None = None,
    ) -> None:
        """Nothing runs yet.

        Args:
            groups: the rules.
            sources: target → what it says; the target is the label `instance`.
            senders: who is told.
            runbooks: address before each runbook's name.
            clock: seconds since 1970 UTC.
            monotonic: seconds that pass, whatever is done to the clock.
            history: of the rules; a fresh one when not given.
        """
        self._groups = tuple(groups)
        self._sources: Final = dict(sources)
        self._senders: Final = tuple(senders)
        self._clock: Final = clock
        self._monotonic: Final = monotonic
        self._tick = monotonic()
        self._history: Final = history if history is not None else History(groups)
        self._standing: Final = Standing(runbooks=runbooks)
        self._due: dict[str, float] = {}
        self._fires: dict[str, tuple[Alert, ...]] = {}
        self._now = 0.0
        self._trouble: dict[str, str] = {}
        self._failures: dict[str, int] = {}

    @property
    def firing(self) -> tuple[Alert, ...]:
        """What fires, as of the last look."""
        return tuple(alert for alerts in list(self._fires.values()) for alert in alerts)

    def follow(self, groups: Sequence[Group]) -> None:
        """Other rules from now on: those of a policy that came into force. Alerts of rules that are gone have ended."""
        if tuple(groups) == self._groups:
            return
        self._groups = tuple(groups)
        self._history.want(groups)
        self._due = {}
        ended = self._standing.keep(groups, self._now)
        names = {group.name for group in groups}
        self._fires = {name: alerts for name, alerts in self._fires.items() if name in names}
        self._say((), ended)
        self._tell(ended)

    def leave(self, groups: Sequence[Group]) -> None:
        """Other rules from now on: the rest is another's to look at, who tells of its alerts and of their ends."""
        left = self._standing.keep(groups, self._now)
        for sender in self._senders:
            sender.forget(left)
        self.follow(groups)

    def step(self) -> None:
        """Look once: scrape every target, evaluate what is due, hand on what was found. Waits for no webhook."""
        # A clock that was set back goes on from where it was, here: times of samples only grow, and nothing waits.
        tick, before = self._monotonic(), self._tick
        self._tick = tick
        now = self._now = max(self._clock(), self._now + max(0.0, tick - before))
        for target, source in self._sources.items():
            self._history.observe(target, now, self._scraped(target, source))
        found: list[Alert] = []
        for group in self._groups:
            if now < self._due.get(group.name, now):
                continue
            self._due[group.name] = now + group.interval
            alerts = self._standing.evaluate(group, self._history, now)
            self._say(self._fires.get(group.name, ()), alerts)
            self._fires[group.name] = tuple(alert for alert in alerts if alert.ends is None)
            found += alerts
        self._tell(found)

    def run(self, stop: threading.Event, interval: float = INTERVAL) -> None:
        """Look every `interval` seconds until `stop` is set; the senders run in threads of their own."""
        threads = [sender.start(stop) for sender in self._senders]
        while not stop.is_set():
            begun = time.monotonic()
            self.step()
            stop.wait(max(0.0, interval - (time.monotonic() - begun)))
        for thread in threads:
            thread.join()

    def _say(self, before: Iterable[Alert], alerts: Iterable[Alert]) -> None:
        """Log what is new, and what has ended: on a machine where nobody else is told, that is all there is."""
        known = {frozenset(each.labels.items()): each.starts for each in before}
        for alert in alerts:
            if alert.ends is not None:
                log.info("an alert has ended", **_words(alert))
            elif known.get(frozenset(alert.labels.items())) != alert.starts:
                log.warning(
                    "an alert fires", **_words(alert), summary=printable(alert.annotations["summary"])
                )

    def _tell(self, alerts: Sequence[Alert]) -> None:
        if alerts:
            for sender in self._senders:
                sender.tell(alerts)

    def _scraped(self, target: str, source: Source) -> list[Sample] | None:
        found: list[Sample] | None = None
        try:
            found = list(source())
        except (OSError, ValueError) as error:
            why = printable(str(error))
        else:
            why = LEFT_OUT if self._history.left_out else ""
        self._failures[target] = self._failures.get(target, 0) + 1 if why else 0
        if not why:
            self._trouble.pop(target, None)
        elif self._failures[target] >= PATIENCE and why != self._trouble.get(target):
            self._trouble[target] = why
            log.warning("a target cannot be read", target=target, why=why)
        return found


def _words(alert: Alert) -> dict[str, str]:
    """Its labels, for the log."""
    return {name: printable(value) for name, value in alert.labels.items() if value}
