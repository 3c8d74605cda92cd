"""Small archive files that would take all memory: refused by their name, and what it is, before they do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import bounds
from audit.archive.columns import entries_table
from audit.archive.dataset import payloads_dataset
from audit.archive.files import encode_entries, encode_payloads, open_file, payloads_table, read_file
from audit.archive.footer import read_footer
from audit.archive.names import ArchiveFile, Part
from audit.archive.reader import Archive
from audit.archive.schema import ENTRIES, PAYLOADS
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError
from audit.proof.record import parse_record
from tests.components.sworn import two_epochs

ROWS = 50_000
LIMIT = 32 << 20
POOL = pa.proxy_memory_pool(pa.default_memory_pool())
"""Arrays may outlive a test, and MUST NOT outlive their pool."""
FILE = ArchiveFile(Part.PAYLOADS, bytes(16), date(2026, 1, 1), 0, 0, ROWS)


def written(table: pa.Table, **options: Any) -> bytes:
    """By anybody's writer."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def repeated(rows: int, value: bytes) -> pa.Array:
    """One value in many rows, as a dictionary: it takes no room here either."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value], pa.binary()))


def payloads(rows: int, value: bytes) -> pa.Table:
    """A payloads file's rows."""
    return pa.table(
        {"offset": pa.array(range(rows), pa.int64()), "payload_digest": pa.array([bytes(32)] * rows, pa.binary(32)),
         "payload": repeated(rows, value)}
    )  # fmt: skip


def readers(root: Path, content: bytes, file: ArchiveFile = FILE) -> list[Callable[[], object]]:
    """Every way to the rows of a file."""
    path = root / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    archive = Archive(DirectoryObjects(root))
    return [
        lambda: archive.rows(file),
        lambda: archive.payload(file.topic, file.partition, file.end - 1),
        lambda: payloads_dataset(archive).to_table(),
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that a test can afford to reach."""
    monkeypatch.setattr(bounds, "MAX_BYTES", LIMIT)


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """Knows how much was taken at once."""
    usual = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    yield POOL
    pa.set_memory_pool(usual)


@pytest.mark.usefixtures("small")
def test_a_value_that_stands_once_and_is_meant_many_times_is_counted_as_often(
    tmp_path: Path, pool: pa.MemoryPool
) -> None:
    """100 KB of file, 5 GB of rows: none of the readers decodes them."""
    content = written(payloads(ROWS, b"x" * 100_000), store_schema=False)
    assert len(content) < 200_000
    for read in readers(tmp_path, content):
        with pytest.raises(FormatError, match=rf"over {LIMIT} bytes|has a dictionary"):
            read()
    assert pool.max_memory() < 4 * LIMIT


@pytest.mark.usefixtures("small")
def test_what_unpacks_to_more_than_a_file_has_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Zeros pack to nothing."""
    rows = 20
    table = payloads_table(range(rows), [bytes(32)] * rows, [bytes(4 << 20)] * rows)
    content = written(table, use_dictionary=False, row_group_size=2)
    assert len(content) < 1 << 20
    for read in readers(tmp_path, content, replace(FILE, end=rows)):
        with pytest.raises(FormatError, match=f"bytes when it is unpacked, at most {LIMIT}"):
            read()


@pytest.mark.parametrize("part", list(Part))
def test_more_rows_than_the_name_says_are_not_read(part: Part) -> None:
    """Ten million rows of nothing take a megabyte of file; here a thousand of ten."""
    schema = pq.read_schema(io.BytesIO(encode_payloads(PAYLOADS.empty_table())))
    file = replace(FILE, part=part, end=10)
    if part is Part.PAYLOADS:
        content = written(payloads(1000, b"").cast(schema))
    elif part is Part.ENTRIES:
        entries = [parse_record(value).entry.raw for _, value in two_epochs().values]
        content = encode_entries(
            pa.concat_tables([entries_table(range(len(entries)), [1] * len(entries), entries)] * 9)
        )
    else:
        rows = bounds.MAX_HEADS + 1
        content = written(pa.table({"size": pa.array([1] * rows), "root": pa.array([bytes(32)] * rows, pa.binary(32)),
                                    "checkpoint": pa.array([b""] * rows)}))  # fmt: skip
    with pytest.raises(FormatError, match="rows, its name says at most"):
        open_file(file, content)


def test_a_name_that_allows_everything_allows_no_more_than_a_file_has() -> None:
    """A name is somebody's word, too."""
    rows = bounds.MAX_ROWS + 1
    table = pa.table({"offset": pa.array(range(rows)), "payload_digest": pa.nulls(rows, pa.binary(32)),
                      "payload": pa.nulls(rows, pa.binary())})  # fmt: skip
    with pytest.raises(FormatError, match=f"has {rows} rows, its name says at most {bounds.MAX_ROWS}"):
        open_file(replace(FILE, end=1 << 60), written(table))


def test_a_row_whose_map_has_no_end_is_refused() -> None:
    """A list in one row may be as long as a million rows."""
    entries = [parse_record(value).entry.raw for _, value in two_epochs().values]
    table = entries_table(range(len(entries)), [1] * len(entries), entries)
    many = pa.MapArray.from_arrays(
        [0, *[200_000] * len(entries)], pa.array(["k"] * 200_000), pa.array(["v"] * 200_000)
    )
    table = table.set_column(
        ENTRIES.get_field_index("versions"),
        ENTRIES.field("versions"),
        many.cast(ENTRIES.field("versions").type),
    )
    file = replace(FILE, part=Part.ENTRIES, end=len(entries))
    with pytest.raises(FormatError, match="too many values in its column versions"):
        open_file(file, encode_entries(table))


def test_a_file_of_another_writer_with_dictionaries_is_read_as_it_is() -> None:
    """The bound is of what is decoded; a dictionary in itself is nothing wrong."""
    rows = [(number, bytes(32), b"abc"[number % 3 :]) for number in range(9000)]
    table = payloads_table(*(list(column) for column in zip(*rows, strict=True)))
    file = replace(FILE, end=9000)
    content = written(table, use_dictionary=True)
    assert bounds.dictionaries(read_footer(content)) == ["payload"]
    assert read_file(file, content).equals(table)
    assert read_file(file, content, ["payload"]).equals(table.select(["payload"]))
    assert read_file(file, written(table.slice(0, 0), use_dictionary=True)).equals(table.slice(0, 0))
