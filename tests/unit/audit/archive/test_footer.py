"""Footers: read as the library reads them, and refused where it would end the process."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import footer
from audit.archive.columns import entries_table
from audit.archive.files import (
    encode_checkpoints,
    encode_entries,
    encode_payloads,
    open_file,
    payloads_table,
    read_file,
)
from audit.archive.footer import read_footer
from audit.archive.names import ArchiveFile, Part
from audit.archive.schema import CHECKPOINTS
from audit.archive.thrift import Struct, Type, read_struct
from audit.proof.errors import FormatError
from audit.proof.record import parse_record
from tests.components.sworn import two_epochs
from tests.components.thrift import footer_of, with_footer, write_struct

ROWS = 40
FILE = ArchiveFile(Part.PAYLOADS, bytes(16), date(2026, 1, 1), 0, 0, ROWS)


def payloads() -> bytes:
    """Some row groups."""
    return encode_payloads(
        payloads_table(range(ROWS), [bytes(32)] * ROWS, [bytes((at,)) * 100_000 for at in range(ROWS)])
    )


def entries() -> bytes:
    """Every column, maps among them."""
    found = [parse_record(value).entry.raw for _, value in two_epochs().values]
    return encode_entries(entries_table(range(len(found)), [1] * len(found), found))


def by_another() -> bytes:
    """With dictionaries, and Arrow's own schema."""
    sink = io.BytesIO()
    pq.write_table(
        payloads_table(range(9), [bytes(32)] * 9, [b"a"] * 9), sink, compression="snappy", row_group_size=4
    )
    return sink.getvalue()


def no_rows() -> bytes:
    """Columns without a value, with a dictionary and without."""
    return encode_checkpoints(CHECKPOINTS.empty_table())


@pytest.mark.parametrize("make", [payloads, entries, by_another, no_rows])
def test_a_footer_says_what_the_library_says_of_it(make: Callable[[], bytes]) -> None:
    """The library's own word, where it is safe to be asked."""
    content = make()
    found, theirs = read_footer(content), pq.ParquetFile(io.BytesIO(content)).metadata
    assert (found.writer, found.rows, len(found.groups)) == (
        theirs.created_by,
        theirs.num_rows,
        theirs.num_row_groups,
    )
    for number, group in enumerate(found.groups):
        other = theirs.row_group(number)
        assert (group.rows, group.bytes, len(group.columns)) == (
            other.num_rows, other.total_byte_size, other.num_columns,
        )  # fmt: skip
        for place, column in enumerate(group.columns):
            told: Any = other.column(place)
            assert column.leaf.name == told.path_in_schema
            assert column.leaf.type.name.startswith(told.physical_type[:5])
            assert (column.values, column.packed, column.unpacked) == (
                told.num_values, told.total_compressed_size, told.total_uncompressed_size,
            )  # fmt: skip
            assert column.repeats == told.has_dictionary_page
            statistics = told.statistics
            if column.leaf.path == ("offset",) and statistics is not None and statistics.has_min_max:
                assert column.least == statistics.min.to_bytes(8, "little")
                assert column.most == statistics.max.to_bytes(8, "little")


def test_a_file_to_seek_in_has_the_same_footer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is longer than what is read at first."""
    for content in (payloads(), entries()):
        wanted = read_footer(content)
        assert read_footer(io.BytesIO(content)) == wanted
        monkeypatch.setattr(footer, "_TAIL", 100)
        assert read_footer(io.BytesIO(content)) == wanted
        monkeypatch.undo()


def test_a_small_footer_is_parsed_once_and_another_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks for one record after another opens the same files; a changed file has another footer."""
    content = payloads()
    wanted = read_footer(content)
    assert read_footer(io.BytesIO(content)) is wanted
    assert read_footer(entries()) != wanted
    with pytest.raises(FormatError):
        read_footer(content[:-9] + bytes([content[-9] ^ 0xFF]) + content[-8:])
    monkeypatch.setattr(footer, "_SMALL", 0)
    assert read_footer(content) is not wanted
    assert read_footer(content) == wanted


Change = Callable[[Struct], object]


def group(fields: Struct) -> Struct:
    """The first row group."""
    found: Struct = fields[4][1][1][0]
    return found


def column(fields: Struct, place: int = 0) -> Struct:
    """A column of it."""
    found: Struct = group(fields)[1][1][1][place]
    return found


def about(fields: Struct, place: int = 0) -> Struct:
    """What is said of a column."""
    found: Struct = column(fields, place)[3][1]
    return found


def put(fields: Struct, id_: int, type_: Type, value: object) -> None:
    """A field in its place."""
    fields[id_] = int(type_), value
    for each in sorted(fields):
        fields[each] = fields.pop(each)


REFUSED: list[tuple[str, Change]] = [
    # The first ones end the process when the library is asked for the column.
    ("1 columns|2 columns", lambda f: group(f)[1][1][1].pop()),
    ("metadata: is not there", lambda f: column(f).pop(3)),
    ("in the place of offset", lambda f: about(f)[3][1][1].append(b"x")),
    ("in the place of offset", lambda f: put(about(f), 3, Type.LIST, (8, [b"offseu"]))),
    ("of another type", lambda f: put(about(f), 1, Type.I32, 1)),
    ("form that nobody knows", lambda f: about(f)[2][1][1].append(77)),
    ("form that nobody knows", lambda f: put(about(f), 4, Type.I32, 99)),
    ("encrypted", lambda f: put(column(f), 8, Type.STRUCT, {})),
    ("encrypted", lambda f: put(f, 8, Type.STRUCT, {})),
    ("another file", lambda f: put(column(f), 1, Type.BINARY, b"/etc/passwd")),
    ("outside of the file, or in another", lambda f: put(about(f), 9, Type.I64, 1 << 40)),
    ("outside of the file, or in another", lambda f: put(about(f), 7, Type.I64, 1 << 40)),
    ("outside of the file, or in another", lambda f: put(about(f), 7, Type.I64, 0)),
    ("outside of the file, or in another", lambda f: put(about(f, 1), 9, Type.I64, about(f)[9][1])),
    ("values: -1", lambda f: put(about(f), 5, Type.I64, -1)),
    ("rows: -1", lambda f: put(f, 3, Type.I64, -1)),
    ("rows of a group: is not there", lambda f: group(f).pop(3)),
    ("bytes of a group: -5", lambda f: put(group(f), 2, Type.I64, -5)),
    ("field 3 is BINARY, wanted I64", lambda f: put(f, 3, Type.BINARY, b"1")),
    ("greatest value that is none", lambda f: put(about(f)[12][1], 5, Type.BINARY, b"123")),
    ("path: is no text", lambda f: put(about(f), 3, Type.LIST, (8, [b"\xff"]))),
    ("row groups: of I64", lambda f: put(f, 4, Type.LIST, (6, [1]))),
    ("no schema", lambda f: f[2][1][1].clear()),
    ("less in the schema", lambda f: f[2][1][1].pop()),
    ("more in the schema", lambda f: f[2][1][1].append(f[2][1][1][1])),
    ("schema without a root", lambda f: f[2][1][1].pop(0)),
    ("is no group and no column", lambda f: put(f[2][1][1][1], 5, Type.I32, 2)),
    ("type: is not there", lambda f: f[2][1][1][1].pop(1)),
    ("12 is not a valid", lambda f: put(f[2][1][1][1], 1, Type.I32, 12)),
    ("values of 0 bytes", lambda f: put(f[2][1][1][2], 2, Type.I32, 0)),
    ("is repeated", lambda f: put(f[2][1][1][1], 3, Type.I32, 2)),
    ("not one order for each", lambda f: f[7][1][1].pop()),
]


@pytest.fixture(scope="module")
def sound() -> bytes:
    """A payloads file."""
    return payloads()


@pytest.mark.parametrize(("said", "change"), REFUSED)
def test_what_does_not_fit_together_is_refused(sound: bytes, said: str, change: Change) -> None:
    """Before the library is given the file."""
    fields = copy.deepcopy(read_struct(footer_of(sound)))
    assert with_footer(sound, write_struct(fields)) == sound
    change(fields)
    with pytest.raises(FormatError, match=rf"not a Parquet file \(.*({said})"):
        open_file(FILE, with_footer(sound, write_struct(fields)))


def test_a_schema_is_not_followed_to_any_depth(sound: bytes) -> None:
    """Groups in groups."""
    fields = copy.deepcopy(read_struct(footer_of(sound)))
    within: Struct = {4: (8, b"g"), 5: (5, 1)}
    fields[2][1][1][1:1] = [within] * 1000
    with pytest.raises(FormatError, match="deeper"):
        read_footer(with_footer(sound, write_struct(fields)))


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + bytes(4) + b"PAR1", b"PAR1\0\0\0\0\xffPAR1"]
)
def test_what_is_no_parquet_file_is_refused(content: bytes) -> None:
    """Too short for anything."""
    with pytest.raises(FormatError, match=r"footer|thrift"):
        read_footer(content)


def test_a_damaged_page_is_not_decoded(sound: bytes) -> None:
    """Its checksum is looked at first."""
    place = about(read_struct(footer_of(sound)), 2)
    at = place[9][1] + place[7][1] - 1
    wrong = sound[:at] + bytes((sound[at] ^ 1,)) + sound[at + 1 :]
    with pytest.raises(FormatError, match=r"(?i)crc"):
        read_file(FILE, wrong)
    assert read_file(FILE, sound).num_rows == ROWS
    assert isinstance(read_file(FILE, sound), pa.Table)
