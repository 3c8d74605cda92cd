"""What a field's values look like in their column, whichever way they were read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.proof.entry import Key, Kind, Protocol, Slot

from .schema import TIME, Column, Form

JOURNAL: Final = Column("journal", pa.string(), Key.JOURNAL, Form.HEX)
_WORDS: Final[Mapping[int, Mapping[int, str]]] = {
    Key.KIND: {int(each): each.name.lower() for each in Kind},
    Key.SLOT: {int(each): each.name.lower() for each in Slot},
    Key.PROTOCOL: {int(each): each.name.lower() for each in Protocol},
}


def word(key: int, value: int) -> str:
    """The name of a number of the format, or its digits."""
    return _WORDS[key].get(value, str(value))


def shown(column: Column, values: pa.Array) -> pa.Array:
    """The column of values as the format has them: integers, bytes, texts."""
    if column.form is Form.TIME:
        return pc.divide(values, 1000).cast(TIME)
    if column.form is Form.HEX:
        return _renamed(values, bytes.hex)
    if column.form is Form.DIGEST:
        return _renamed(values, lambda value: f"sha256:{value.hex()}")
    if column.form is Form.WORD:
        return _renamed(values, lambda value: word(column.key, value))
    return values


def record_ids(journals: pa.Array, sequences: pa.Array) -> pa.Array:
    """Record ids, of journals in hex and sequences as text."""
    return pc.binary_join_element_wise(journals, sequences, "-")


def _renamed(values: pa.Array, name: Callable[[Any], str]) -> pa.Array:
    """Each distinct value is named once."""
    coded = values.dictionary_encode()
    names = pa.array([name(value) for value in coded.dictionary.to_pylist()], pa.string())
    return names.take(coded.indices)
