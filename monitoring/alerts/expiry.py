"""When the approvals end of what is to answer: a gauge, computed from the governance log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from monitoring.names import SHORT, Name
from registry.ledger import Ledger

from .path import APPROVAL_EXPIRES

EXPIRES: Final = Name(
    APPROVAL_EXPIRES,
    "When the first approval ends that a package needs, since 1970 UTC; 0 when one has ended.",
    ("service", "digest"),
)
ENDED: Final = 0.0


def expiries(
    ledger: Ledger, publisher: Callable[[str], str | None], now: float
) -> dict[tuple[str, str], float]:
    """Service and digest → when its first approval ends, of all that is to answer now.

    What needs no approval, or is not admitted for another reason than that one has ended, is not in it.

    Args:
        ledger: the governance log, as far as it was read.
        publisher: digest → who published it; None: nobody knows.
        now: s since 1970 UTC.
    """
    found: dict[tuple[str, str], float] = {}
    for service, plan in ledger.plans.items():
        for placed in plan:
            verdict = ledger.verdict(
                service, placed.digest, placed.slot, now=now, publisher=publisher(placed.digest)
            )
            ends = verdict.expires if verdict.admitted else ENDED if verdict.expired else None
            if ends is not None:
                key = (service, placed.digest)
                found[key] = min(ends, found.get(key, ends))
    return found


class Expiry:
    """A collector of the gauge. `now` is what was found last: a ledger is for one thread, a scrape is another."""

    def __init__(self) -> None:
        self.now: Mapping[tuple[str, str], float] = {}

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        family = GaugeMetricFamily(EXPIRES.name, EXPIRES.help, labels=EXPIRES.labels)
        for (service, digest), ends in self.now.items():
            family.add_metric((service, digest.removeprefix("sha256:")[:SHORT]), ends)
        yield family
