from __future__ import annotations

import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import Archive
from audit.auditor.index import Index
from audit.auditor.query import Search
from audit.auditor.records import Records
from audit.auditor.which import trees_of
from audit.config import load
from audit.errors import NoSuchRecord, NotSealed
from audit.log.local import LocalLog
from audit.proof.entry import Key
from audit.proof.errors import FormatError, NotProved
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.proof.record import split_record
from audit.trees import configured_trees

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "bench"))
from harness.sealed import SealedLog, write_sealed_log

SIZE, TAIL = 1_200, 200
HOLDS = {
    "it is in the sealed log, under a signed checkpoint": True,
    "no other entry there has its id": True,
    "the payload is what the entry's digest covers": True,
    "it is chained to the entry before it": True,
    "its epoch's opening is signed by the journal's key": True,
    "the next entry is chained to it": True,
}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> SealedLog:
    return write_sealed_log(tmp_path_factory.mktemp("log") / "log", SIZE, tail=TAIL, log=True)


@pytest.fixture
def made(original: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy to be attacked."""
    shutil.copytree(original.store.parent, tmp_path / "log")
    return original


def from_log(directory: Path):
    """The log's payload at an offset."""
    reader = LocalLog(directory, "affiant-entries").reader()

    def payload(located, _):
        return split_record(reader.read(located.partition, located.offset, 1 << 20, 1.0)[0].value)[1]

    return payload


@pytest.fixture
def opened(made: SealedLog, tmp_path: Path):
    """Opens the copy's records, indexed as they are now."""
    indexes = []

    def open_records(**payloads) -> Records:
        trees = configured_trees(load(tmp_path / "log" / "affiant.toml"))
        index = Index(tmp_path / f"index{len(indexes)}", trees.trust.name)
        indexes.append(index)
        records = Records(trees, Archive(trees.objects), index, payloads)
        records.refresh()
        return records

    yield open_records
    for index in indexes:
        index.close()


def edit(tmp_path: Path, part: str, change) -> None:
    """Rewrite the archive's file of a kind, as who has the bucket's keys could."""
    (path,) = (tmp_path / "log/store/archive" / part).rglob("*.parquet")
    table = change(pq.read_table(path, partitioning=None))
    pq.write_table(table, path, store_schema=False)


def replaced(table: pa.Table, name: str, rows: dict[int, object]) -> pa.Table:
    values = table.column(name).to_pylist()
    for at, value in rows.items():
        values[at] = value
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def test_a_record_is_shown_with_everything_that_holds_of_it(opened, made: SealedLog) -> None:
    """Its exchange, and that it is sealed, whole, chained both ways, and of a journal whose opening is signed."""
    shown = opened().show(made.record(700))
    described = shown.describe()
    assert shown.exchange.holds == HOLDS
    assert described["entry"]["request_id"] == "req-700"
    assert described["answer"]["body"] == {"predictions": [0.5]}
    assert described["payload_from"] == "archive"
    assert described["proof"]["index"] == described["offset"] == 700
    assert described["proof"]["size"] == SIZE
    assert described["logged_ms"] == 1_767_225_600_000


def test_the_first_and_the_last_record_lack_only_the_neighbour_that_is_not_there(opened, made) -> None:
    """An opening follows nothing; nothing follows the newest record yet."""
    records = opened(log=from_log(made.log))
    first, last = records.show(made.record(0)), records.show(made.record(SIZE - 1))
    assert first.exchange.holds == {**HOLDS, "the payload is what the entry's digest covers": None}
    assert last.exchange.holds == {**HOLDS, "the next entry is chained to it": None}
    assert last.payload_from == "log"


def test_a_payload_that_nobody_has_is_said_to_be_missing_and_nothing_else_fails(opened, made) -> None:
    """The entry is proved all the same."""
    shown = opened(log=lambda *_: None).show(made.record(SIZE - 5))
    assert shown.payload_from is None
    assert shown.exchange.holds == {**HOLDS, "the payload is what the entry's digest covers": None}


def test_a_payload_that_was_emptied_is_not_called_missing(opened, made) -> None:
    """An object of 0 bytes is what a crash or a hand has left: it does not hold. A whole copy elsewhere is taken."""
    shown = opened(log=lambda *_: None, store=lambda *_: b"").show(made.record(SIZE - 5))
    assert shown.payload_from == "store"
    assert shown.exchange.holds == {**HOLDS, "the payload is what the entry's digest covers": False}
    whole = opened(store=lambda *_: b"", log=from_log(made.log)).show(made.record(SIZE - 5))
    assert (whole.payload_from, whole.exchange.holds) == ("log", HOLDS)


def test_a_receipt_holds_for_whoever_has_the_key_alone(opened, made: SealedLog) -> None:
    """It is read back from its bytes, and verified without the store."""
    proved = opened().prove(made.record(SIZE - 3))
    again = parse_receipt(proved.receipt.encode())
    assert verify_receipt(again, made.tree.key(made.vkey.public_key)).checkpoint.size == SIZE
    assert sha256(b"\0" + again.entry).digest() == sha256(b"\0" + proved.entry.raw).digest()
    assert proved.entry.get(Key.SEQUENCE) == SIZE - 3


def test_what_is_not_there_is_said(opened, made: SealedLog) -> None:
    """A record that is not sealed, and a text that is no record id."""
    records = opened()
    with pytest.raises(NoSuchRecord, match="not be sealed yet"):
        records.prove(made.record(SIZE))
    with pytest.raises(FormatError):
        records.show("nonsense")


def test_an_archive_that_sends_the_auditor_elsewhere_is_caught(opened, made, tmp_path: Path) -> None:
    """Somebody swaps two records' names in the archive: the tree says which entry is where."""
    edit(
        tmp_path,
        "entries",
        lambda table: replaced(table, "sequence", {10: 11, 11: 10}),
    )
    records = opened()
    with pytest.raises(NotProved, match=r"archive was changed.* delete the index .*/index"):
        records.prove(made.record(10))
    assert records.prove(made.record(12)).located.offset == 12


def test_a_row_added_to_the_archive_does_not_hide_the_true_one(opened, made, tmp_path: Path) -> None:
    """Of several places that claim a record, the one that the tree confirms is shown."""
    edit(tmp_path, "entries", lambda table: replaced(table, "sequence", {5: 10}))
    assert opened().prove(made.record(10)).located.offset == 10


def test_a_forged_payload_is_shown_not_to_hold(opened, made, tmp_path: Path) -> None:
    """Payload files are not under the tree, but each payload is under its entry's digest."""
    edit(tmp_path, "payloads", lambda table: replaced(table, "payload", {699: b"forged"}))
    records = opened()
    assert records.show(made.record(700)).exchange.holds == {
        **HOLDS, "the payload is what the entry's digest covers": False,
    }  # fmt: skip
    assert records.show(made.record(701)).exchange.holds == HOLDS


def test_a_changed_entry_bundle_is_caught(opened, made, tmp_path: Path) -> None:
    """The entry that is shown is the one that the signed checkpoint covers, or none is."""
    records = opened()
    (bundle,) = (tmp_path / "log/store" / made.tree.prefix / "tile/entries").glob("002")
    content = bytearray(bundle.read_bytes())
    content[-30] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(NotProved, match="inclusion"):
        records.prove(made.record(767))


def test_a_checkpoint_of_another_key_is_refused(opened, made, tmp_path: Path) -> None:
    """Nothing is shown under a checkpoint that the log's key has not signed."""
    path = tmp_path / "log/store" / made.tree.prefix / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n1200\n", b"\n1201\n"))
    with pytest.raises(NotProved):
        opened()


def test_rows_that_were_found_are_proved_as_they_are_listed(opened, made, tmp_path: Path) -> None:
    """What a search lists is what is sealed, or it is said what was changed."""
    edit(tmp_path, "entries", lambda table: replaced(table, "status", {907: 200, 900: 422}))
    records = opened()
    rows = records.index.search(Search(status=422, limit=SIZE))
    wrong = dict(zip((row["offset"] for row in rows), records.check(rows), strict=True))
    assert wrong.pop(900) == (
        "the archive says status 422, the sealed entry 200: the archive was changed, or the index that was made of it"
    )
    assert set(wrong.values()) == {None}
    assert 907 not in wrong, "what the archive hides, only a verification finds"
    everything = records.index.search(Search(kinds=(), limit=SIZE))
    assert [row["offset"] for row, said in zip(everything, records.check(everything), strict=True) if said] == [
        907, 900,
    ]  # fmt: skip


def test_trees_are_found_without_a_log(opened, made, tmp_path: Path) -> None:
    """By the archive, else by looking at every name; and those that somebody names, when they are sealed."""
    records = opened()
    assert trees_of(records.trees, {}) == [made.tree]
    shutil.rmtree(tmp_path / "log/store/archive")
    assert trees_of(records.trees, {}) == [made.tree]
    records.topics = {bytes(16): 2, made.tree.topic: 1}
    records.refresh()
    assert [tree.tree for tree in records.heads] == [made.tree]
    shutil.rmtree(tmp_path / "log/store" / made.tree.topic.hex())
    with pytest.raises(NotSealed, match="nothing is sealed"):
        records.refresh()
