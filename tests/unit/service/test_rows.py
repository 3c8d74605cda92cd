"""Rows to packed float32: the fast way and the precise way agree, and refusals name the cell."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.signature import Feature, Signature
from service.errors import InvalidInput, TooManyRows
from service.rows import EXACT, RowReader, Rows

SIGNATURE = Signature(
    name="m",
    task="regression",
    features=(
        Feature(name="size", type="number"),
        Feature(name="count", type="integer"),
        Feature(name="colour", type="category", categories=("red", "green", "blue")),
        Feature(name="maker", type="category", categories=("a", "b"), unknown="missing"),
        Feature(name="age", type="number", missing=True),
    ),
)
NUMBERS = Signature(
    name="n", task="regression", features=tuple(Feature(name=name, type="number") for name in "abc")
)
GOOD = {"size": 1.5, "count": 3, "colour": "green", "maker": "b", "age": 7}


def reader(signature: Signature = SIGNATURE, max_rows: int = 10) -> RowReader:
    """A reader of small requests."""
    return RowReader(signature, max_rows)


def read(*rows: Any, signature: Signature = SIGNATURE) -> Rows:
    """Rows as the protocol hands them over."""
    instances = list(rows)
    return reader(signature).read(instances, json.dumps({"instances": instances}).encode())


def test_a_row_by_name_and_as_a_list_give_the_same_input() -> None:
    """Order of names does not matter; categories become their codes."""
    by_name = read(dict(reversed(GOOD.items())))
    assert by_name == read(list(GOOD.values()))
    assert struct.unpack("<5f", by_name.packed) == (1.5, 3.0, 1.0, 1.0, 7.0)
    assert (by_name.height, by_name.unknown) == (1, 0)


def test_missing_values_are_nan_where_the_signature_has_them() -> None:
    """Null and an absent name are the same."""
    for row in ({**GOOD, "age": None}, {name: value for name, value in GOOD.items() if name != "age"}):
        assert math.isnan(struct.unpack("<5f", read(row).packed)[4])


def test_an_unknown_category_that_the_policy_passes_is_counted() -> None:
    """It becomes NaN; a null there would be refused."""
    rows = read({**GOOD, "maker": "zzz"}, GOOD, {**GOOD, "maker": ""})
    assert rows.unknown == 2
    assert math.isnan(struct.unpack("<15f", rows.packed)[3])
    with pytest.raises(InvalidInput) as caught:
        read({**GOOD, "maker": None})
    assert caught.value.field == "maker"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"size": "1"}, "size", "text; a number"),
        ({"size": True}, "size", "a boolean; a number"),
        ({"size": None}, "size", "null"),
        ({"size": [1]}, "size", "an array"),
        ({"size": {}}, "size", "an object"),
        ({"size": 1e39}, "size", "too large for a 32-bit float"),
        ({"size": 10**400}, "size", "too large for a 32-bit float"),
        ({"count": 1.5}, "count", "an integer"),
        ({"count": EXACT + 1}, "count", "an integer"),
        ({"count": False}, "count", "a boolean"),
        ({"colour": "pink"}, "colour", "no category"),
        ({"colour": 1}, "colour", "a number; a category"),
        ({"colour": True}, "colour", "a boolean; a category"),
        ({"color": "red"}, "color", "no feature"),
    ],
)
def test_a_wrong_cell_is_named(change: dict[str, Any], field: str, words: str) -> None:
    """Field, row and reason."""
    with pytest.raises(InvalidInput, match=words) as caught:
        read(GOOD, {**GOOD, **change})
    assert (caught.value.field, caught.value.row) == (field, 1)


def test_a_row_without_a_feature_is_refused() -> None:
    """The feature's name is told."""
    row = {name: value for name, value in GOOD.items() if name != "count"}
    with pytest.raises(InvalidInput, match="without 'count'"):
        read(row)


@pytest.mark.parametrize("row", [[1, 2], [1, 2, "red", "a", 5, 6], "text", 3, None, True])
def test_a_row_of_another_shape_is_refused(row: Any) -> None:
    """Neither a short list nor something that is no row becomes one."""
    with pytest.raises(InvalidInput) as caught:
        read(GOOD, row)
    assert caught.value.row == 1


@pytest.mark.parametrize("row", [{"a": 1, "b": 2, "c": 3}, "abc", 5, None])
def test_among_lists_of_numbers_an_odd_row_is_seen(row: Any) -> None:
    """The fast way of number lists does not take what only looks like one."""
    if isinstance(row, dict):
        assert read([1, 2, 3], row, signature=NUMBERS).height == 2
        return
    with pytest.raises(InvalidInput) as caught:
        read([1, 2, 3], row, signature=NUMBERS)
    assert caught.value.row == 1


def test_instances_must_be_some_rows() -> None:
    """None, no rows and too many rows are told apart."""
    for instances in (None, {}, "x", []):
        with pytest.raises(InvalidInput):
            reader().read(instances, b"")
    with pytest.raises(TooManyRows):
        reader().read([GOOD] * 11, b"")


@given(st.lists(st.lists(st.floats() | st.integers() | st.booleans(), min_size=3, max_size=3), min_size=1))
def test_the_fast_way_gives_what_the_precise_way_gives(rows: list[list[Any]]) -> None:
    """Or nothing, when the precise way refuses."""
    own = reader(NUMBERS, 1000)
    text = json.dumps(rows).encode()
    if "NaN" in text.decode() or "Infinity" in text.decode():
        return  # not JSON
    try:
        precise = own._precise(rows)
    except InvalidInput as refused:
        with pytest.raises(InvalidInput) as caught:
            own.read(rows, text)
        assert str(caught.value) == str(refused)  # noqa: PT017 — the two ways are compared
    else:
        assert own.read(rows, text) == precise


def matrix(*rows: list[float], dtype: str = "<f8") -> Rows:
    """Rows of a tensor; categories as codes."""
    return reader().matrix(np.array(rows, dtype))


def test_a_matrix_takes_categories_as_codes() -> None:
    """And NaN where a value may be missing; an unknown code is missing where the policy passes it."""
    assert matrix([1.5, 3, 1, 1, 7]) == read(GOOD)
    rows = matrix([1.5, 3, 1, 9, math.nan], [1.5, 3, 1, -1, 0])
    assert rows.unknown == 2
    assert np.isnan(np.frombuffer(rows.packed, "<f4")[[3, 4, 8]]).all()


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, math.nan), (0, math.inf), (0, 1e39), (1, 1.5), (1, EXACT + 2), (1, math.nan), (2, 3), (2, 0.5),
     (2, -1), (2, math.nan), (3, math.nan), (3, math.inf), (4, -math.inf)],
)  # fmt: skip
def test_a_matrix_with_a_wrong_cell_names_it(place: int, value: float) -> None:
    """Field and row."""
    row: list[float] = [1.5, 3, 1, 1, 7]
    row[place] = value
    with pytest.raises(InvalidInput) as caught:
        matrix([1.5, 3, 1, 1, 7], row)
    assert (caught.value.field, caught.value.row) == (SIGNATURE.features[place].name, 1)


def test_whole_numbers_of_64_bits_are_read_exactly() -> None:
    """2^53 + 1 is no float64; the check looks at the integer itself."""
    with pytest.raises(InvalidInput):
        reader().matrix(np.array([[1, 2**53 + 1, 0, 0, 1]], "<i8"))
