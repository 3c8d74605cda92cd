"""From a client's rows to the model's input: packed little-endian float32, row by row, checked cell by cell.

Two ways lead to the same bytes. The fast one packs a whole row with one call and is sure only when nothing is
odd; whatever it is not sure of goes the precise way, which finds the first cell that is wrong and says why.
tests/unit/service/test_rows.py and tests/property/test_rows.py hold them to each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from struct import Struct
from struct import error as StructError  # noqa: N812 — the library's name is a plain `error`
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.signature import Feature, Signature

from .errors import InvalidInput, TooManyRows, quote

EXACT: Final = 1 << 24
"""Every integer up to here is a float32; above, some are not, and the model would see another number."""
_SHOWN_CATEGORIES: Final = 8


class Rows(NamedTuple):
    """`packed`: height × width float32, little-endian, row-major; `unknown`: categories passed as missing."""

    packed: bytes
    height: int
    unknown: int


class RowReader:
    """Reads rows for one signature. `max_rows` bounds one request."""

    def __init__(self, signature: Signature, max_rows: int) -> None:
        features = signature.features
        self.features: Final = features
        self.width: Final = len(features)
        self.max_rows: Final = max_rows
        self.names: Final = tuple(feature.name for feature in features)
        self.places: Final = {name: place for place, name in enumerate(self.names)}
        self.codes: Final = tuple(
            {text: float(code) for code, text in enumerate(feature.categories)} for feature in features
        )
        self._pack: Final = Struct(f"<{self.width}f").pack
        self._get: Final = _getter(self.names)
        self._categories: Final = tuple(
            (place, self.codes[place]) for place, feature in enumerate(features) if feature.type == "category"
        )
        self._integers: Final = tuple(
            place for place, feature in enumerate(features) if feature.type == "integer"
        )
        self.only_numbers: Final = not self._categories and not self._integers

    def read(self, instances: Any, text: bytes) -> Rows:
        """Rows as lists or as objects by feature name, categories as text.

        Args:
            instances: decoded JSON.
            text: the JSON that `instances` came from: when it has no boolean, no cell is one.

        Raises:
            InvalidInput: says which feature of which row, and why.
            TooManyRows: more than max_rows.
        """
        self.check_count(instances)
        packed = None if b"true" in text or b"false" in text else self._fast(instances)
        return Rows(packed, len(instances), 0) if packed is not None else self._precise(instances)

    def check_count(self, instances: Any) -> None:
        """A list of at least one row and at most max_rows."""
        if type(instances) is not list:
            raise InvalidInput("instances must be an array of rows", "instances")
        if not instances:
            raise InvalidInput("instances must hold at least one row", "instances")
        if len(instances) > self.max_rows:
            raise TooManyRows(
                f"{len(instances)} rows; one request may have {self.max_rows}", "instances", self.max_rows
            )

    def _fast(self, instances: list[Any]) -> bytes | None:
        """The packed rows, or None when a cell needs a closer look."""
        try:
            if self.only_numbers and type(instances[0]) is list:
                pack = self._pack
                if len(instances) == 1:
                    return pack(*instances[0])
                return b"".join([pack(*row) for row in instances if type(row) is list or _odd()])
            return b"".join([self._mixed(row) for row in instances])
        # Not an error yet: the precise way decides, and tells it better.
        except (StructError, OverflowError, KeyError, IndexError, TypeError, _OddRow):
            return None

    def _mixed(self, row: Any) -> bytes:
        """One packed row with categories or integers in it, or an object. Raises when it is odd."""
        if type(row) is list:
            cells = row.copy()
        elif type(row) is dict and len(row) == self.width:
            cells = list(self._get(row))
        else:  # text is a sequence of categories, too, and no row
            raise _OddRow
        for place, codes in self._categories:
            cells[place] = codes[cells[place]]
        for place in self._integers:
            cell = cells[place]
            if type(cell) is not int or not -EXACT <= cell <= EXACT:
                raise _OddRow
        return self._pack(*cells)

    def _precise(self, instances: list[Any]) -> Rows:
        parts, unknown = [], 0
        for number, row in enumerate(instances):
            if type(row) is dict:
                values = self._by_name(row, number)
            elif type(row) is list:
                if len(row) != self.width:
                    raise InvalidInput(
                        f"row {number} has {len(row)} values; the model takes {self.width}", None, number
                    )
                values = row
            else:
                raise InvalidInput(
                    f"row {number} is {kind_of(row)}; an array of values or an object by feature name is "
                    "wanted",
                    None,
                    number,
                )
            cells = []
            for place, value in enumerate(values):
                cell = self.cell(place, value, number)
                unknown += math.isnan(cell) and value is not None
                cells.append(cell)
            parts.append(self._pack(*cells))
        return Rows(b"".join(parts), len(instances), unknown)

    def _by_name(self, row: dict[str, Any], number: int) -> Sequence[Any]:
        for name in row:
            if name not in self.places:
                raise InvalidInput(
                    f"row {number} has {quote(name)}, which is no feature of the model", name, number
                )
        values = []
        for feature in self.features:
            if feature.name not in row and not feature.missing:
                raise InvalidInput(f"row {number} is without {quote(feature.name)}", feature.name, number)
            values.append(row.get(feature.name))
        return values

    def cell(self, place: int, value: Any, row: int) -> float:
        """One decoded JSON value as what the model is given; NaN is missing.

        Raises:
            InvalidInput: says why.
        """
        feature = self.features[place]
        if value is None:
            if not feature.missing:
                raise _wrong(feature, row, "is null; the model takes no missing value here")
            return math.nan
        if feature.type == "category":
            return self.category(place, value, row)
        if type(value) is not int and type(value) is not float:
            raise _wrong(feature, row, f"is {kind_of(value)}; a number is wanted")
        if feature.type == "integer" and (value != value // 1 or not -EXACT <= value <= EXACT):
            raise _wrong(
                feature, row, f"is {quote(value)}; an integer of at most {EXACT:,} in magnitude is wanted"
            )
        try:
            _FLOAT.pack(value)
        except (OverflowError, StructError):
            raise _wrong(feature, row, f"is {quote(value)}; too large for a 32-bit float") from None
        return float(value)

    def category(self, place: int, value: Any, row: int) -> float:
        """A category's text as the model's code; NaN for one that the policy passes as missing."""
        feature = self.features[place]
        if type(value) is not str:
            raise _wrong(feature, row, f"is {kind_of(value)}; a category, as text, is wanted")
        code = self.codes[place].get(value)
        if code is not None:
            return code
        if feature.unknown == "missing":
            return math.nan
        known = ", ".join(map(quote, feature.categories[:_SHOWN_CATEGORIES]))
        more = len(feature.categories) - _SHOWN_CATEGORIES
        raise _wrong(
            feature,
            row,
            f"is {quote(value)}, which is no category that the model knows: {known}"
            + (f" and {more} more" if more > 0 else ""),
        )

    def matrix(self, values: NDArray[Any], passed: NDArray[np.bool_] | None = None) -> Rows:
        """Numbers [n, width] of a tensor; categories as codes; NaN is missing.

        Args:
            values: any numeric dtype.
            passed: [n, width], cells that are NaN because the policy passes an unknown category as missing.

        Raises:
            InvalidInput: the first cell, row by row, that the signature does not have.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.ascontiguousarray(values, dtype="<f4")
        bad, unknown = ~np.isfinite(rows), 0
        if passed is not None:
            unknown = int(np.count_nonzero(passed))
            bad &= ~passed
        if bad.any() or not self.only_numbers:
            rows = rows.copy()
            for place, feature in enumerate(self.features):
                column = values[:, place]
                missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)
                if feature.missing:
                    bad[:, place] &= ~missing
                if feature.type == "number":
                    continue
                limit = EXACT if feature.type == "integer" else len(feature.categories) - 1
                lowest = -EXACT if feature.type == "integer" else 0
                fits = (column >= lowest) & (column <= limit) & (column == np.trunc(column)) | missing
                if feature.type == "category" and feature.unknown == "missing":
                    unknown += int(np.count_nonzero(~fits & np.isfinite(column)))
                    rows[~fits & np.isfinite(column), place] = np.nan
                    fits |= np.isfinite(column)
                bad[:, place] |= ~fits  # a cell that was passed is NaN, and NaN counts as fitting
            if bad.any():
                row, place = (int(at) for at in np.argwhere(bad)[0])
                raise self._bad_number(values[row, place], place, row)
        return Rows(rows.tobytes(), rows.shape[0], unknown)

    def _bad_number(self, value: Any, place: int, row: int) -> InvalidInput:
        feature = self.features[place]
        if value != value:  # noqa: PLR0124 — NaN
            return _wrong(feature, row, "is NaN; the model takes no missing value here")
        if feature.type == "category":
            return _wrong(
                feature, row, f"is {value}; a category's code, 0 to {len(feature.categories) - 1}, is wanted"
            )
        if feature.type == "integer" and np.isfinite(value):
            return _wrong(feature, row, f"is {value}; an integer of at most {EXACT:,} in magnitude is wanted")
        return _wrong(feature, row, f"is {value}; too large for a 32-bit float")


_FLOAT: Final = Struct("<f")


class _OddRow(Exception):  # noqa: N818 — a signal within this module
    """A row that is not a list among rows that are."""


def _odd() -> bool:
    raise _OddRow


def _getter(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names)


def _wrong(feature: Feature, row: int, why: str) -> InvalidInput:
    return InvalidInput(f"{quote(feature.name)} of row {row} {why}", feature.name, row)


def kind_of(value: Any) -> str:
    """A decoded JSON value in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else "a number"
