"""Completeness as metrics, for Prometheus' textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from .complete import Held, Minute, missing_of, since_last

_OF_MINUTE: Final[Mapping[str, Callable[[Minute], int]]] = {
    "recorded": lambda row: row.recorded,
    "sealed": lambda row: row.sealed,
    "answers": lambda row: row.answers,
}
_OF_GATEWAY: Final[Mapping[str, tuple[str, Callable[[Held], int]]]] = {
    "answered": (
        "Answers that the gateway counted since the journal was opened.",
        lambda each: each.now.answers,
    ),
    "answers": ("Of these, with a sealed entry.", lambda each: each.answers),
    "unrecorded": ("Answers without a sealed entry: none should be.", lambda each: each.unrecorded),
    "behind": ("Entries that were not sealed in the time that was waited.", lambda each: each.behind),
}


def registry_of(
    rows: Sequence[Minute], held: Iterable[Held], before: Mapping[str, Held]
) -> CollectorRegistry:
    """Totals, each journal's newest minute, and when it was looked; labelled by journal.

    Args:
        rows: the minutes, in their order.
        held: what gateways said, held against the log.
        before: the same of the last look, by journal.
    """
    registry = CollectorRegistry()

    def gauge(name: str, about: str) -> Gauge:
        return Gauge(f"affiant_audit_{name}", about, ["journal"], registry=registry)

    held = list(held)
    recorded, sealed = (
        gauge("recorded", "Entries, by their sequence."),
        gauge("sealed", "Entries that are sealed."),
    )
    for row in rows:
        recorded.labels(row.journal).inc(row.recorded)
        sealed.labels(row.journal).inc(row.sealed)
    for name, of_row in _OF_MINUTE.items():
        newest = gauge(f"minute_{name}", f"{name} of the journal's newest minute: see affiant_audit_{name}.")
        for journal, row in {row.journal: row for row in rows}.items():
            newest.labels(journal).set(of_row(row))
    missing, missed = gauge("missing", "Entries that are recorded and not sealed."), missing_of(rows, held)
    for journal in {row.journal for row in rows} | {each.now.journal for each in held}:
        missing.labels(journal).set(missed[journal])
    for name, (about, of_held) in _OF_GATEWAY.items():
        one = gauge(name, about)
        for each in held:
            one.labels(each.now.journal).set(of_held(each))
    last = gauge("minute_answered", "Answers that the gateway counted since the last look.")
    for each in held:
        if added := since_last(each, before):
            last.labels(each.now.journal).set(added["minute_answered"])
    looked = Gauge(
        "affiant_audit_looked_seconds", "When it was looked, in s since 1970 UTC.", registry=registry
    )
    looked.set_to_current_time()
    return registry
