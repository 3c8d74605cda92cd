"""Counting all columns at once says what `Column.count` says of each, for every float32 there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitoring.detect.count import ROWS, Counter
from monitoring.errors import DetectError
from registry.reference import Column, category_column, number_column

TINY, HUGE = np.float32(1e-45), np.finfo(np.float32).max
SPECIAL = [
    0.0, -0.0, float(TINY), -float(TINY), 1.0, float(np.nextafter(np.float32(1), np.float32(2))), 2.0, 3.0, -1.0, 0.5,
    254.0, 255.0, 256.0, 1e30, float(HUGE), -float(HUGE), float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True) | st.sampled_from(SPECIAL)


def numbers(rows: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, st.integers(1, rows), elements=VALUES)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    made = []
    for place in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            made.append(number_column(str(place), draw(numbers(60)), draw(st.sampled_from([2, 8, 1024]))))
        else:
            made.append(category_column(str(place), np.zeros(1, np.float32), draw(st.integers(1, 300))))
    return tuple(made)


def expected(chosen: tuple[Column, ...], block: np.ndarray) -> np.ndarray:
    return np.concatenate([column.count(block[:, place]) for place, column in enumerate(chosen)])


@settings(max_examples=300, deadline=None)
@given(columns(), st.data())
def test_all_columns_at_once_are_each_column_alone(chosen: tuple[Column, ...], data: st.DataObject) -> None:
    """Exactly equal, whatever the values: NaN, infinities, both zeros, subnormals, edges, strange codes."""
    edges = [float(edge) for column in chosen for edge in column.edges] or [0.0]
    near = [float(np.nextafter(np.float32(edge), np.float32(way))) for edge in edges for way in (-1e38, 1e38)]
    block = data.draw(
        hnp.arrays(
            np.float32,
            st.tuples(st.integers(0, 40), st.just(len(chosen))),
            elements=VALUES | st.sampled_from([*edges, *near]),
        )
    )
    before = block.tobytes()
    assert (Counter(chosen).count(block) == expected(chosen, block)).all()
    assert block.tobytes() == before, "the rows that are counted are somebody else's"


def test_every_upper_half_of_a_float_is_counted_in_its_place() -> None:
    """All 65,536 upper halves with several lower halves each, beside edges of every size."""
    random = np.random.default_rng(1)
    bits = random.integers(0, 1 << 32, 60_000, dtype=np.uint32)
    chosen = (
        number_column("all bits", bits.view(np.float32)),
        number_column("one octave", (1000 + random.random(60_000)).astype(np.float32)),
        category_column("code", np.zeros(1, np.float32), 1000),
    )
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    for lower in (0, 1, 0x8000, 0xFFFF):
        values = (halves | np.uint32(lower)).view(np.float32)
        block = np.stack([values, values, values], axis=1)
        assert (Counter(chosen).count(block) == expected(chosen, block)).all()


def test_a_zero_with_a_sign_is_a_zero_as_an_edge_too() -> None:
    """A package may be made elsewhere: its edges and its least value may be -0.0."""
    zero = np.float32(-0.0)
    column = Column("x", "number", zero, np.array([zero, 1], np.float32), np.array([1, 1], np.uint64))
    block = np.array([[0.0], [-0.0], [float(TINY)], [-float(TINY)], [1.0], [2.0]], np.float32)
    assert (Counter((column,)).count(block) == column.count(block[:, 0])).all()


@pytest.mark.parametrize("rows", [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 7])
def test_blocks_of_any_length_and_layout_are_counted(rows: int) -> None:
    """Empty, one row, around the size of a part; also when the memory lies column by column or backwards."""
    random = np.random.default_rng(rows)
    table = random.standard_normal((5000, 3)).astype(np.float32)
    chosen = tuple(number_column(str(place), table[:, place]) for place in range(3))
    block = (2 * random.standard_normal((rows, 3))).astype(np.float32)
    counter = Counter(chosen)
    for laid in (block, np.asfortranarray(block), block[::-1], block.astype(">f4").astype(np.float32)):
        counted = counter.count(laid)
        assert counted.dtype == np.int64
        assert counted.sum() == 3 * rows
        assert (counted == expected(chosen, laid)).all()


def test_a_wide_model_has_a_smaller_guide_and_the_same_counts() -> None:
    """3,000 columns: fewer bits of the guide, more steps of the search, nothing else."""
    random = np.random.default_rng(2)
    table = (50 + random.standard_normal((300, 3000))).astype(np.float32)
    chosen = tuple(number_column(str(place), table[:, place], 64) for place in range(3000))
    counter = Counter(chosen)
    assert counter._tables.bits == 10
    assert counter._tables.guide.nbytes <= 32 << 20
    block = (50 + 2 * random.standard_normal((50, 3000))).astype(np.float32)
    block[::7, ::5] = np.nan
    assert (counter.count(block) == expected(chosen, block)).all()


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((3, 2), np.float64),
        np.zeros((3, 3), np.float32),
        np.zeros(2, np.float32),
        np.zeros((1, 2), ">f4"),
    ],
)
def test_rows_of_another_type_or_width_are_refused(block: np.ndarray) -> None:
    """Rounding or misreading a row would be drift of our own making."""
    column = number_column("x", np.zeros(10, np.float32))
    with pytest.raises(DetectError, match=r"not float32 \[n, 2\]"):
        Counter((column, column)).count(block)
