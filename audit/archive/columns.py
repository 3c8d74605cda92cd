"""Entries → columns, fast: a column at a time, for entries of one shape straight from their bytes (audit/shapes).

The rest is decoded. Entries of kinds that this version knows were checked when they were sealed, so their fields have
the format's types; of an unknown kind only the map is known, and each value is looked at before it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final

import cbor2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.proof.entry import Key, Kind
from audit.proof.errors import FormatError
from audit.shapes import Sorted, Sorter

from .alike import alike_table
from .forms import JOURNAL, record_ids, shown, word
from .schema import COLUMNS, ENTRIES, LOGGED, Column, Form

_MAX: Final = 2**63 - 1
_LATEST: Final = 253_402_300_799_999
"""ms: the end of the year 9999, the last that other software shows."""
_PIECE: Final = 4096
_KINDS: Final = frozenset(int(kind) for kind in Kind)
_ARROW_ERRORS: Final = (pa.ArrowException, TypeError, ValueError, OverflowError)


def entries_table(
    offsets: Sequence[int],
    logged: Sequence[int | None],
    entries: Sequence[bytes],
    leaves: Sequence[bytes] | None = None,
    sorted_: Sorted | None = None,
) -> pa.Table:
    """The rows of `schema.ENTRIES` for entries that were checked when they were sealed, in the order given.

    Args:
        offsets: of each entry in its partition.
        logged: the log's timestamp of each, ms since 1970 UTC; None where it is not known.
        entries: their bytes.
        leaves: their leaf hashes, when they are known already.
        sorted_: the entries by shape, when they were sorted already.

    Raises:
        FormatError: an entry is not a map of the format.
    """
    if not entries:
        return ENTRIES.empty_table()
    found = Sorter().sort(entries) if sorted_ is None else sorted_
    tables = [alike_table(each) for each in found.alike]
    order = [each.places for each in found.alike]
    # In pieces: of many thousand maps at once the garbage collector would take as long as all else.
    for at in range(0, len(found.rest), _PIECE):
        places = found.rest[at : at + _PIECE]
        tables.append(_fields_table([entries[place] for place in places]))
        order.append(np.array(places, np.intp))
    columns = pa.concat_tables(tables)
    if len(tables) > 1:
        columns = columns.take(np.argsort(np.concatenate(order)))
    given = {
        "offset": pa.array(offsets, pa.int64()),
        "logged": pa.array([_shown(each) for each in logged], LOGGED),
        "leaf": pa.array(leaves or [sha256(b"\x00" + raw).digest() for raw in entries], pa.binary(32)),
        "entry": pa.array(entries, pa.binary()),
    }
    arrays = [given[name] if name in given else columns.column(name) for name in ENTRIES.names]
    return pa.Table.from_arrays(arrays, schema=ENTRIES).combine_chunks()


def _shown(milliseconds: int | None) -> int | None:
    return milliseconds if milliseconds is not None and 0 <= milliseconds <= _LATEST else None


def _fields_table(entries: Sequence[bytes]) -> pa.Table:
    """The columns that come from the entries' fields."""
    groups: dict[tuple[Any, ...], tuple[list[int], list[Mapping[int, Any]]]] = {}
    try:
        for at, fields in enumerate(map(cbor2.loads, entries)):
            # The kind goes into the shape: what is known of the values hangs on it.
            shape = (fields[0], *fields)
            group = groups.get(shape)
            if group is None:
                group = groups[shape] = ([], [])
            group[0].append(at)
            group[1].append(fields)
    except (cbor2.CBORDecodeError, LookupError, TypeError) as error:
        raise FormatError(f"an entry is not a map of the format ({type(error).__name__})") from error
    tables, order = [], []
    for shape, (places, rows) in groups.items():
        tables.append(_same_shape(shape, rows))
        order.extend(places)
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(tables).take(pc.sort_indices(pa.array(order, pa.int64())))


def _same_shape(shape: tuple[Any, ...], rows: list[Mapping[int, Any]]) -> pa.Table:
    """The columns that come from the fields, of rows that have the same kind and the same keys."""
    count = len(rows)
    kind, keys = shape[0], shape[1:]
    build = _trusted if kind in _KINDS else _careful
    values: dict[int, Sequence[Any]] = {}
    if len(keys) == 1:
        values[keys[0]] = [row[keys[0]] for row in rows]
    else:
        values.update(zip(keys, zip(*map(itemgetter(*keys), rows), strict=True), strict=True))
    arrays: list[pa.Array] = [_words(Key.KIND, values[Key.KIND])]
    names = ["kind"]
    journal = build(JOURNAL, values[Key.JOURNAL]) if Key.JOURNAL in values else pa.nulls(count, pa.string())
    arrays.append(journal)
    names.append("journal")
    for column in COLUMNS:
        found = values.get(column.key)
        arrays.append(pa.nulls(count, column.type) if found is None else build(column, found))
        names.append(column.name)
    arrays.append(_record(journal, values.get(Key.SEQUENCE), count))
    names.append("record")
    return pa.Table.from_arrays(arrays, names=names)


def _record(journal: pa.Array, sequences: Sequence[Any] | None, count: int) -> pa.Array:
    if sequences is None:
        return pa.nulls(count, pa.string())
    try:
        numbers = pa.array(sequences, pa.int64()).cast(pa.string())
    except _ARROW_ERRORS:
        numbers = pa.array([str(each) if type(each) is int else None for each in sequences], pa.string())
    return record_ids(journal, numbers)


def _trusted(column: Column, values: Sequence[Any]) -> pa.Array:
    """A column of values of the format's types. Numbers may still be larger than a reader takes."""
    try:
        return _FORMS[column.form](column, _inside(column, values))
    except _ARROW_ERRORS:
        return _careful(column, values)


def _careful(column: Column, values: Sequence[Any]) -> pa.Array:
    """A column of values that may be anything: what does not fit is null."""
    clean = _CLEAN[column.form]
    kept = [clean(column, _part(value, column.path)) for value in values]
    return _FORMS[column.form](column, kept)


def _inside(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    path = column.path
    return values if path is None else [value[path] for value in values]


def _part(value: Any, path: str | int | None) -> Any:
    if path is None:
        return value
    try:
        return value[path]
    except (LookupError, TypeError):
        return None


# ---------------------------------------------------------------- how each form becomes an array


def _plain(column: Column, values: Sequence[Any]) -> pa.Array:
    return pa.array(values, column.type)


def _number(column: Column, values: Sequence[Any]) -> pa.Array:
    return shown(column, pa.array(values, pa.int64()))


def _bytes(column: Column, values: Sequence[Any]) -> pa.Array:
    return shown(column, pa.array(values, pa.binary()))


def _word(column: Column, values: Sequence[Any]) -> pa.Array:
    return _words(column.key, values)


def _words(key: int, values: Sequence[Any]) -> pa.Array:
    try:
        return shown(Column("", pa.string(), Key(key), Form.WORD), pa.array(values, pa.int64()))
    except _ARROW_ERRORS:
        return pa.array([word(key, value) if type(value) is int else None for value in values], pa.string())


def _map(column: Column, values: Sequence[Any]) -> pa.Array:
    pairs = [None if value is None else list(value.items()) for value in values]
    return pa.array(pairs, column.type)


_FORMS: Final[Mapping[Form, Callable[[Column, Sequence[Any]], pa.Array]]] = {
    Form.NUMBER: _plain,
    Form.TIME: _number,
    Form.TEXT: _plain,
    Form.HEX: _bytes,
    Form.DIGEST: _bytes,
    Form.BYTES: _plain,
    Form.TRUE: _plain,
    Form.WORD: _word,
    Form.MAP: _map,
}


# ---------------------------------------------------------------- what of a value can be shown


def _clean_number(_: Column, value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX else None


def _clean_text(_: Column, value: Any) -> str | None:
    return value if type(value) is str else None


def _clean_bytes(column: Column, value: Any) -> bytes | None:
    if type(value) is not bytes:
        return None
    width = column.type.byte_width if pa.types.is_fixed_size_binary(column.type) else len(value)
    return value if len(value) == width else None


def _clean_map(column: Column, value: Any) -> dict[str, Any] | None:
    if type(value) is not dict:
        return None
    if column.type.item_type == pa.string():
        kept = {key: item for key, item in value.items() if type(key) is str and type(item) is str}
    else:
        kept = {
            key: item
            for key, item in value.items()
            if type(key) is str and _clean_number(column, item) is not None
        }
    return kept if len(kept) == len(value) else None


_CLEAN: Final[Mapping[Form, Callable[[Column, Any], Any]]] = {
    Form.NUMBER: _clean_number,
    Form.TIME: _clean_number,
    Form.TEXT: _clean_text,
    Form.HEX: _clean_bytes,
    Form.DIGEST: _clean_bytes,
    Form.BYTES: _clean_bytes,
    Form.TRUE: lambda _, value: value if value is True else None,
    Form.WORD: lambda _, value: value if type(value) is int else None,
    Form.MAP: _clean_map,
}
