"""The reference profile: bins hold what they say, panes add up, and KS at the edges is within its bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ks_2samp

from audit.proof import cbor
from registry.errors import PackageError, PublishError
from registry.reference import (
    EXTRA,
    Column,
    Reference,
    build,
    category_column,
    decode,
    dkw_radius,
    number_column,
)
from registry.signature import Feature, Signature

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
COARSE = st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.5, 7.0, float("nan"), float("inf"), -float("inf")])
VALUES = hnp.arrays(np.float32, st.integers(1, 300), elements=FLOATS | COARSE)


def upper_bounds(column: Column, values: np.ndarray) -> tuple[float, float]:
    """KS distance at the edges between the reference's finite values and `values`, and its slack."""
    ours, theirs = column.counts.astype(float), column.count(values)
    bins = len(column.counts)
    below, above = theirs[bins + 3], theirs[bins + 4]
    finite = theirs[:bins].sum() + below + above
    left = np.cumsum(ours) / ours.sum()
    right = (below + np.cumsum(theirs[:bins])) / finite
    with np.errstate(over="ignore"):
        before = np.nextafter(column.edges, -np.float32(np.inf))
    atoms = np.concatenate([[column.minimum], column.edges[:-1]]) == before
    atoms[0] = column.minimum == column.edges[0]
    shared = np.where(atoms, 0, ours).max() / ours.sum()
    return max(np.abs(left - right).max(), below / finite), shared


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from([4, 16, 1024]))
def test_every_value_is_counted_once_and_as_what_it_is(values: np.ndarray, bins: int) -> None:
    """A profile counts its own table exactly: no value below, above, lost or in two bins."""
    column = number_column("x", values, bins)
    counted = column.count(values)
    assert counted.sum() == len(values)
    assert (counted == column.reference_counts()).all()


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from([4, 16, 1024]))
def test_shared_bins_hold_at_most_their_share_and_atoms_stand_alone(values: np.ndarray, bins: int) -> None:
    """A value with more than 1/B of the mass has its own bin; no other bin holds more than 1/B."""
    column = number_column("x", values, bins)
    finite = values[np.isfinite(values)] + np.float32(0)
    share = len(finite) / bins
    distinct, sizes = np.unique(finite, return_counts=True)
    for value, size in zip(distinct, sizes, strict=True):
        place = int(np.searchsorted(column.edges, value))
        if size > share:
            assert column.counts[place] == size
            assert column.edges[place] == value
        else:
            assert column.counts[place] <= share
    assert (np.diff(column.edges) > 0).all()


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES, st.sampled_from([4, 64, 1024]))
def test_ks_at_the_edges_is_within_the_largest_shared_bin_of_the_truth(
    table: np.ndarray, live: np.ndarray, bins: int
) -> None:
    """The distance over all values lies between the one at the edges and that plus the largest shared bin."""
    column = number_column("x", table, bins)
    theirs, ours = live[np.isfinite(live)], table[np.isfinite(table)]
    if not len(theirs) or not len(ours):
        return
    with np.errstate(all="ignore"):  # its p-value, which is not looked at, divides by zero for tiny samples
        truth = ks_2samp(ours + np.float32(0), theirs + np.float32(0), method="asymp").statistic
    at_edges, shared = upper_bounds(column, live)
    assert at_edges - 1e-9 <= truth <= at_edges + shared + 1e-9


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_counts_of_panes_add_up(table: np.ndarray, one: np.ndarray, two: np.ndarray) -> None:
    """Counting two panes and adding is counting both at once."""
    column = number_column("x", table, 16)
    assert (column.count(one) + column.count(two) == column.count(np.concatenate([one, two]))).all()


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(
        np.float32, st.integers(1, 60), elements=st.sampled_from([0, 1, 2, 3, -1, 0.5, np.nan, np.inf])
    )
)
def test_categories_are_counted_by_code_and_everything_else_is_unseen_or_missing(codes: np.ndarray) -> None:
    """Three categories: 0, 1 and 2; NaN is missing; any other number is unseen."""
    counts = category_column("x", codes, 3).count(codes)
    assert len(counts) == 3 + len(EXTRA)
    assert [int((codes == code).sum()) for code in range(3)] == counts[:3].tolist()
    assert counts[3] == np.isnan(codes).sum()
    assert counts[8] == (~np.isnan(codes) & ~np.isin(codes, [0, 1, 2])).sum()


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.just(200), st.just(2)), elements=FLOATS | COARSE),
    st.integers(169, 199) | st.none(),
)
def test_a_reference_survives_its_file(table: np.ndarray, held_out: int | None) -> None:
    """Encoding and decoding changes no edge and no count, whosoever the scores are."""
    signature = Signature(
        name="m",
        task="regression",
        features=(Feature(name="a", type="number"), Feature(name="b", type="number")),
    )
    scores = np.nan_to_num(table[:, :1], posinf=1, neginf=0)
    reference = build(table, scores[:held_out], signature, held_out=held_out is not None)
    assert (reference.rows, reference.score_rows) == (200, held_out)
    again = decode(reference.encode())
    assert again.encode() == reference.encode()
    assert isinstance(again, Reference)
    assert [column.name for column in (*again.features, *again.scores)] == ["a", "b", "value"]


def test_too_few_rows_are_refused_with_the_number_that_is_needed() -> None:
    """A reference that cannot tell drift from chance is not made."""
    signature = Signature(name="m", task="regression", features=(Feature(name="a", type="number"),))
    rows = np.zeros((100, 1), np.float32)
    with pytest.raises(PublishError, match="at least 169"):
        build(rows, rows, signature)
    assert build(np.zeros((169, 1), np.float32), np.zeros((169, 1), np.float32), signature).rows == 169


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"score_rows": 180}, "the counts do not add up to 180 rows"),
        ({"score_rows": 0}, "0 of scores"),
        ({"score_rows": "170"}, "score_rows is not a count"),
        ({"format": 1}, "missing or unknown: score_rows"),
        ({"format": 3}, "format 3 is not known"),
        ({"format": True}, "format True is not known"),
        ({"rows": 170}, "the counts do not add up to 170 rows"),
        ({"radius": np.float64(dkw_radius(200)).tobytes()}, "the radius is not that of 170 rows"),
    ],
)
def test_a_held_out_reference_that_does_not_add_up_is_refused(changed: dict[str, object], says: str) -> None:
    """Readers hold it to its own numbers."""
    signature = Signature(name="m", task="regression", features=(Feature(name="a", type="number"),))
    rows = np.arange(200, dtype=np.float32)[:, None]
    whole = cbor.decode(build(rows, rows[:170], signature, held_out=True).encode(), "x")
    with pytest.raises(PackageError, match=says):
        decode(cbor.encode(whole | changed))


def test_the_radius_is_the_one_of_the_literature() -> None:
    """The figures of the design: 0.009 at 50,000 rows, 0.062 at 1,000."""
    assert dkw_radius(50_000) == pytest.approx(0.009, abs=5e-4)
    assert dkw_radius(1_000) == pytest.approx(0.062, abs=5e-4)
