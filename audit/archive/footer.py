"""What a Parquet file says of itself, read by us before any library sees it.

pyarrow lets C++ exceptions out of `RowGroupMetaData.column()` and ends the process with them: a flipped bit in a
footer would take an auditor, or a notary, down. So a file is opened only when its footer has passed here, and what is
looked up in it (bounds.py, reader.py) is looked up here. The rules are Parquet's own, for what any writer of archive
files may give; the bounds of such a file are bounds.py's. Format: `parquet.thrift` of Apache Parquet.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, BinaryIO, Final

from audit.proof.errors import FormatError

from .thrift import Struct, Type, read_struct

MAX_FOOTER: Final = 64 << 20
"""Bytes; that of a file of the most records and long texts has a quarter of it."""
_MAGIC: Final = b"PAR1"
_END: Final = 8
"""The footer's length in four bytes, and the magic."""
_TAIL: Final = 1 << 16
"""Read at once at the file's end: most footers are in it."""
_MOST: Final = (1 << 63) - 1
_CODECS: Final = 8
_ENCODINGS: Final = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9})
_DICTIONARIES: Final = frozenset({2, 8})
_REPEATED: Final = 2
_DEEPEST: Final = 8
"""Groups in each other; a map's columns are in three, with the root."""
_SMALL: Final = 1 << 18
_KEPT: Final = 32
"""Who looks for one record after another opens the same files: so many footers of up to so many bytes are parsed once.
They are found again by their bytes and the file's size, so a changed file's is another.
"""


class Physical(IntEnum):
    """Types as they are stored."""

    BOOLEAN = 0
    INT32 = 1
    INT64 = 2
    INT96 = 3
    FLOAT = 4
    DOUBLE = 5
    BYTE_ARRAY = 6
    FIXED = 7


_WIDTHS: Final = {
    Physical.BOOLEAN: 1, Physical.INT32: 4, Physical.INT64: 8, Physical.INT96: 12, Physical.FLOAT: 4,
    Physical.DOUBLE: 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column that has values: its path in the schema, and what is stored."""

    path: tuple[str, ...]
    type: Physical
    width: int | None
    """Bytes of each value; None when they are of any length."""

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)

    @property
    def nested(self) -> bool:
        """It may have more values than rows."""
        return len(self.path) > 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group. `packed` and `unpacked` are bytes, with page headers."""

    leaf: Leaf
    values: int
    packed: int
    unpacked: int
    repeats: bool
    """It has a dictionary: a value that stands once may be meant many times."""
    least: bytes | None
    most: bytes | None
    """The least and the greatest value as they are stored, where it says them."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group; its columns are those of the schema, in its order."""

    rows: int
    bytes: int
    """Unpacked, as it says, or as its columns do, whichever is more."""
    columns: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself."""

    writer: str
    rows: int
    leaves: tuple[Leaf, ...]
    groups: tuple[Group, ...]


def read_footer(content: bytes | BinaryIO) -> Footer:
    """A file's footer.

    Args:
        content: the file's bytes, or a file to seek in; where it stands then is not said.

    Raises:
        FormatError: no Parquet file; or its schema, row groups and columns do not fit together, or not into the file.
    """
    raw, size = _footer_bytes(io.BytesIO(content) if isinstance(content, bytes) else content)
    return _remembered(raw, size) if len(raw) <= _SMALL else _parse(raw, size)


def _parse(raw: bytes, size: int) -> Footer:
    fields = read_struct(raw)
    for id_ in (8, 9):
        if id_ in fields:
            raise FormatError("footer: of an encrypted file")
    leaves = _leaves(_structs(fields, 2, "schema"))
    begin, groups = len(_MAGIC), []
    for each in _structs(fields, 4, "row groups"):
        group, begin = _group(each, leaves, begin, size - len(raw) - _END)
        groups.append(group)
    orders = fields.get(7)
    if orders is not None and len(_structs(fields, 7, "column orders")) != len(leaves):
        raise FormatError("footer: not one order for each column")
    return Footer(
        _text(fields, 6, "writer") if 6 in fields else "", _size(fields, 3, "rows"), leaves, tuple(groups)
    )


_remembered: Final = lru_cache(_KEPT)(_parse)


def _footer_bytes(file: BinaryIO) -> tuple[bytes, int]:
    """The footer, and the whole file's size."""
    size = file.seek(0, os.SEEK_END)
    at = max(0, size - _TAIL)
    tail = _read(file, at, size - at)
    if size < len(_MAGIC) + _END or not tail.endswith(_MAGIC) or _read(file, 0, len(_MAGIC)) != _MAGIC:
        raise FormatError("footer: not a Parquet file")
    (length,) = struct.unpack("<I", tail[-_END : -len(_MAGIC)])
    if length > min(MAX_FOOTER, size - _END - len(_MAGIC)):
        raise FormatError(f"footer: {length} bytes, in a file of {size}")
    if length + _END > len(tail):
        return _read(file, size - _END - length, length), size
    return tail[len(tail) - _END - length : -_END], size


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    found = file.read(count)
    if len(found) != count:
        raise FormatError("footer: cut short")
    return found


def _leaves(elements: list[Struct]) -> tuple[Leaf, ...]:
    """The columns of a schema, which stands as a tree, root first."""
    if not elements:
        raise FormatError("footer: no schema")
    found: list[Leaf] = []
    above: list[tuple[str, int]] = []
    """Groups that are open: name, and members that are still to come. The root has no name."""
    for place, element in enumerate(elements):
        if (place and not above) or len(above) > _DEEPEST:
            raise FormatError("footer: more in the schema than its groups have, or deeper")
        name, members = _text(element, 4, "name"), _optional(element, 5, Type.I32)
        path = (*(each for each, _ in above[1:]), name)
        if members is None or (1 in element and not members):
            found.append(_leaf(path, element))
        elif members < 0 or 1 in element:
            raise FormatError(f"footer: {'.'.join(path)} is no group and no column")
        else:
            above.append((name, members))
            _closed(above)
            continue
        if not above:
            raise FormatError("footer: a schema without a root")
        above[-1] = (above[-1][0], above[-1][1] - 1)
        _closed(above)
    if above:
        raise FormatError("footer: less in the schema than its groups have")
    return tuple(found)


def _closed(above: list[tuple[str, int]]) -> None:
    """Groups whose members have all come count for those that they are in."""
    while above and not above[-1][1]:
        above.pop()
        if above:
            above[-1] = (above[-1][0], above[-1][1] - 1)


def _leaf(path: tuple[str, ...], element: Struct) -> Leaf:
    try:
        physical = Physical(_number(element, 1, Type.I32, "type"))
    except ValueError as error:
        raise FormatError(f"footer: {'.'.join(path)}: {error}") from error
    width = _WIDTHS.get(physical)
    if physical is Physical.FIXED:
        width = _number(element, 2, Type.I32, "length")
        if width <= 0:
            raise FormatError(f"footer: {'.'.join(path)} has values of {width} bytes")
    if len(path) == 1 and _optional(element, 3, Type.I32) == _REPEATED:
        raise FormatError(f"footer: {path[0]} is repeated")  # no column of ours; a map's are in a group
    return Leaf(path, physical, width)


def _group(fields: Struct, leaves: tuple[Leaf, ...], begin: int, end: int) -> tuple[Group, int]:
    """A row group whose columns lie from `begin` on and before `end`, and where they end."""
    columns = _structs(fields, 1, "columns")
    if len(columns) != len(leaves):
        raise FormatError(f"footer: {len(columns)} columns in a row group, {len(leaves)} in the schema")
    rows, chunks = _size(fields, 3, "rows of a group"), []
    for leaf, column in zip(leaves, columns, strict=True):
        chunk, begin = _chunk(leaf, column, begin, end)
        chunks.append(chunk)
    said = _size(fields, 2, "bytes of a group")
    return Group(rows, max(said, sum(each.unpacked for each in chunks)), tuple(chunks)), begin


def _chunk(leaf: Leaf, column: Struct, begin: int, end: int) -> tuple[Chunk, int]:
    if 8 in column or 9 in column or (1 in column and _text(column, 1, "file")):
        raise FormatError(f"footer: {leaf.name} is encrypted, or in another file")
    fields: Struct = _typed(column, 3, Type.STRUCT, "metadata")
    path = tuple(_decoded(each, "path") for each in _list(fields, 3, Type.BINARY, "path"))
    if path != leaf.path or _number(fields, 1, Type.I32, "type") != leaf.type:
        raise FormatError(
            f"footer: a column {'.'.join(path)} in the place of {leaf.name}, or of another type"
        )
    encodings = _list(fields, 2, Type.I32, "encodings")
    if not _ENCODINGS.issuperset(encodings) or not 0 <= _number(fields, 4, Type.I32, "codec") < _CODECS:
        raise FormatError(f"footer: {leaf.name} in a form that nobody knows")
    values, packed = _size(fields, 5, "values"), _size(fields, 7, "bytes")
    dictionary, pages = _optional(fields, 11, Type.I64), _size(fields, 9, "place")
    # Of a column without values there may be no page: its place is 0 then.
    start = min((each for each in (dictionary, pages) if each), default=begin)
    if not (begin <= start <= end - packed and (not values or start <= pages < start + packed)):
        raise FormatError(f"footer: {leaf.name} lies outside of the file, or in another column")
    least, most = _statistics(leaf, _typed(fields, 12, Type.STRUCT, "statistics") if 12 in fields else {})
    unpacked = _size(fields, 6, "unpacked bytes")
    repeats = dictionary is not None or not _DICTIONARIES.isdisjoint(encodings)
    return Chunk(leaf, values, packed, unpacked, repeats, least, most), start + packed


def _statistics(leaf: Leaf, fields: Struct) -> tuple[bytes | None, bytes | None]:
    for id_ in (3, 4):
        _optional(fields, id_, Type.I64)
    found = [_optional(fields, id_, Type.BINARY) for id_ in (1, 2, 5, 6)]
    if leaf.width is not None and any(each is not None and len(each) != leaf.width for each in found):
        raise FormatError(f"footer: {leaf.name}: a least or greatest value that is none")
    return found[3], found[2]


# -------------------------------------------------------------------- fields of a struct


def _optional(fields: Struct, id_: int, type_: Type) -> Any:
    """None when it is not there."""
    if id_ not in fields:
        return None
    found, value = fields[id_]
    if found != type_:
        raise FormatError(f"footer: field {id_} is {Type(found).name}, wanted {type_.name}")
    return value


def _typed(fields: Struct, id_: int, type_: Type, what: str) -> Any:
    found = _optional(fields, id_, type_)
    if found is None:
        raise FormatError(f"footer: {what}: is not there")
    return found


def _number(fields: Struct, id_: int, type_: Type, what: str) -> int:
    return int(_typed(fields, id_, type_, what))


def _size(fields: Struct, id_: int, what: str) -> int:
    found = _number(fields, id_, Type.I64, what)
    if not 0 <= found <= _MOST:
        raise FormatError(f"footer: {what}: {found}")
    return found


def _text(fields: Struct, id_: int, what: str) -> str:
    return _decoded(_typed(fields, id_, Type.BINARY, what), what)


def _decoded(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"footer: {what}: is no text") from error


def _list(fields: Struct, id_: int, type_: Type, what: str) -> list[Any]:
    of, found = _typed(fields, id_, Type.LIST, what)
    if found and of != type_:
        raise FormatError(f"footer: {what}: of {Type(of).name}, wanted {type_.name}")
    return list(found)


def _structs(fields: Struct, id_: int, what: str) -> list[Struct]:
    return _list(fields, id_, Type.STRUCT, what)
