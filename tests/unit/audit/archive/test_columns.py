from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.archive.columns import entries_table
from audit.archive.files import encode_entries
from audit.archive.schema import COLUMNS, ENTRIES
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.errors import FormatError
from audit.proof.record import parse_record
from audit.shapes import Sorted, Sorter
from audit.show import fields_of

GOLDEN = Path("tests/golden/journal")
KINDS = [kind.name.lower() for kind in Kind]


def golden(name: str):
    return parse_record((GOLDEN / f"{name}.bin").read_bytes()).entry


@pytest.mark.parametrize("name", KINDS)
def test_each_field_of_each_kind_stands_in_a_column(name: str) -> None:
    """What the strict reader finds in a golden entry, the archive's row says, by the same names and words."""
    entry = golden(name)
    row = entries_table([7], [1_767_323_045_123], [entry.raw]).to_pylist()[0]
    assert row["offset"] == 7
    assert row["logged"] == datetime(2026, 1, 2, 3, 4, 5, 123_000, UTC)
    assert row["entry"] == entry.raw
    assert row["leaf"] == sha256(b"\0" + entry.raw).digest()
    expected = fields_of(entry)
    shown = {key for key in entry.fields if key < 64} - {Key.KIND, Key.JOURNAL}
    assert shown <= {column.key for column in COLUMNS}
    assert row["kind"] == expected["kind"] == name
    assert row["journal"] == expected.get("journal")
    assert row["record"] == (entry.record_id if "journal" in expected else None)
    for column in COLUMNS:
        value = expected.get(Key(column.key).name.lower())
        if value is not None and column.path is not None:
            value = value[column.path]
        assert _same(row[column.name], value), column.name


def _same(shown, value) -> bool:
    if isinstance(value, int) and value >= 2**63:
        return shown is None
    if isinstance(shown, datetime):
        delta = shown - datetime(1970, 1, 1, tzinfo=UTC)
        microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return bool(microseconds == value // 1000)
    if isinstance(shown, bytes):
        return bool(shown.hex() == value)
    if isinstance(shown, list):
        return dict(shown) == value
    return bool(shown == value)


def test_rows_keep_the_order_of_the_entries_whatever_their_kinds() -> None:
    """Entries of one shape are turned together; they stand in the order of their offsets all the same."""
    raws = [golden(name).raw for name in (*KINDS, *reversed(KINDS), *KINDS)]
    table = entries_table(range(len(raws)), [None] * len(raws), raws)
    assert table.schema == ENTRIES
    assert table.column("entry").to_pylist() == raws
    assert table.column("kind").to_pylist() == [*KINDS, *reversed(KINDS), *KINDS]
    assert table.column("logged").null_count == len(raws)


def test_an_unknown_kind_with_values_of_any_type_is_kept_and_shows_what_fits() -> None:
    """Nothing that a later version may write stops the archive: what does not fit a column is null there."""
    hostile = {int(key): [["x"]] for key in Key if key != Key.KIND}
    some = {0: 99, 1: b"j" * 16, 3: 2**64 - 1, 7: "credit", 8: b"short", 33: {"name": "n"}, 40: {"a": "b"}}
    raws = [cbor2.dumps(each, canonical=True) for each in ({0: 99, **hostile}, some, {0: 98})]
    rows = entries_table([0, 1, 2], [None] * 3, raws).to_pylist()
    assert [row["entry"] for row in rows] == raws
    assert [row["kind"] for row in rows] == ["99", "99", "98"]
    assert rows[1]["service"] == "credit"
    assert rows[1]["digest"] == "sha256:" + b"short".hex()
    assert rows[1]["record"] == f"{(b'j' * 16).hex()}-{2**64 - 1}"
    assert (rows[1]["sequence"], rows[1]["topic_name"], rows[1]["topic_id"]) == (None, "n", None)
    assert {rows[0][column.name] for column in COLUMNS} == {None}


def test_numbers_and_times_that_no_reader_shows_are_null_and_stay_in_the_entry() -> None:
    """The format's numbers reach 2^64; a file that a reader cannot open would be worse than a null."""
    fields = {**golden("inference").fields, Key.ARRIVED: 2**64 - 1, Key.SLOT: 2**64 - 1, Key.STATUS: 2**63}
    raw = encode_entry(fields)
    row = entries_table([0], [-1], [raw]).to_pylist()[0]
    assert (row["arrived"], row["status"], row["logged"]) == (None, None, None)
    assert row["slot"] == str(2**64 - 1)
    assert row["committing"] is not None
    assert row["entry"] == raw
    late = entries_table([0], [10**17], [raw]).to_pylist()[0]
    assert late["logged"] is None


@pytest.mark.parametrize("raw", [b"", b"\x80", b"\x01", b"\xff", b"\xa1\x01\x02"])
def test_what_is_no_entry_is_refused(raw: bytes) -> None:
    """The notary seals entries and holes, nothing else comes here."""
    with pytest.raises(FormatError):
        entries_table([0], [None], [raw])


NUMBERS = st.sampled_from([0, 1, 2, 4, 23, 24, 255, 256, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1])


@st.composite
def exchanges(draw: st.DrawFn) -> bytes:
    """Inference entries: few lengths, every optional field there or not."""
    fields: dict[int, Any] = {
        0: 1, 1: draw(st.sampled_from([bytes(16), bytes(range(16))])), 2: draw(NUMBERS), 3: draw(NUMBERS),
        4: draw(st.binary(min_size=32, max_size=32)), 5: draw(NUMBERS), 6: 9,
        7: draw(st.sampled_from(["credit", "fraud!"])), 10: 200, 15: bytes(32), 16: 700, 17: 0, 22: draw(NUMBERS),
    }  # fmt: skip
    optional = {
        8: bytes(32), 9: draw(NUMBERS), 11: bytes(16), 12: bytes([1]) * 16,
        13: draw(st.sampled_from(["", "ask-1", "ask-é"])),
        14: [draw(NUMBERS), 4, draw(NUMBERS)], 18: bytes(16), 19: draw(NUMBERS), 20: True, 21: draw(NUMBERS), 23: "why",
    }  # fmt: skip
    keys = draw(st.sampled_from([frozenset(), frozenset(optional), frozenset({8, 9, 14, 19})]))
    return encode_entry(dict(sorted((fields | {key: optional[key] for key in keys}).items())))


@settings(max_examples=200)
@given(st.lists(exchanges(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_columns_straight_from_bytes_are_those_of_the_decoded_entries(
    bases: list[bytes], random: Random
) -> None:
    """Alike or not, in any order: the same table."""
    entries = [base for base in bases for _ in range(5)]
    entries += [golden(name).raw for name in ("opening", "hole", "inference")] + [
        encode_entry({0: 8, 51: bytes(16), 55: 1})
    ] * 5
    random.shuffle(entries)
    offsets, logged = range(len(entries)), [None] * len(entries)
    fast = entries_table(offsets, logged, entries)
    slow = entries_table(offsets, logged, entries, sorted_=Sorted([], range(len(entries))))
    assert Sorter().sort(entries).alike
    assert fast.equals(slow)
    assert encode_entries(fast) == encode_entries(slow)
