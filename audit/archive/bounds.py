"""What an archive file may hold, so that a small file cannot take all memory: looked at before rows are read, and as
they are decoded, since a value that stands once in a dictionary may stand in a million rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.proof.entry import MAX_ENTRY
from audit.proof.errors import FormatError

from .footer import Footer, Physical
from .names import ArchiveFile, Part

MAX_ROWS: Final = 2 << 20
"""Twice what [notary] archive_records may be."""
MAX_HEADS: Final = 1 << 16
"""Rows of a checkpoints file: the notary's state has far fewer at a time."""
MAX_BYTES: Final = 1 << 30
"""Decoded bytes of a file: [notary] archive_bytes with much room."""
_ROOM: Final = 64 << 20
_ITEMS: Final = 64
"""Values of a map's column for each row, on average; with room for a few large ones."""
_BATCH: Final = 4096


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose footer has passed. What it says of itself is looked up in `footer`: pyarrow's own way to it can end
    the process.
    """

    parquet: pq.ParquetFile
    footer: Footer


def check_bounds(file: ArchiveFile, footer: Footer) -> None:
    """See that a file's own word of itself is that of an archive file of its name. Nothing is decoded.

    Raises:
        FormatError: more rows than its name says, or more than an archive file has; says how many.
    """
    named, rows = file.end - file.first, sum(group.rows for group in footer.groups)
    most = MAX_HEADS if file.part is Part.CHECKPOINTS else min(named, MAX_ROWS)
    if rows != footer.rows or rows > most:
        raise FormatError(f"{file.name}: has {max(rows, footer.rows)} rows, its name says at most {most}")
    size, limit = sum(group.bytes for group in footer.groups), _limit(file, rows)
    if size > limit:
        raise FormatError(f"{file.name}: {size} bytes when it is unpacked, at most {limit}")
    for group in footer.groups:
        for column in group.columns:
            nested = column.leaf.nested
            if column.values > (_ITEMS * group.rows + MAX_HEADS if nested else group.rows) or (
                nested and column.repeats and column.values * column.unpacked > limit
            ):
                raise FormatError(f"{file.name}: too many values in its column {column.leaf.name}")


def batches(
    file: ArchiveFile, found: Opened, columns: Sequence[str] | None, groups: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Rows of some row groups of a file that `check_bounds` has let pass, as plain columns, in order.

    Raises:
        FormatError: decoded they are more than such a file has.
        As the library does, for damaged bytes.
    """
    left = limit = _limit(file, found.footer.rows)
    for batch in found.parquet.iter_batches(
        _BATCH, row_groups=list(groups), columns=columns, use_threads=False
    ):
        plain = []
        for column in batch.columns:
            left -= _decoded(column)
            if left < 0:
                raise FormatError(f"{file.name}: over {limit} bytes when it is decoded")
            plain.append(column.dictionary_decode() if pa.types.is_dictionary(column.type) else column)
        yield pa.RecordBatch.from_arrays(plain, schema=plain_schema(batch.schema))


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The same columns without dictionaries."""
    return pa.schema(
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    )


def dictionaries(footer: Footer) -> list[str]:
    """Columns of texts or bytes with a dictionary: to be read as that, so that their size is known before they are."""
    return sorted(
        {
            column.leaf.name
            for group in footer.groups
            for column in group.columns
            if column.leaf.type is Physical.BYTE_ARRAY and column.repeats and not column.leaf.nested
        }
    )


def _limit(file: ArchiveFile, rows: int) -> int:
    """Decoded bytes of a file of so many rows; an entry stands in its own column, and in parts in the others."""
    return min(MAX_BYTES, _ROOM + rows * 4 * MAX_ENTRY) if file.part is Part.ENTRIES else MAX_BYTES


def _decoded(column: pa.Array) -> int:
    """The bytes that a column has without its dictionary."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.cast(pa.int64()).take(column.indices)).as_py() or 0) + 4 * len(column)
