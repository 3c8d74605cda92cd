"""Lines: what order the counts are put in, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.detect.lines import Lines
from monitoring.errors import DetectError
from registry.reference import Column, category_column, number_column

NAN, INF = float("nan"), float("inf")


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_number_lies_from_minus_infinity_to_missing() -> None:
    """-inf, below, bins, above, +inf, missing: each is at or after all that is smaller."""
    column = number_column("x", floats(1, 2, 3, INF))
    lines = Lines([column])
    line = lines.take(column.count(floats(-INF, 0, 0, 1, 2, 2, 2, 3, 9, INF, INF, NAN)))
    assert lines.cumulative(line)[[0, 1]].tolist() == [1, 3]
    assert line[-4:].tolist() == [1, 2, 0, 1]
    assert line.sum() == 12


def test_categories_lie_by_their_share_of_the_reference_then_unseen_then_missing() -> None:
    """Ties keep the order of the codes; the order is the reference's, not the window's."""
    column = category_column("c", floats(0, 1, 1, 1, 2, 2, 3), 4)
    lines = Lines([column])
    assert lines.reference[:4].tolist() == [3, 2, 1, 1]
    line = lines.take(column.count(floats(0, 0, 0, 0, 3, 7, NAN, NAN)))
    assert line[:4].tolist() == [0, 0, 4, 1]
    assert line[-2:].tolist() == [1, 2]


def test_cumulative_sums_begin_anew_with_each_column() -> None:
    """Two columns side by side are each what it is alone."""
    table = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    columns = [number_column("a", table[:, 0]), category_column("b", floats(0, 1, 1), 2)]
    counts = [columns[0].count(table[:, 1]), columns[1].count(floats(1, 1, 5))]
    both = Lines(columns)
    line = both.take(np.concatenate(counts))
    for place, (column, own) in enumerate(zip(columns, counts, strict=True)):
        alone = Lines([column])
        assert (both.cumulative(line)[both.part(place)] == alone.cumulative(alone.take(own))).all()
        assert both.totals(line)[place] == own.sum()
        assert (both.share[both.part(place)] == alone.share).all()
    assert (both.slack == [1 / 500, 0]).all() or both.slack[1] == 0


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (np.zeros(11, np.int32), r"int32 \[11\], and not int64 \[11\]"),
        (np.zeros(8, np.int64), r"int64 \[8\], and not int64 \[11\]"),
        (np.full(11, -1, np.int64), "-1 is below zero"),
    ],
)
def test_counts_that_are_none_are_refused(counts: np.ndarray, said: str) -> None:
    """Counts of another reference would be drift that nobody could find."""
    with pytest.raises(DetectError, match=said):
        Lines([number_column("x", floats(1, 2, 3))]).take(counts)


def test_a_reference_without_rows_is_refused() -> None:
    """Nothing can be compared with nothing."""
    empty = Column("x", "number", np.float32(0), floats(), np.empty(0, np.uint64))
    with pytest.raises(DetectError, match="'x' counts no rows"):
        Lines([empty])


def test_no_columns_are_no_figures() -> None:
    """A model's scores may all be left out of a policy."""
    lines = Lines([])
    assert lines.take(np.empty(0, np.int64)).size == 0
    assert lines.totals(np.empty(0, np.int64)).size == 0
