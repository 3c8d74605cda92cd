"""The e-detector: its edges, its formula, its tolerance, its restart and its state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.detect.edetector import ALTERNATIVES, EDetector, choose_delta
from monitoring.detect.edges import Edges, choose_edges
from monitoring.detect.lines import Lines
from monitoring.errors import DeltaRefused, DetectError, MonitoringError
from registry.reference import Column, Reference, category_column, number_column
from tests.unit.monitoring.detect.drawn import drawn

NAN, INF = float("nan"), float("inf")


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def setting(column: Column, delta: float = 0.05) -> tuple[Lines, Edges, EDetector]:
    lines = Lines([column])
    edges = choose_edges(lines)
    return lines, edges, EDetector(edges, delta, run=1_000)


def log_e(column: Column, panes: list[np.ndarray], delta: float = 0.05) -> float:
    """After these panes, with a threshold that nothing reaches."""
    lines = Lines([column])
    edges = choose_edges(lines)
    detector = EDetector(edges, delta, run=math.inf)
    state, step = detector.start(), None
    for pane in panes:
        step = detector.step(state, *edges.below(lines, column.count(pane)), np.ones(1))
        state = step.state
    assert step is not None
    return float(step.log_e[0])


# ---------------------------------------------------------------- edges


def test_the_edges_of_a_smooth_column_are_nineteen_quantiles() -> None:
    """5 %, 10 %, … 95 %, each to within half a bin."""
    _, edges, _ = setting(number_column("x", drawn("normal", 50_000, 1)))
    assert edges.share == pytest.approx(np.arange(1, 20) / 20, abs=0.0005)


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([7.0] * 9, [0, 1]),
        ([0.0] * 7 + [1.0] * 3, [0, 0.7, 1]),
        ([0.0] * 5 + [NAN] * 5, [0, 0.5]),
        ([NAN] * 9, [0]),
        ([INF] * 4 + [1.0] * 4, [0, 0.5, 1]),
    ],
)
def test_atoms_have_the_edges_that_they_have(values: list[float], shares: list[float]) -> None:
    """Their own shares, each once; 0 and 1 too, but never the end of the line."""
    lines, edges, _ = setting(number_column("x", floats(*values)))
    assert edges.share.tolist() == shares
    assert (edges.cells < lines.size - 1).all()


def test_below_is_the_cumulative_sum_at_the_edges() -> None:
    """Three columns of different lengths at once: the sums of stretches are those of single cells."""
    table = np.random.default_rng(5).standard_normal((3_000, 2)).astype(np.float32)
    columns = [
        number_column("a", table[:, 0]), number_column("b", np.full(9, 7, np.float32)),
        category_column("c", floats(0, 1, 1, 2), 3),
    ]  # fmt: skip
    lines = Lines(columns)
    edges = choose_edges(lines)
    pane = np.concatenate([
        columns[0].count(table[:500, 1]), columns[1].count(floats(6, 7, 7, 8, NAN)), columns[2].count(floats(2, 9))
    ])  # fmt: skip
    below, rows = edges.below(lines, pane)
    assert rows.tolist() == [500, 5, 2]
    assert (below == lines.cumulative(lines.take(pane))[edges.cells]).all()
    assert below[edges.column == 1].tolist() == [1, 3]


# ---------------------------------------------------------------- the statistic


def test_the_statistic_is_its_formula() -> None:
    """Edges at 0.7 and 1, two panes, every pair by hand, without logarithms."""
    column = category_column("c", np.repeat(floats(0, 1), [7, 3]), 2)
    panes = [np.repeat(floats(0, 1, NAN), counts) for counts in ([5, 4, 1], [3, 6, 1])]
    values = []
    for share in (0.7, 1):
        for side in (1, -1):
            for alternative in ALTERNATIVES:
                p = share + side * 0.05
                q = p + side * alternative
                if not 0.001 < q < 0.999:
                    continue
                mean = 0.0
                for k, n in {0.7: ((5, 10), (3, 10)), 1: ((9, 10), (9, 10))}[share]:
                    mean = (mean + 1) * (q / p) ** k * ((1 - q) / (1 - p)) ** (n - k)
                values.append(mean)
    assert len(values) == 6 + 3
    assert log_e(column, panes) == pytest.approx(math.log(sum(values) / len(values)), rel=1e-12)


def test_an_alternative_that_one_row_would_decide_is_left_out() -> None:
    """At r = 0.0805 and δ = 0.05 the lower one is 0.0005, the others below zero: the three upper ones remain."""
    one = np.zeros(1, np.intp)
    assert EDetector(Edges(one, np.array([0.0805]), one, one, one), 0.05, 1_000).size == 3
    assert EDetector(Edges(one, np.array([0.0815]), one, one, one), 0.05, 1_000).size == 4


def test_a_design_effect_divides_the_evidence() -> None:
    """What four panes of a quarter of the rows' worth say together, one says with an effect of 1 / 4."""
    column = number_column("x", drawn("normal", 20_000, 1))
    lines, edges, detector = setting(column)
    below, rows = edges.below(lines, column.count(drawn("normal", 400, 2) + np.float32(0.5)))
    with_effect = detector.step(detector.start(), below, rows, np.full(1, 4.0))
    quarter = detector.step(detector.start(), below // 4 * 1, rows // 4, np.ones(1))
    assert with_effect.log_e[0] == pytest.approx(quarter.log_e[0], abs=0.6)
    assert with_effect.log_e[0] < detector.step(detector.start(), below, rows, np.ones(1)).log_e[0]


def test_drift_within_the_tolerance_is_no_evidence_however_long_it_lasts() -> None:
    """A shift of D = 0.04 for 200,000 rows: nothing at δ = 0.05, an alarm at δ = 0.02."""
    column = number_column("x", drawn("uniform", 200_000, 1))
    panes = [np.clip(drawn("uniform", 1_000, seed) + np.float32(0.04), 0, 1) for seed in range(2, 202)]
    assert log_e(column, panes, 0.05) < math.log(1_000)
    assert log_e(column, panes, 0.02) > 100


@pytest.mark.parametrize(
    ("reference", "live"),
    [
        ([7.0] * 500, [8.0]), ([7.0] * 500, [6.0]), ([7.0] * 500, [NAN]), ([7.0] * 500, [INF]), ([NAN] * 500, [1.0]),
        ([1.0, 2.0] * 250, [NAN, 1.0, 2.0, 2.0]), ([1.0, 2.0] * 250, [1.5]), ([1.0, 2.0] * 250, [-INF, 1.0, 2.0, 2.0]),
    ],
)  # fmt: skip
def test_what_atoms_become_is_seen(reference: list[float], live: list[float]) -> None:
    """A constant that rises, falls, goes missing or infinite; a gap that fills: all within one pane of 400."""
    column = number_column("x", floats(*reference))
    quiet = np.resize(floats(*reference), 400)
    assert log_e(column, [quiet] * 20) < 5
    assert log_e(column, [quiet] * 20 + [np.resize(floats(*live), 400)]) > 15


def test_categories_that_change_are_seen_whichever_they_are() -> None:
    """A swap of two codes next to each other, a new code, a code that vanishes, none at all."""
    column = category_column("c", np.repeat(floats(0, 1, 2, 3), [400, 300, 200, 100]), 4)
    quiet = np.repeat(floats(0, 1, 2, 3), [160, 120, 80, 40])
    assert log_e(column, [quiet] * 20) < 5
    for counts in ([120, 160, 80, 40], [160, 120, 40, 80], [160, 120, 80, 0], [0, 120, 80, 40]):
        live = np.append(np.repeat(floats(0, 1, 2, 3), counts), np.full(400 - sum(counts), 9, np.float32))
        assert log_e(column, [quiet] * 3 + [live] * 10) > 12, counts


# ---------------------------------------------------------------- alarm, restart, state


def test_an_alarm_begins_that_column_anew_and_no_other() -> None:
    """Threshold ln(run · columns); the statistic of the step is the one before the restart."""
    table = np.random.default_rng(6).standard_normal((20_000, 2)).astype(np.float32)
    columns = [number_column("a", table[:, 0]), number_column("b", table[:, 1])]
    lines = Lines(columns)
    edges = choose_edges(lines)
    detector = EDetector(edges, 0.05, run=1_000)
    assert detector.threshold == pytest.approx(math.log(2_000))
    pane = np.concatenate([columns[0].count(table[:500, 0] + 1), columns[1].count(table[:500, 1])])
    step = detector.step(detector.start(), *edges.below(lines, pane), np.ones(2))
    assert step.alarm.tolist() == [True, False]
    assert step.log_e[0] >= detector.threshold > step.log_e[1]
    assert np.isneginf(detector.log_e(step.state)[0])
    assert detector.log_e(step.state)[1] == step.log_e[1]
    quiet = np.concatenate([columns[0].count(table[:500, 0]), columns[1].count(table[:500, 1])])
    assert detector.step(step.state, *edges.below(lines, quiet), np.ones(2)).alarm.tolist() == [False, False]


def test_a_state_is_frozen_and_comes_back_bit_by_bit() -> None:
    """Stored as float64 and read again, the next pane gives the same bits; -inf included."""
    column = number_column("x", drawn("normal", 20_000, 1))
    lines, edges, detector = setting(column)
    state = detector.start()
    for seed in range(5):
        pane = column.count(drawn("normal", 250, seed))
        again = detector.restore(np.frombuffer(state.tobytes(), "<f8"))
        one, two = (detector.step(each, *edges.below(lines, pane), np.ones(1)) for each in (state, again))
        assert one.state.tobytes() == two.state.tobytes()
        state = one.state
        with pytest.raises(ValueError, match="read-only"):
            state[0] = 0


def test_an_empty_pane_is_a_look_without_news() -> None:
    """L = 1: M grows by one, and nothing divides by zero."""
    column = number_column("x", drawn("normal", 20_000, 1))
    assert log_e(column, [floats(), floats(), floats()]) == pytest.approx(math.log(3))


@pytest.mark.parametrize("numbers", [[0.0], [], [NAN], [INF]])
def test_a_state_that_is_none_is_refused(numbers: list[float]) -> None:
    """Of another reference or δ, or damaged."""
    detector = setting(number_column("x", floats(*[7.0] * 500)))[2]
    if numbers and not math.isfinite(numbers[0]):
        numbers = numbers * detector.size
    with pytest.raises(DetectError, match="log e-values"):
        detector.restore(numbers)


# ---------------------------------------------------------------- delta


def test_a_tolerance_below_what_the_reference_supports_is_refused_with_the_reason() -> None:
    """1,000 rows know their distribution to ±0.062: δ = 0.05 takes 1,521; the error says so."""
    small = Reference(1_000, (), ())
    with pytest.raises(DeltaRefused, match=r"±0\.0616.*1,521 rows.*`auto`") as caught:
        choose_delta(0.05, 0.05, small)
    assert isinstance(caught.value, MonitoringError)
    assert isinstance(caught.value, ValueError)
    assert Reference(1_521, (), ()).radius <= 0.05 < Reference(1_520, (), ()).radius
    assert choose_delta(0.05, 0.05, Reference(1_521, (), ())) == 0.05


def test_scores_of_fewer_rows_than_the_table_decide() -> None:
    """One tolerance holds for features and scores: the hold-out is what has to be larger."""
    mixed = Reference(50_000, (), (), score_rows=1_000)
    assert mixed.radius == Reference(1_000, (), ()).radius
    with pytest.raises(DeltaRefused, match=r"it takes a hold-out of 1,521 rows"):
        choose_delta(0.05, 0.05, mixed)
    assert Reference(1_000, (), (), score_rows=50_000).radius == mixed.radius


def test_auto_takes_the_smallest_tolerance_that_the_reference_supports() -> None:
    """But none below the level's own."""
    assert choose_delta("auto", 0.03, Reference(1_000, (), ())) == Reference(1_000, (), ()).radius
    assert choose_delta("auto", 0.03, Reference(50_000, (), ())) == 0.03


@pytest.mark.parametrize("delta", [0.0, -0.1, 0.5, 2.0, NAN])
def test_a_tolerance_that_is_no_distance_is_refused(delta: float) -> None:
    """At 0.5 everything is tolerated, at 0 nothing is."""
    with pytest.raises(DetectError, match="delta"):
        choose_delta(delta, 0.03, Reference(50_000, (), ()))
    with pytest.raises(DetectError, match="delta"):
        setting(number_column("x", floats(1, 2, 3)), delta)
