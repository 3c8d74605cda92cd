"""What the sidecar says of its lag is true while it ships, while the log is away, and after a restart."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from audit.errors import JournalFull
from audit.journal import Journal, JournalReader, JournalSettings
from audit.log.local import LocalLog
from audit.proof.entry import Key
from audit.proof.record import parse_record
from audit.settings import SidecarSettings
from audit.ship.external import ExternalStore
from audit.ship.lag import Lag, LagWatch
from audit.ship.metrics import SidecarCollector
from audit.ship.shipper import Progress, Shipper
from audit.ship.sidecar import Sidecar
from tests.components.journals import OPENING, exchange, write_journal
from tests.components.process import wait_until


def records(data: Path) -> list[tuple[int, int]]:
    """(sequence, time of committing in ns) of the journal's records."""
    reader = JournalReader(data / "journals" / "0")
    found = []
    while batch := reader.read(1 << 20):
        found += [
            (item.sequence, int(parse_record(item.record).entry.fields[Key.COMMITTING])) for item in batch
        ]
    reader.close()
    return found


def sizes(data: Path) -> list[tuple[int, int]]:
    """(sequence, bytes) of the journal's records."""
    reader = JournalReader(data / "journals" / "0")
    found = []
    while batch := reader.read(1 << 20):
        found += [(item.sequence, len(item.record)) for item in batch]
    reader.close()
    return found


async def grow(data: Path, settings: JournalSettings, *, segments: int) -> None:
    """One epoch that goes on until the journal has so many segments."""
    directory = data / "journals" / "0"
    journal = Journal.open(directory, data / "shipping" / "0", settings, OPENING)
    while len(list(directory.glob("*.seg"))) < segments:
        try:
            await journal.append(*exchange(b"y" * 9000, 0))
        except JournalFull:
            await asyncio.sleep(0.01)  # the next segment is being made
    await journal.close()


def shipped(data: Path, log: LocalLog) -> Shipper:
    """A shipper of journal 0 that has shipped everything."""
    directory = data / "journals" / "0"
    journal = JournalReader(directory).journal_id()
    assert journal is not None
    shipper = Shipper(
        journal, lambda: JournalReader(directory), log, data / "shipping" / "0",
        SidecarSettings(retry_seconds=0.05), ExternalStore(f"file://{data / 'objects'}"),
    )  # fmt: skip
    stop = threading.Event()
    stop.set()
    shipper.run(stop)
    return shipper


def test_nothing_shipped_is_all_behind(tmp_path: Path) -> None:
    """Records, bytes and age count from the very first record on, although nothing is in flight."""
    write_journal(tmp_path, [b"x" * 1000] * 20)
    known = records(tmp_path)
    lag = LagWatch(tmp_path / "journals" / "0", Progress()).lag()
    assert (lag.records, lag.oldest) == (len(known), known[0][1])
    assert lag.bytes > 20_000


@pytest.mark.parametrize("place", [1, 7, 20])
def test_the_oldest_is_the_first_that_is_not_acknowledged(tmp_path: Path, place: int) -> None:
    """Not the first in flight: a record is unshipped also before it is sent."""
    write_journal(tmp_path, [bytes([n]) * 1000 for n in range(20)])
    known = records(tmp_path)
    progress = Progress(acknowledged=place)
    watch = LagWatch(tmp_path / "journals" / "0", progress)
    assert (watch.lag().records, watch.lag().oldest) == (len(known) - place, known[place][1])
    progress.acknowledged += 1
    assert watch.lag().oldest == known[place + 1][1]
    progress.acknowledged = len(known)
    assert watch.lag() == Lag(0, 0, None)


def test_after_shipping_only_what_is_new_is_behind(tmp_path: Path) -> None:
    """The place that was reached is where the watch looks on, over the end of segments, too."""
    small = JournalSettings(segment_bytes=256 << 10)
    write_journal(tmp_path, [b"x" * 9000] * 3, settings=small)
    shipper = shipped(tmp_path, LocalLog(tmp_path / "log", "t"))
    watch = LagWatch(tmp_path / "journals" / "0", shipper.progress)
    assert watch.lag() == Lag(0, 0, None)
    before = len(records(tmp_path))
    asyncio.run(grow(tmp_path, small, segments=4))
    assert len(list((tmp_path / "journals" / "0").glob("*.seg"))) >= 4
    lag = watch.lag()
    known = records(tmp_path)
    assert (lag.records, lag.oldest) == (known[-1][0] + 1 - before, dict(known)[before])
    assert sum(size for sequence, size in sizes(tmp_path) if sequence >= before) < lag.bytes < 1 << 20


def test_while_the_log_is_away_the_age_grows(tmp_path: Path) -> None:
    """A restarted sidecar that never reaches the log says how much it has to do, and for how long already."""
    write_journal(tmp_path, [b"x"] * 10)
    log = LocalLog(tmp_path / "log", "t")
    shipped(tmp_path, log)
    before = len(records(tmp_path))
    write_journal(tmp_path, [b"y"] * 5)
    oldest = dict(records(tmp_path))[before]
    rival = log.writer(0)  # while another process writes the partition, this log takes nothing
    sidecar = Sidecar(tmp_path, log, SidecarSettings(retry_seconds=0.05, scan_seconds=0.05, drain_seconds=0))
    registry = CollectorRegistry()
    registry.register(SidecarCollector(sidecar.journals, clock=lambda: oldest + 90 * 10**9))
    stop, ended = threading.Event(), []
    thread = threading.Thread(target=lambda: ended.append(sidecar.run(stop)))
    thread.start()
    try:

        def metric(name: str) -> float | None:
            (journal,) = sidecar.journals() or (b"",)
            return registry.get_sample_value(f"affiant_sidecar_{name}", {"journal": journal.hex()})

        wait_until(lambda: (metric("producer_restarts_total") or 0) >= 2, what="two runs have failed")
        assert metric("lag_records") == len(records(tmp_path)) - before
        assert metric("oldest_unshipped_seconds") == 90
        assert 0 < (metric("unshipped_bytes") or 0) < 16_000
        assert metric("in_flight_bytes") == 0
    finally:
        rival.close()
        stop.set()
        thread.join(60)
    assert ended in ([0], [1])
