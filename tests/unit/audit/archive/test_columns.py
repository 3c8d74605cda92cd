from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest

from audit.archive.columns import entries_table
from audit.archive.schema import COLUMNS, ENTRIES
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.errors import FormatError
from audit.proof.record import parse_record
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
