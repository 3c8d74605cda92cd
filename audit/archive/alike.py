"""Entries that are alike → columns, straight from their bytes."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from audit.proof.entry import Key
from audit.shapes import Alike
from audit.shapes.alike import Numbers
from audit.shapes.shape import Rows

from .forms import JOURNAL, record_ids, shown, word
from .schema import COLUMNS, Column, Form

_MAX: Final = np.uint64(2**63 - 1)


def alike_table(alike: Alike) -> pa.Table:
    """Their columns `kind` to `record`, in their order."""
    count = len(alike)
    kind = pa.array([word(Key.KIND, alike.shape.kind)], pa.string()).take(pa.array(np.zeros(count, np.int8)))
    journal = _column(JOURNAL, alike)
    arrays = [kind, journal, *(_column(column, alike) for column in COLUMNS)]
    names = ["kind", "journal", *(column.name for column in COLUMNS)]
    if Key.SEQUENCE in alike:
        # The largest numbers of the format have no int64, and their record id all the same.
        sequences = pa.array(alike.numbers(Key.SEQUENCE)).cast(pa.string())
        arrays.append(record_ids(journal, sequences))
    else:
        arrays.append(pa.nulls(count, pa.string()))
    return pa.Table.from_arrays(arrays, names=[*names, "record"])


def _column(column: Column, alike: Alike) -> pa.Array:
    if column.key not in alike:
        return pa.nulls(len(alike), column.type)
    if column.form is Form.WORD:
        return shown(column, pa.array(alike.numbers(column.key)))
    if column.form in (Form.NUMBER, Form.TIME):
        part = column.path if isinstance(column.path, int) else 0
        return shown(column, _int64(alike.numbers(column.key, part)))
    if column.form is Form.TRUE:
        return pa.array(np.ones(len(alike), np.bool_))
    data = alike.data(column.key)
    return shown(column, _texts(data) if column.form is Form.TEXT else _bytes(data))


def _int64(values: Numbers) -> pa.Array:
    """Numbers that no reader takes are null."""
    large = values > _MAX
    return pa.array(values.astype(np.int64), pa.int64(), mask=large if large.any() else None)


def _bytes(rows: Rows) -> pa.Array:
    count, width = rows.shape
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, pa.py_buffer(rows)])


def _texts(rows: Rows) -> pa.Array:
    count, width = rows.shape
    ends = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(rows))
