"""The sidecar's shipper on real journals, to both backends: once, in order, chained."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.check import Checked, check_log
from audit.config import Config
from audit.journal import JournalReader, JournalSettings
from audit.label_import import NAME, write_labels
from audit.labels import is_label, read_label, told
from audit.log import Log, open_log
from audit.log.frames import segments
from audit.log.kafka import KafkaLog
from audit.log.local import LocalLog
from audit.proof.entry import Key, encode_entry, parse_entry, parse_record_id
from audit.proof.receipt import parse_receipt
from audit.proof.record import frame_record, parse_record
from audit.settings import LogSettings, SidecarSettings
from audit.ship.external import ExternalStore
from audit.ship.reached import ACKNOWLEDGED, SEALED, Reached, read_reached
from audit.ship.route import read_route
from audit.ship.sealed import SealedJournal
from audit.ship.shipper import Shipper
from audit.ship.watch import SealWatch
from audit.show import find, walk
from tests.components.journals import write_journal
from tests.components.process import wait_until
from tests.components.sealer import Sealer
from tests.components.sworn import OTHER, two_epochs
from tests.components.threads import running

Make = Callable[[], Log]


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """The log, opened anew."""
    config = Config(tmp_path / "affiant.toml", {})
    if request.param == "local":
        settings = LogSettings()
    else:
        topic = request.getfixturevalue("kafka_topic")(
            "ship", config={"retention.ms": "-1", "max.message.bytes": "16777216"}
        )
        settings = LogSettings(backend="kafka", bootstrap=request.getfixturevalue("kafka"), topic=topic)
    return lambda: open_log(settings, config)


def shipper_of(data: Path, log: Log, **settings: object) -> Shipper:
    """A shipper of journal 0."""
    directory = data / "journals" / "0"
    journal = JournalReader(directory).journal_id()
    assert journal is not None
    return Shipper(
        journal,
        lambda: JournalReader(directory),
        log,
        data / "shipping" / "0",
        SidecarSettings(**{"retry_seconds": 0.05, **settings}),  # type: ignore[arg-type]
        ExternalStore(f"file://{data / 'objects'}"),
    )


def drain(data: Path, log: Log) -> Shipper:
    """Ship everything that is durable, and end."""
    shipper = shipper_of(data, log)
    with running(shipper.run):
        pass
    assert shipper.progress.alarm is None, shipper.progress.alarm
    return shipper


def checked(log: Log) -> Checked:
    """The whole log, checked."""
    reader = log.reader()
    try:
        return check_log(reader, log.topic().partitions)
    finally:
        reader.close()


def durable(data: Path) -> int:
    """The journal's next durable sequence."""
    mark = JournalReader(data / "journals" / "0").mark()
    assert mark is not None
    return mark.sequence


def test_every_durable_record_is_in_the_log_once_and_in_order(make: Make, tmp_path: Path) -> None:
    """Two epochs, shipped while the second is written: nothing lost, nothing twice, chain unbroken."""
    ids = write_journal(tmp_path, [b"%d" % n for n in range(500)])
    shipper = shipper_of(tmp_path, make())
    with running(shipper.run):
        wait_until(lambda: shipper.progress.acknowledged >= 500, what="the first epoch is shipped")
        ids += write_journal(tmp_path, [b"%d" % n for n in range(500)])
    result = checked(make())
    assert result.flaws == []
    assert result.exchanges == 1000
    assert list(result.journals.values()) == [durable(tmp_path)]
    acknowledged = read_reached(tmp_path / "shipping" / "0", ACKNOWLEDGED)
    assert acknowledged is not None
    assert acknowledged.sequence == durable(tmp_path)
    reader = make().reader()
    exchange = find(reader, 1, ids[700])
    assert exchange.payload is not None
    assert exchange.payload.request == b"200"
    assert set(exchange.holds.values()) == {True}
    reader.close()


def test_labels_are_shipped_like_every_entry_and_read_back(make: Make, tmp_path: Path) -> None:
    """With the log's own time, which decides between labels that were known at the same one."""
    said = [told(request_id=f"order-{n}", label=n, row=n, now=1) for n in range(20)]
    asyncio.run(write_labels(tmp_path, JournalSettings(segment_bytes=64 << 10), said, "m"))
    for folder in ("journals", "shipping"):  # where this module's shipper looks
        if (tmp_path / folder / NAME).exists():
            (tmp_path / folder / NAME).rename(tmp_path / folder / "0")
    drain(tmp_path, make())
    result = checked(make())
    assert (result.flaws, result.exchanges, result.unknown_kinds) == ([], 0, 0)
    reader = make().reader()
    entries = list(walk(reader, 0, *reader.bounds(0)))
    reader.close()
    records = [(one.timestamp, parse_record(one.value or b"")) for one in entries]
    found = [read_label(record, at) for at, record in records if is_label(record.entry)]
    assert [(one.target, one.value, one.row, one.service) for one in found] == [
        (f"order-{n}", n, n, "m") for n in range(20)
    ]
    assert all(one.logged_ms > 1_700_000_000_000 for one in found)


def test_what_was_shipped_and_sealed_is_proved_entry_by_entry(make: Make, tmp_path: Path) -> None:
    """While it is written and shipped, by offsets that the log itself gave; each receipt is its record's."""
    write_journal(tmp_path, [b"%d" % n for n in range(300)])
    shipper, sealer = shipper_of(tmp_path, make()), Sealer(make(), tmp_path)
    directory = tmp_path / "journals" / "0"
    watch = SealWatch(sealer.trees)
    seal = SealedJournal(
        shipper.journal, lambda: JournalReader(directory), tmp_path / "shipping" / "0", shipper.progress, 1000,
        bytes(16),
    )  # fmt: skip
    watch.add(seal, lambda: durable(tmp_path))
    with running(shipper.run):
        wait_until(lambda: shipper.progress.acknowledged >= 300, what="the first epoch is shipped")
        partition = read_route(tmp_path / "shipping" / "0").partition  # type: ignore[union-attr]
        sealer.seal(partition=partition)
        watch.look()
        ids = write_journal(tmp_path, [b"%d" % n for n in range(300)])

        def sealed() -> bool:
            sealer.seal(partition=partition)
            watch.look()
            assert (seal.progress.alarm, seal.progress.problem) == (None, None)
            return seal.progress.sequence == durable(tmp_path)

        wait_until(sealed, what="all is proved to be sealed")
    for record in (ids[0], ids[150], ids[-1]):
        receipt = parse_receipt(watch.receipt(record))
        assert parse_entry(receipt.entry).record_id == record
    watch.close()
    assert read_reached(tmp_path / "shipping" / "0", SEALED) == Reached(
        durable(tmp_path), end_of(make(), partition)
    )


def end_of(log: Log, partition: int) -> int:
    """The partition's end."""
    reader = log.reader()
    try:
        return reader.bounds(partition)[1]
    finally:
        reader.close()


def test_a_run_that_lost_its_bookkeeping_finds_what_is_in_the_log(make: Make, tmp_path: Path) -> None:
    """The acknowledged mark may be old or gone after a crash: the barrier tells; nothing is sent twice."""
    write_journal(tmp_path, [b"x"] * 300)
    drain(tmp_path, make())
    (tmp_path / "shipping" / "0" / "acknowledged").unlink()
    write_journal(tmp_path, [b"y"] * 10)
    assert drain(tmp_path, make()).progress.shipped == durable(tmp_path) - 302
    result = checked(make())
    assert (result.flaws, result.duplicates, result.exchanges) == ([], 0, 310)


def others(log: Log) -> None:
    """Records of another journal: batches, and in a directory segments, of their own."""
    writer = log.writer(0)
    for number, (key, value) in enumerate(two_epochs(10, OTHER).values, 1):
        writer.send(value, key)
        wait_until(lambda number=number: writer.delivered().sends == number, what="it is there")  # type: ignore[misc]
    writer.close()


def forget(log: Log, before: int) -> None:
    """As retention does: the log begins at that offset then, a segment's first in a directory."""
    if isinstance(log, KafkaLog):
        from kafka import TopicPartition

        with log.admin() as admin:
            admin.delete_records({TopicPartition(log.topic().name, 0): before})
    else:
        assert isinstance(log, LocalLog)
        for base, path in segments(log.directory / "0"):
            if base < before:
                path.unlink()
    reader = log.reader()
    wait_until(lambda: reader.bounds(0)[0] == before, what="records deleted")
    reader.close()


def test_a_sidecar_that_was_away_for_longer_than_the_logs_retention_goes_on(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was to go on from is gone, and what it knows of it is enough: nothing lost, nothing twice."""
    monkeypatch.setattr("audit.log.local.SEGMENT_BYTES", 1)
    write_journal(tmp_path, [b"x"] * 30)
    drain(tmp_path, make())
    known, end = durable(tmp_path), end_of(make(), 0)
    write_journal(tmp_path, [b"y"] * 10)
    others(make())
    forget(make(), end + 3)
    shipper = drain(tmp_path, make())
    assert (shipper.progress.gone, shipper.progress.shipped) == (1, durable(tmp_path) - known)
    result = checked(make())
    assert (result.flaws, result.duplicates) == ([], 0)
    assert result.journals[shipper.journal.hex()] == durable(tmp_path) - known
    assert drain(tmp_path, make()).progress.gone == 0


def test_a_run_without_bookkeeping_learns_from_the_rest_what_a_log_has_forgotten(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is lost, and so is the log's beginning: the journal's first entry there says what stood before it."""
    monkeypatch.setattr("audit.log.local.SEGMENT_BYTES", 1)
    write_journal(tmp_path, [b"x"] * 30)
    drain(tmp_path, make())
    end = end_of(make(), 0)
    write_journal(tmp_path, [b"y"] * 10)
    drain(tmp_path, make())
    (tmp_path / "shipping" / "0" / "acknowledged").unlink()
    forget(make(), end)
    shipper = drain(tmp_path, make())
    assert (shipper.progress.gone, shipper.progress.shipped) == (1, 0)
    result = checked(make())
    assert (result.flaws, result.duplicates, result.exchanges) == ([], 0, 10)


def test_records_that_landed_without_an_acknowledgement_are_not_sent_again(
    make: Make, tmp_path: Path
) -> None:
    """What a killed sidecar leaves: records in the log that its bookkeeping does not know."""
    write_journal(tmp_path, [b"x"] * 50)
    drain(tmp_path, make())
    write_journal(tmp_path, [b"y"] * 50)
    known = read_reached(tmp_path / "shipping" / "0", ACKNOWLEDGED)
    assert known is not None
    reader = JournalReader(tmp_path / "journals" / "0")
    reader.seek(known.sequence)
    landed = reader.read(1 << 20)[:20]
    writer = make().writer(0)
    for record in landed:
        writer.send(record.record, shipper_of(tmp_path, make()).journal)
    wait_until(lambda: writer.delivered().sends == 20, what="they landed")
    writer.close()
    drain(tmp_path, make())
    result = checked(make())
    assert (result.flaws, result.duplicates, result.exchanges) == ([], 0, 100)


def test_the_log_holding_another_hash_is_an_alarm(make: Make, tmp_path: Path) -> None:
    """A record of ours that was rewritten on its way stops shipping, and says so."""
    write_journal(tmp_path, [b"x"] * 5)
    shipper = shipper_of(tmp_path, make())
    reader = JournalReader(tmp_path / "journals" / "0")
    drain(tmp_path, make())
    write_journal(tmp_path, [b"y"])
    known = read_reached(tmp_path / "shipping" / "0", ACKNOWLEDGED)
    assert known is not None
    reader.seek(known.sequence)
    entry = dict(parse_record(reader.read(1)[0].record).entry.fields)
    entry[Key.COMMITTING] += 1
    forged = frame_record(encode_entry(entry), b"")
    writer = make().writer(0)
    writer.send(forged, shipper.journal)
    wait_until(lambda: writer.delivered().sends == 1, what="it landed")
    writer.close()
    with running(shipper.run):
        wait_until(lambda: shipper.progress.alarm is not None, what="the alarm")
    assert "Contradiction" in str(shipper.progress.alarm)


def test_a_journal_that_is_not_recovered_yet_is_waited_for(make: Make, tmp_path: Path) -> None:
    """After a power failure its mark may be old: no alarm, and all goes on when the gateway has recovered it."""
    write_journal(tmp_path, [b"x"] * 5)
    mark = tmp_path / "journals" / "0" / "mark"
    old = mark.read_bytes()
    write_journal(tmp_path, [b"x"] * 5)
    drain(tmp_path, make())
    (tmp_path / "shipping" / "0" / "acknowledged").unlink()  # as old as the journal's
    mark.write_bytes(old)
    shipper = shipper_of(tmp_path, make())
    with running(shipper.run):
        wait_until(lambda: shipper.progress.restarts > 1, what="it tries again")
        assert shipper.progress.alarm is None
        write_journal(tmp_path, [b"x"] * 5)  # the opening recovers
        wait_until(lambda: shipper.progress.acknowledged == durable(tmp_path), what="all is shipped")
    assert shipper.progress.alarm is None
    result = checked(make())
    assert (result.flaws, result.duplicates, result.exchanges) == ([], 0, 15)


def test_a_journal_that_was_restored_from_an_old_copy_is_an_alarm(make: Make, tmp_path: Path) -> None:
    """It would fork: refused as soon as it shows anything of its own."""
    write_journal(tmp_path, [b"x"] * 5)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "journals" / "0", copy)
    write_journal(tmp_path, [b"x"] * 5)
    drain(tmp_path, make())
    (tmp_path / "shipping" / "0" / "acknowledged").unlink()
    shutil.rmtree(tmp_path / "journals" / "0")
    copy.rename(tmp_path / "journals" / "0")
    shipper = shipper_of(tmp_path, make())
    with running(shipper.run):
        wait_until(lambda: shipper.progress.restarts > 1, what="it tries again")
        assert shipper.progress.alarm is None
        write_journal(tmp_path, [b"y"])
        wait_until(lambda: shipper.progress.alarm is not None, what="the alarm")
    assert "another in the journal" in str(shipper.progress.alarm)


def test_an_external_payload_goes_to_the_object_store(make: Make, tmp_path: Path) -> None:
    """Too large for the log: the object is there before the record, and `show` puts both together."""
    body = b"z" * 400_000
    (record,) = write_journal(tmp_path, [body], settings=JournalSettings(external_bytes=300_000))
    shipper = drain(tmp_path, make())
    assert shipper.progress.shipped_bytes < 10_000
    reader = make().reader()
    external = ExternalStore(f"file://{tmp_path / 'objects'}")
    exchange = find(reader, 1, record, external.get)
    reader.close()
    assert exchange.payload is not None
    assert exchange.payload.request == body
    assert parse_record_id(record)[1] == 1


def test_the_bytes_in_flight_are_bounded(make: Make, tmp_path: Path) -> None:
    """However much waits in the journal, only so much is sent ahead of the log."""
    write_journal(tmp_path, [bytes(20_000)] * 300, settings=JournalSettings())
    shipper = shipper_of(tmp_path, make(), in_flight_bytes=100_000)
    seen = []
    send = shipper._send

    def watched(run):
        count = send(run)
        seen.append(shipper.progress.in_flight_bytes)
        return count

    shipper._send = watched  # type: ignore[method-assign]
    with running(shipper.run):
        pass
    assert checked(make()).exchanges == 300
    assert 0 < max(seen) <= 100_000 + (8 << 20)
