"""Figures from counts, for any data: KS bounds hold the truth, sums are exact, nothing is NaN, states survive."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ks_2samp

from monitoring.detect.edges import choose_edges
from monitoring.detect.figures import Detector
from monitoring.detect.ks import bounds
from monitoring.detect.limits import Limits
from monitoring.detect.lines import Lines
from registry.reference import Column, Reference, category_column, number_column

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
COARSE = st.sampled_from([-2.0, 0.0, 1.0, 1.5, 7.0, float("nan"), float("inf"), -float("inf")])
VALUES = hnp.arrays(np.float32, st.integers(1, 200), elements=FLOATS | COARSE)
LIMITS = Limits(warn_delta="auto", page_delta="auto")


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Float64 in the order of the line: -inf, numbers, +inf, missing."""
    wide = values.astype(np.float64) + 0.0
    return np.where(np.isnan(wide), 1e300, np.clip(wide, -1e200, 1e200))


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, st.sampled_from([4, 64, 1024]))
def test_the_distance_over_all_values_lies_between_the_bounds(
    table: np.ndarray, live: np.ndarray, bins: int
) -> None:
    """Infinities and missing values included, whatever the two samples are."""
    column = number_column("x", table, bins)
    found = bounds(Lines([column]), column.count(live))
    with np.errstate(all="ignore"):  # its p-value divides by zero for tiny samples
        truth = ks_2samp(as_numbers(table), as_numbers(live), method="asymp").statistic
    assert found.lower[0] - 1e-9 <= truth <= found.upper[0] + 1e-9
    assert found.upper[0] - found.lower[0] <= max(1 / bins, 0) + 1e-12


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    made = []
    for place in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            made.append(number_column(str(place), draw(VALUES), draw(st.sampled_from([4, 1024]))))
        else:
            codes = draw(
                hnp.arrays(np.float32, st.integers(1, 50), elements=st.sampled_from([0, 1, 2, 5, np.nan]))
            )
            made.append(category_column(str(place), codes, draw(st.integers(1, 30))))
    return tuple(made)


def counted(chosen: tuple[Column, ...], draw: st.DataObject) -> np.ndarray:
    panes = [draw.draw(hnp.arrays(np.float32, st.integers(0, 60), elements=FLOATS | COARSE)) for _ in chosen]
    return np.concatenate([column.count(pane) for column, pane in zip(chosen, panes, strict=True)])


@settings(max_examples=150, deadline=None)
@given(columns(), st.data())
def test_every_figure_is_a_number_in_its_range_and_every_state_survives(
    chosen: tuple[Column, ...], data: st.DataObject
) -> None:
    """Any columns, any panes, empty ones too: no NaN, bounds in order, the same bits after storing."""
    detector = Detector(chosen, Reference(1_000, chosen, ()), LIMITS)
    state = again = detector.start()
    window = np.zeros(detector.lines.size, np.int64)
    for _ in range(data.draw(st.integers(1, 3))):
        pane = counted(chosen, data)
        window += pane
        state = detector.step(state, pane)
        again = detector.step(detector.decode(detector.encode(again)), pane)
    assert detector.encode(state) == detector.encode(again)
    for one in detector.figures(state, window):
        assert 0 <= one.ks_lower <= one.ks_upper <= 1
        assert one.psi >= 0
        assert one.psi_debiased <= one.psi
        assert one.effect >= 1
        assert math.isfinite(one.log_e_warn)
        assert math.isfinite(one.log_e_page)
        for share in (one.missing, one.out_of_range, one.unseen):
            assert 0 <= share <= 1 + 1e-12


@settings(max_examples=150, deadline=None)
@given(columns(), st.data())
def test_edges_are_where_the_cumulative_sums_say(chosen: tuple[Column, ...], data: st.DataObject) -> None:
    """At least one edge a column, ascending, none at the end of its line; sums of stretches are exact."""
    lines = Lines(chosen)
    edges = choose_edges(lines)
    counts = counted(chosen, data)
    below, rows = edges.below(lines, counts)
    line = lines.take(counts)
    assert (below == lines.cumulative(line)[edges.cells]).all()
    assert (rows == lines.totals(line)).all()
    for place in range(len(chosen)):
        own = edges.cells[edges.column == place]
        assert len(own) >= 1
        assert (np.diff(own) > 0).all()
        assert own[-1] < lines.part(place).stop - 1
