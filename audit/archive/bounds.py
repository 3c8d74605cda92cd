"""What an archive file may hold, so that a small file cannot take all memory: looked at before rows are read, and as
they are decoded, since a value that stands once in a dictionary may stand in a million rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.proof.entry import MAX_ENTRY
from audit.proof.errors import FormatError

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


def check_bounds(file: ArchiveFile, found: pq.ParquetFile) -> None:
    """See that a file's own word of itself is that of an archive file of its name. Nothing is decoded.

    Raises:
        FormatError: more rows than its name says, or more than an archive file has; says how many.
    """
    metadata = found.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    named, rows = file.end - file.first, sum(group.num_rows for group in groups)
    most = MAX_HEADS if file.part is Part.CHECKPOINTS else min(named, MAX_ROWS)
    if rows != metadata.num_rows or rows > most:
        raise FormatError(
            f"{file.name}: has {max(rows, metadata.num_rows)} rows, its name says at most {most}"
        )
    size, limit = sum(group.total_byte_size for group in groups), _limit(file, rows)
    if size > limit:
        raise FormatError(f"{file.name}: {size} bytes when it is unpacked, at most {limit}")
    for group in groups:
        for number in range(group.num_columns):
            column = group.column(number)
            nested = "." in column.path_in_schema
            if column.num_values > (_ITEMS * group.num_rows + MAX_HEADS if nested else group.num_rows) or (
                nested and _repeats(column) and column.num_values * column.total_uncompressed_size > limit
            ):
                raise FormatError(f"{file.name}: too many values in its column {column.path_in_schema}")


def batches(
    file: ArchiveFile, found: pq.ParquetFile, columns: Sequence[str] | None, groups: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Rows of some row groups of a file that `check_bounds` has let pass, as plain columns, in order.

    Raises:
        FormatError: decoded they are more than such a file has.
        As the library does, for damaged bytes.
    """
    left = limit = _limit(file, found.metadata.num_rows)
    for batch in found.iter_batches(_BATCH, row_groups=list(groups), columns=columns, use_threads=False):
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


def dictionaries(found: pq.ParquetFile) -> list[str]:
    """Columns of texts or bytes with a dictionary: to be read as that, so that their size is known before they are."""
    metadata, names = found.metadata, set()
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.physical_type == "BYTE_ARRAY" and _repeats(column) and "." not in column.path_in_schema:
                names.add(column.path_in_schema)
    return sorted(names)


def _repeats(column: pq.ColumnChunkMetaData) -> bool:
    return bool(column.has_dictionary_page) or any("DICTIONARY" in each for each in column.encodings)


def _limit(file: ArchiveFile, rows: int) -> int:
    """Decoded bytes of a file of so many rows; an entry stands in its own column, and in parts in the others."""
    return min(MAX_BYTES, _ROOM + rows * 4 * MAX_ENTRY) if file.part is Part.ENTRIES else MAX_BYTES


def _decoded(column: pa.Array) -> int:
    """The bytes that a column has without its dictionary."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.cast(pa.int64()).take(column.indices)).as_py() or 0) + 4 * len(column)
