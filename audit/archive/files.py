"""The bytes of an archive file: deterministic Parquet, and the strict way back.

The same rows give the same bytes with one version of the library. Another version may write them otherwise, so a
file that is there already is compared by its rows (`Archiver`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from audit.proof.errors import FormatError

from .bounds import Opened, batches, check_bounds, dictionaries, plain_schema
from .footer import read_footer
from .names import ArchiveFile, Part
from .schema import CHECKPOINTS, ENTRIES, PAYLOADS

PARQUET_ERRORS: Final = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError)
"""What the library raises for damaged bytes: its own errors, and Python's (a name that is not UTF-8, for one)."""
COMPRESSION_LEVEL: Final = 1
"""Of zstd: hashes do not shrink, and what does is small after dictionaries."""
ENTRY_GROUP: Final = 16_384
"""Rows of a row group: what a reader skips, or takes, at once."""
PAYLOAD_GROUP_BYTES: Final = 1 << 20
"""About so many bytes of payloads: one record's payload is found without reading the file's others."""

_DICTIONARY: Final = [
    "kind", "journal", "service", "digest", "slot", "caller", "subject", "key_id", "protocol", "reason",
    "status", "suite", "epoch", "batch_size", "topic_backend", "topic_name", "topic_id", "device", "release",
    "shipper", "body_type",
]  # fmt: skip
"""Columns of few values; the others would only try and give up."""
_DELTA: Final = {
    "offset": "DELTA_BINARY_PACKED",
    "logged": "DELTA_BINARY_PACKED",
    "sequence": "DELTA_BINARY_PACKED",
    "committing": "DELTA_BINARY_PACKED",
    "arrived": "DELTA_BINARY_PACKED",
    "batch_id": "DELTA_BINARY_PACKED",
    "ticket": "DELTA_BINARY_PACKED",
}
# Without Arrow's own schema beside Parquet's: types are then the same to every reader. With a checksum of each page:
# one that is damaged is not decoded. Who changes these changes what is written from then on, and MUST put what they
# were into _EARLIER: the verifier calls a file changed that says this library wrote it and is in none of the ways.
_ALL_OPTIONS: Final[Mapping[str, Any]] = {
    "compression": "zstd", "compression_level": COMPRESSION_LEVEL, "store_schema": False, "version": "2.6",
    "data_page_version": "1.0", "write_page_checksum": True,
}  # fmt: skip
_EARLIER: Final[Sequence[Mapping[str, Any]]] = ({"write_page_checksum": False},)
"""What versions of before had in the place of some of those, the newest first."""
WRITER: Final = f"parquet-cpp-arrow version {pa.__version__}"
"""What a file says that was written by this version of the library."""
_OPTIONS: Final[Mapping[Part, Mapping[str, Any]]] = {
    Part.ENTRIES: {"use_dictionary": _DICTIONARY, "column_encoding": _DELTA},
    Part.PAYLOADS: {"use_dictionary": False},
    Part.CHECKPOINTS: {"use_dictionary": False},
}


def encode_entries(table: pa.Table) -> bytes:
    """A file of `schema.ENTRIES`."""
    return _write(table, Part.ENTRIES)


def encode_payloads(table: pa.Table) -> bytes:
    """A file of `schema.PAYLOADS`."""
    return _write(table, Part.PAYLOADS)


def encode_checkpoints(table: pa.Table) -> bytes:
    """A file of `schema.CHECKPOINTS`."""
    return _write(table, Part.CHECKPOINTS)


def earlier_ways(part: Part, table: pa.Table) -> Iterator[bytes]:
    """The file of these rows as each version of ours before wrote it, with this version of the library, the newest
    first.
    """
    return (_write(table, part, way) for way in _EARLIER)


def encode_in_groups(part: Part, table: pa.Table, groups: Sequence[int]) -> bytes:
    """A file of a part whose row groups have so many rows each, which are all rows: what is right to say of them."""
    options = _OPTIONS[part]
    sink, at = io.BytesIO(), 0
    with pq.ParquetWriter(sink, table.schema, **_ALL_OPTIONS, **options) as writer:
        for rows in groups:
            writer.write_table(table.slice(at, rows), row_group_size=max(1, rows))
            at += rows
    return sink.getvalue()


def _write(table: pa.Table, part: Part, way: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    sink = io.BytesIO()
    options = {**_ALL_OPTIONS, **_OPTIONS[part], **way}
    pq.write_table(table, sink, row_group_size=_group(table, part), **options)
    return sink.getvalue()


def _group(table: pa.Table, part: Part) -> int:
    """Rows of a row group."""
    if part is not Part.PAYLOADS:
        return ENTRY_GROUP
    mean: int = max(1, table.nbytes // max(1, table.num_rows))
    return max(1, PAYLOAD_GROUP_BYTES // mean)


def payloads_table(offsets: Sequence[int], digests: Sequence[bytes], payloads: Sequence[bytes]) -> pa.Table:
    """Rows of `schema.PAYLOADS`."""
    columns = [
        pa.array(offsets, pa.int64()),
        pa.array(digests, pa.binary(32)),
        pa.chunked_array([pa.array(payloads, pa.binary())])
        if not payloads or sum(map(len, payloads)) < 1 << 30
        else pa.chunked_array([pa.array([each], pa.binary()) for each in payloads]),
    ]
    return pa.Table.from_arrays(columns, schema=PAYLOADS)


def open_file(file: ArchiveFile, content: bytes | BinaryIO) -> Opened:
    """A file of the archive, its footer and columns checked; rows are read as they are asked for.

    Args:
        file: which.
        content: its bytes, or a file to seek in.

    The footer MUST be checked before the library is given the file: it may end the process over one. Rows MUST be read
    by `bounds.batches`, which sees how much they are.

    Raises:
        FormatError: not Parquet, without the columns of its kind, or with more in it than such a file has.
    """
    wanted = {"entries": ENTRIES, "payloads": PAYLOADS, "checkpoints": CHECKPOINTS}[file.part]
    try:
        footer = read_footer(content)
    except FormatError as error:
        raise FormatError(f"{file.name}: not a Parquet file ({error})") from error
    check_bounds(file, footer)
    try:
        found = _parquet(content, dictionaries(footer))
        schema = plain_schema(found.schema_arrow)
    except PARQUET_ERRORS as error:
        raise FormatError(f"{file.name}: not a Parquet file ({error})") from error
    for field in wanted:
        at = schema.get_field_index(field.name)
        if at < 0 or schema.field(at).type != field.type:
            raise FormatError(f"{file.name}: its column {field.name} is missing, or not {field.type}")
    return Opened(found, footer)


def _parquet(content: bytes | BinaryIO, read_dictionary: Sequence[str]) -> pq.ParquetFile:
    source = pa.BufferReader(content) if isinstance(content, bytes) else content
    return pq.ParquetFile(source, read_dictionary=list(read_dictionary), page_checksum_verification=True)


def read_file(file: ArchiveFile, content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a file.

    Raises:
        FormatError: as `open_file`, or a part of it is damaged.
    """
    found = open_file(file, content)
    try:
        read = list(batches(file, found, columns, range(len(found.footer.groups))))
        if read:
            return pa.Table.from_batches(read).combine_chunks()
        schema = plain_schema(found.parquet.schema_arrow)
        return pa.schema(each for each in schema if columns is None or each.name in columns).empty_table()
    except FormatError:
        raise
    except PARQUET_ERRORS as error:
        raise FormatError(f"{file.name}: damaged ({error})") from error
