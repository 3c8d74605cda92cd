"""Every metric that some process of ours exports, by asking what exports it: family → the names of its series."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from audit.auditor.complete_metrics import registry_of
from audit.certificates import LOG_CERTIFICATE, CertificateEnd
from audit.notary.metrics import NotaryCollector
from audit.ship.metrics import SidecarCollector
from monitoring import names
from monitoring.alerts.expiry import EXPIRES
from service.metrics import JOURNAL_NUMBERS, Metrics, State

_ENDS: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def exported() -> dict[str, tuple[str, ...]]:
    """Of all processes."""
    found = {
        each.name: _ENDS[each.kind]
        for each in [*vars(names).values(), EXPIRES]
        if isinstance(each, names.Name)
    }
    found |= {metric.name: _ENDS[metric.type] for metric in _asked()}
    return {name: tuple(f"{name}{end}" for end in ends) for name, ends in found.items()}


def labels() -> set[str]:
    """Every label that some series has."""
    declared = [each.labels for each in [*vars(names).values(), EXPIRES] if isinstance(each, names.Name)]
    told = [sample.labels for metric in _asked() for sample in metric.samples]
    return {label for each in (*declared, *told) for label in each}


def labels_of() -> dict[str, frozenset[str]]:
    """Series → its labels, of those that a process has said something by."""
    found: dict[str, frozenset[str]] = {}
    for metric in _asked():
        for sample in metric.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | sample.labels.keys()
    return found


def _answered() -> Metrics:
    """Of a gateway that has answered, so that each of its counters has a series."""
    found = Metrics()
    found.answered("credit", "sha256:00", 200, 0.01)
    found.recorded(200)
    found.labelled("credit", 1)
    found.count("reason", "credit", "sha256:00")
    found.events["event"] += 1
    return found


def _asked() -> Iterator[Metric]:
    yield from _answered().families(_state())
    copied: Any = SimpleNamespace(contact=0, copied=0)
    yield from SidecarCollector(dict, governance=copied).collect()
    nothing: Any = SimpleNamespace(logs=(), topics=SimpleNamespace(told=()))
    yield from NotaryCollector(nothing).collect()
    yield from registry_of([], [], {}).collect()
    yield from CertificateEnd(LOG_CERTIFICATE, "", lambda: 0.0).collect()


def _state() -> State:
    return State(
        plan=dict,
        in_work=lambda: 0,
        journal=lambda: dict.fromkeys(JOURNAL_NUMBERS, 0.0),
        journal_id="",
        workers=1,
        ready=lambda: True,
        unaudited=False,
        worker=0,
        behind=lambda: False,
        governance=lambda: 0.0,
        certificate=lambda: 0.0,
    )
