"""The watch over what is sealed: several journals of one tree, its metrics, the receipts that it gives."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import NoReturn

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from audit.errors import NoSuchRecord
from audit.journal import JournalReader
from audit.proof.entry import parse_entry
from audit.proof.errors import NotProved
from audit.proof.receipt import parse_receipt
from audit.settings import SidecarSettings
from audit.ship.external import ExternalStore
from audit.ship.lag import LagWatch
from audit.ship.leaves import Leaves, SealedLeaves
from audit.ship.metrics import Sealing, Shipped, SidecarCollector
from audit.ship.offsets import Offsets
from audit.ship.receipts import AT_ONCE, ReceiptPages
from audit.ship.sealed import SealedJournal
from audit.ship.shipper import Shipper
from audit.ship.watch import SealWatch
from tests.components.journals import write_journal
from tests.fault.ship.place import SMALL, Place
from tests.fault.ship.world import drain, durable


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def second(place: Place) -> tuple[Shipper, SealedJournal]:
    """Another worker's journal, shipped to the same partition behind the first, and who follows it."""
    write_journal(place.data, [b"%d" % number for number in range(12)], name="1", settings=SMALL)
    directory, shipping = place.data / "journals" / "1", place.data / "shipping" / "1"
    journal = JournalReader(directory).journal_id()
    assert journal is not None

    def shipper() -> Shipper:
        return drain(
            Shipper(
                journal, lambda: JournalReader(directory), place.log, shipping, SidecarSettings(drain_seconds=10),
                ExternalStore(place.data / "objects"),
            )
        )  # fmt: skip

    shipper()
    shipped = shipper()
    return shipped, SealedJournal(
        journal, lambda: JournalReader(directory), shipping, shipped.progress, 1000, bytes(16)
    )


def test_a_journal_that_comes_later_is_followed_in_the_same_tree(place: Place) -> None:
    """Also where its entries were sealed before anybody looked for them."""
    watch, seal = place.watch()
    shipped, other = second(place)
    place.sealer.seal()
    watch.look()
    watch.add(other, lambda: shipped.progress.acknowledged)
    watch.look()
    assert (seal.progress.alarm, other.progress.alarm) == (None, None)
    assert seal.progress.sequence == durable(place.data)
    assert other.progress.sequence == shipped.progress.acknowledged == 14
    record = f"{other.journal.hex()}-3"
    assert parse_entry(parse_receipt(watch.receipt(record)).entry).record_id == record


def test_one_journals_trouble_is_not_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk fails for a moment, between two parts: it misses nothing, and the other one goes on."""
    monkeypatch.setattr("audit.ship.leaves.PART", 256)
    place.log.entries[3:3] = [(b"", b"%d" % number) for number in range(300)]
    place.log.visible = len(place.log.entries)
    place.ship()
    shipped, other = second(place)
    place.sealer.seal()
    watch, seal = place.watch()
    watch.add(other, lambda: shipped.progress.acknowledged)
    real = SealedJournal.take

    def take(self: SealedJournal, leaves: Leaves) -> bool:
        if self is seal and leaves.first == 0:
            self.forget()
            raise OSError(5, "input/output error")
        return real(self, leaves)

    with monkeypatch.context() as broken:
        broken.setattr(SealedJournal, "take", take)
        watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (0, None)
    assert other.progress.sequence == shipped.progress.acknowledged
    watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (durable(place.data), None)


@pytest.mark.parametrize("breaks", ["no file", "no route"])
def test_a_route_that_cannot_be_read_is_that_journals_trouble_alone(place: Place, breaks: str) -> None:
    """Told once; the other journal is followed, and this one, too, when its route is whole again."""
    shipped, other = second(place)
    place.sealer.seal()
    watch, seal = place.watch()
    watch.add(other, lambda: shipped.progress.acknowledged)
    route = place.shipping / "route.json"
    whole = route.rename(place.shipping / "whole")
    if breaks == "no file":
        route.mkdir()
    else:
        route.write_text("{}")
    with capture_logs() as told:
        watch.look()
        watch.look()
    assert [each["journal"] for each in told] == [seal.journal.hex()]
    assert (seal.progress.sequence, other.progress.sequence) == (0, shipped.progress.acknowledged)
    if breaks == "no file":
        route.rmdir()
    whole.rename(route)
    watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (durable(place.data), None)


def test_what_nobody_expected_of_a_look_is_told_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its traceback; again when it is another; and the next look that goes well takes all."""
    place.sealer.seal()
    watch, seal = place.watch()
    errors: list[Exception] = [RuntimeError("no thread"), MemoryError(), RuntimeError("no thread")]

    def look(_: SealedLeaves) -> NoReturn:
        raise errors[-1]

    with monkeypatch.context() as broken, capture_logs() as told:
        broken.setattr(SealedLeaves, "look", look)
        while errors:
            watch.look()
            watch.look()
            errors.pop()
    assert len(told) == 3
    assert all(each["exc_info"] for each in told)
    watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (durable(place.data), None)


def scraped(watch: SealWatch, place: Place, seal: SealedJournal) -> dict[str, float]:
    """The sidecar's metrics of that journal."""
    directory = place.data / "journals" / "0"
    shipped = Shipped(
        place.shipper.progress,
        LagWatch(directory, place.shipper.progress),
        Sealing(seal.progress, LagWatch(directory, seal.progress)),
    )
    watch.look()
    registry = CollectorRegistry()
    registry.register(SidecarCollector(lambda: {seal.journal: shipped}))
    return {sample.name: sample.value for family in registry.collect() for sample in family.samples}


def test_the_metrics_tell_how_far_behind_the_seal_is(place: Place) -> None:
    """Shipped and not sealed has an age; a checkpoint that is not believed is an alarm while it is there."""
    watch, seal = place.watch()
    before = scraped(watch, place, seal)
    assert before["affiant_sidecar_lag_records"] == 0
    assert before["affiant_sidecar_unsealed_records"] == durable(place.data)
    assert before["affiant_sidecar_oldest_unsealed_seconds"] > 0
    place.sealer.seal()
    checkpoint = place.sealer.store / place.sealer.tree().prefix / "checkpoint"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:-3])
    broken = scraped(watch, place, seal)
    assert (broken["affiant_sidecar_seal_alarm"], broken["affiant_sidecar_checkpoints_refused_total"]) == (
        1,
        1,
    )
    assert broken["affiant_sidecar_alarm"] == 0
    checkpoint.write_bytes(whole)
    after = scraped(watch, place, seal)
    assert (after["affiant_sidecar_seal_alarm"], after["affiant_sidecar_checkpoints_refused_total"]) == (0, 1)
    assert after["affiant_sidecar_sealed_sequence"] == durable(place.data)
    assert after["affiant_sidecar_unsealed_records"] == after["affiant_sidecar_oldest_unsealed_seconds"] == 0


def asked(pages: ReceiptPages, path: str, address: str = "127.0.0.1") -> tuple[str, dict[str, str], bytes]:
    """One request to the sidecar's pages."""
    said: list[tuple[str, list[tuple[str, str]]]] = []
    body = pages(
        {"REMOTE_ADDR": address, "PATH_INFO": path}, lambda status, headers: said.append((status, headers))
    )
    return said[0][0], dict(said[0][1]), b"".join(body)


def test_receipts_are_given_to_this_machine_alone(place: Place) -> None:
    """The sidecar's port may be open for scrapes; who asked for what is the gateway's to judge."""
    place.sealer.seal(14)
    watch, _ = place.watch()
    watch.look()
    pages = ReceiptPages(watch.receipt)
    record = f"{place.shipper.journal.hex()}-3"
    status, headers, body = asked(pages, f"/receipts/{record}")
    assert (status, body) == ("200 OK", watch.receipt(record))
    assert asked(pages, f"/receipts/{record}", "::1")[0] == "200 OK"
    for far in ("10.0.0.1", "", "1270.0.0.1", "::2"):
        assert asked(pages, f"/receipts/{record}", far)[0] == "403 Forbidden"
    status, headers, body = asked(pages, f"/receipts/{place.shipper.journal.hex()}-20")
    assert (status, headers["Retry-After"]) == ("404 Not Found", "2")
    assert json.loads(body)["type"] == "urn:affiant:problem:not-sealed"
    status, headers, body = asked(pages, "/receipts/../../etc/passwd")
    assert (status, json.loads(body)["type"]) == ("404 Not Found", "urn:affiant:problem:unknown-record")
    assert "Retry-After" not in headers


def test_so_many_receipts_are_made_at_a_time(place: Place) -> None:
    """The next one is told to come again; when they are made there is room again."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow(_: str) -> bytes:
        begun.release()
        gate.wait(60)
        return b"receipt"

    pages = ReceiptPages(slow)
    threads = [threading.Thread(target=asked, args=(pages, "/receipts/x")) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=60)
    status, headers, _ = asked(pages, "/receipts/x")
    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "1")
    gate.set()
    for thread in threads:
        thread.join(60)
    assert asked(pages, "/receipts/x")[0] == "200 OK"


def test_a_record_that_nobody_knows_is_said_to_be_unknown(place: Place) -> None:
    """No id, another journal's, a sequence that is not written yet, or a place that is not kept any more."""
    place.sealer.seal()
    watch, seal = place.watch()
    watch.look()
    journal = place.shipper.journal.hex()
    for record in (
        "",
        "x",
        journal,
        f"{bytes(16).hex()}-1",
        f"{journal}-{durable(place.data)}",
        f"{journal}-007",
    ):
        with pytest.raises(NoSuchRecord):
            watch.receipt(record)
    for path in (place.shipping / "offsets").iterdir():
        path.unlink()
    with pytest.raises(NoSuchRecord, match="not kept"):
        watch.receipt(f"{journal}-1")
    seal.offsets.put(1, [place.places()[2]])
    with pytest.raises(NotProved, match="not where"):
        watch.receipt(f"{journal}-1")


def test_places_are_bounded(tmp_path: Path) -> None:
    """So many of the newest, and up to a file more."""
    offsets = Offsets(tmp_path, 20, span=8)
    for sequence in range(100):
        offsets.put(sequence, [sequence * 3])
    assert offsets.get(99) == 297
    assert all(offsets.get(sequence) == sequence * 3 for sequence in range(80, 100))
    assert offsets.get(60) is None
    assert sum(path.stat().st_size for path in (tmp_path / "offsets").iterdir()) <= 8 * (20 + 2 * 8)
    offsets.put(100, list(range(30)))
    assert [offsets.get(sequence) for sequence in range(110, 130)] == list(range(10, 30))
    assert offsets.get(130) is None
