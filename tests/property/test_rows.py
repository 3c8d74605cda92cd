"""Mixed rows, whatever their cells: the fast way gives the bytes of the precise one, or leaves it to refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.signature import Feature, Signature
from service.errors import InvalidInput
from service.rows import EXACT, RowReader

SIGNATURE = Signature(
    name="m",
    task="regression",
    features=(
        Feature(name="size", type="number"),
        Feature(name="count", type="integer"),
        Feature(name="colour", type="category", categories=("x", "y")),
        Feature(name="maker", type="category", categories=("a", "b"), unknown="missing"),
        Feature(name="age", type="number", missing=True),
    ),
)
LETTERS = Signature(
    name="letters",
    task="regression",
    features=tuple(
        Feature(name=name, type="category", categories=("x", "y")) for name in ("first", "second")
    ),
)
CELLS = (
    st.none() | st.booleans() | st.integers() | st.sampled_from([EXACT, EXACT + 1, 1e39, -0.0, "x", "a", "?"])
) | st.floats(allow_nan=False, allow_infinity=False)
GOOD = st.fixed_dictionaries(
    {
        "size": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "count": st.integers(-EXACT, EXACT),
        "colour": st.sampled_from("xy"),
        "maker": st.sampled_from("ab?"),
        "age": st.none() | st.integers(0, 100),
    }
)
NAMES = tuple(feature.name for feature in SIGNATURE.features)
ROWS = (
    GOOD
    | GOOD.map(lambda row: list(row.values()))
    | st.lists(CELLS, max_size=6)
    | st.dictionaries(st.sampled_from((*NAMES, "other")), CELLS)
    | st.text("xyab", max_size=6)
    | CELLS
)


def told(own: RowReader, rows: list[Any], *, precise: bool) -> object:
    """What comes of it: the rows, or the refusal's words and place."""
    try:
        return own._precise(rows) if precise else own.read(rows, json.dumps(rows).encode())
    except InvalidInput as refused:
        return str(refused), refused.field, refused.row


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_both_ways_say_the_same_of_any_rows(rows: list[Any]) -> None:
    """The same bytes, or the same refusal of the same cell."""
    own = RowReader(SIGNATURE, 10)
    assert told(own, rows, precise=False) == told(own, rows, precise=True)


@given(
    st.lists(st.text("xy", max_size=3) | st.lists(st.sampled_from("xy"), max_size=3), min_size=1, max_size=3)
)
@example(["xy"])
def test_text_is_no_row_of_categories(rows: list[Any]) -> None:
    """Text has letters one after the other, as a row has categories; it is refused all the same."""
    own = RowReader(LETTERS, 10)
    assert told(own, rows, precise=False) == told(own, rows, precise=True)
    if any(isinstance(row, str) for row in rows):
        with pytest.raises(InvalidInput):
            own.read(rows, b"")
