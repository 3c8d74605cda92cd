"""The leaf of each offset: the record's entry, or a hole that anybody makes again."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.log.base import Topic
from audit.notary.holes import Hole, Leaf, entry_of, hole_at
from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.proof.record import frame_record, parse_record

TOPIC = Topic("kafka", "affiant-entries", bytes(range(16)), 8)
GOLDEN = Path(__file__).parents[3] / "golden" / "journal"
RECORDS = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.bin") if path.stem != "mark"}
INFERENCE = parse_record(RECORDS["inference"])


def of(value: bytes | None) -> Leaf:
    """The leaf of offset 7 in partition 3."""
    return entry_of(value, TOPIC, 3, 7)


@pytest.mark.parametrize("kind", sorted(set(RECORDS) - {"hole"}))
def test_the_leaf_of_a_record_is_its_entry(kind: str) -> None:
    """Byte for byte, with what was read of it, and nothing to tell."""
    value = RECORDS[kind]
    record = parse_record(value)
    assert of(value) == Leaf(record.entry.raw, record, None, "")


def test_an_entry_of_a_kind_that_nobody_knows_yet_is_a_leaf() -> None:
    """Kinds to come are kept by readers."""
    entry = encode_entry({Key.KIND: 4000, 1: b"x"})
    assert of(frame_record(entry, b"")).entry == entry


def test_a_record_without_its_payload_is_a_leaf_and_told_unless_it_is_external() -> None:
    """Nothing is taken out of a log: who carried it there has left it out."""
    external = INFERENCE.entry
    assert external.fields[Key.EXTERNAL]
    assert of(frame_record(external.raw, b"")).flaw == ""
    entry = encode_entry({key: value for key, value in external.fields.items() if key != Key.EXTERNAL})
    leaf = of(frame_record(entry, b""))
    assert (leaf.entry, leaf.hole) == (entry, None)
    assert "came without its payload" in leaf.flaw


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (INFERENCE.payload[:-1], "bytes, the entry says"),
        (INFERENCE.payload + b"\x00", "bytes, the entry says"),
        (b"\x00" + INFERENCE.payload[1:], "another digest"),
    ],
)
def test_a_payload_that_contradicts_its_entry_is_told_and_the_entry_is_the_leaf(
    payload: bytes, told: str
) -> None:
    """What was sworn to can be read; that its payload is another is an alarm, and no hole."""
    leaf = of(frame_record(INFERENCE.entry.raw, payload))
    assert (leaf.entry, leaf.hole) == (INFERENCE.entry.raw, None)
    assert told in leaf.flaw
    heartbeat = parse_record(RECORDS["heartbeat"])
    assert "the entry says 0" in of(frame_record(heartbeat.entry.raw, b"x")).flaw


FOREIGN = [
    (None, Hole.EMPTY),
    (b"", Hole.FORMAT),
    (b"\x00\x01\x00", Hole.FORMAT),
    (b'{"json": true}', Hole.FORMAT),
    (b"\x00\x02" + RECORDS["inference"][2:], Hole.FORMAT),
    (RECORDS["heartbeat"][:-1], Hole.FORMAT),
    (frame_record(b"", b""), Hole.ENTRY),
    (frame_record(b"\xa0", b""), Hole.ENTRY),
    (frame_record(INFERENCE.entry.raw + b"\x00", INFERENCE.payload), Hole.ENTRY),
    (frame_record(b"\xa1\x00\x18\x01", b""), Hole.ENTRY),  # not the shortest form of 1
    (RECORDS["hole"], Hole.HOLE),
]


@pytest.mark.parametrize(("value", "reason"), FOREIGN)
def test_what_is_no_whole_record_is_a_hole(value: bytes | None, reason: Hole) -> None:
    """Topic, partition, offset, the reason, and the value's digest when there is a value: nothing else."""
    leaf = of(value)
    assert (leaf.record, leaf.hole, leaf.flaw) == (None, reason, "")
    wanted: dict[int, object] = {
        Key.KIND: Kind.HOLE, Key.REASON: reason.value, Key.PARTITION: 3, Key.OFFSET: 7,
        Key.TOPIC: {"backend": "kafka", "name": "affiant-entries", "id": TOPIC.id, "partition": 3},
    }  # fmt: skip
    if value is not None:
        wanted[Key.VALUE_HASH] = sha256(value).digest()
    assert parse_entry(leaf.entry).fields == wanted
    assert leaf == of(value)
    assert leaf.entry != entry_of(value, TOPIC, 3, 8).entry


def test_an_offset_that_the_log_lost_has_one_hole() -> None:
    """Decided by the place alone."""
    leaf = hole_at(Hole.GONE, TOPIC, 3, 7)
    assert leaf == hole_at(Hole.GONE, TOPIC, 3, 7)
    assert Key.VALUE_HASH not in parse_entry(leaf.entry).fields


def test_the_bytes_of_holes_do_not_change() -> None:
    """Roots would: whoever changes this golden value breaks every log that has a hole."""
    all_holes = b"".join(hole_at(reason, TOPIC, 3, 7, b"v").entry for reason in Hole)
    assert [reason.value for reason in Hole] == [
        "gone", "no value", "not a record of this format", "no entry", "a hole",
    ]  # fmt: skip
    assert sha256(all_holes).hexdigest() == "690cd9ff55d9e48d93bff2b7cd6085c473f6187753b2cc7fe467190c3454a978"


def test_the_page_lists_the_reasons() -> None:
    """All of them, and no other."""
    page = (Path(__file__).parents[4] / "docs" / "sealed-log.md").read_text()
    table = page.partition("| reason |")[2].partition("\n\n")[0]
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == [reason.value for reason in Hole]


@given(st.binary(max_size=200) | st.sampled_from(sorted(RECORDS.values())))
def test_every_value_has_a_leaf(value: bytes) -> None:
    """No bytes stop the tree, and none of them is an entry that a reader would refuse."""
    leaf = of(value)
    assert parse_entry(leaf.entry).raw == leaf.entry
    assert (leaf.hole is None) == (leaf.record is not None)


@given(st.sampled_from(sorted(RECORDS.values())), st.data())
def test_a_record_with_a_changed_byte_is_a_leaf_of_its_own_a_hole_or_told(
    value: bytes, data: st.DataObject
) -> None:
    """A change is never passed over: it shows in the entry, in a hole, or as a flaw."""
    at = data.draw(st.integers(0, len(value) - 1))
    changed = value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
    leaf = of(changed)
    assert leaf.hole is not None or leaf.flaw or leaf.entry != of(value).entry
