"""The copy to Fluentd, against a real receiver of its Forward protocol: kills, hangs, and what the difference is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.config import Config
from audit.journal import JournalReader
from audit.log import open_log
from audit.settings import FluentdSettings, LogSettings, SidecarSettings
from audit.ship.metrics import Shipped
from audit.ship.sidecar import Sidecar
from tests.components.collector import Collector
from tests.components.journals import write_journal
from tests.components.process import wait_until


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A receiver of the test's own."""
    with Collector(tmp_path / "collector") as collector:
        yield collector


@contextmanager
def sidecar(data: Path, address: str, **settings: object) -> Iterator[Sidecar]:
    """The sidecar, shipping to a local log and copying; told to end on the way out."""
    fluentd = FluentdSettings(**{"address": address, "retry_seconds": 0.05, **settings})
    log = open_log(LogSettings(), Config(data / "affiant.toml", {}))
    running = Sidecar(data, log, SidecarSettings(scan_seconds=0.05, retry_seconds=0.05), fluentd=fluentd)
    stop = threading.Event()
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(running.run(stop)))
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join(60)
        assert ended == [0]


def the(running: Sidecar) -> Shipped:
    """The one journal's figures."""
    [shipped] = running.journals().values()
    return shipped


def durable(data: Path) -> int:
    """The journal's next durable sequence."""
    mark = JournalReader(data / "journals" / "0").mark()
    assert mark is not None
    return mark.sequence


def mirrored(data: Path, running: Sidecar) -> bool:
    """Whether everything durable was acknowledged by the receiver."""
    found = running.journals()
    return bool(found) and all(
        each.mirrored is not None and each.mirrored.progress.sequence == durable(data)
        for each in found.values()
    )


def test_each_entry_is_copied_under_its_service_s_tag_and_no_payload(
    collector: Collector, tmp_path: Path
) -> None:
    """Ids, names and leaf; requests stay where they are unless they are asked for."""
    ids = write_journal(tmp_path, [b"secret-%d" % n for n in range(500)])
    with sidecar(tmp_path, collector.address) as running:
        wait_until(lambda: mirrored(tmp_path, running), what="the copy")
    events = collector.events()
    assert [each.fields["record"] for each in events if each.tag == "affiant.m"] == ids
    assert {each.fields["kind"] for each in events if each.tag == "affiant"} == {"opening", "closing"}
    assert "secret" not in collector.process.log_text()
