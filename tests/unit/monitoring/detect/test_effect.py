"""Design effects: one for independent records, more for bursts, and no excuse for drift."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.detect.edges import choose_edges
from monitoring.detect.effect import MEMORY, Effects, EffectState
from monitoring.detect.lines import Lines
from monitoring.errors import DetectError
from tests.unit.monitoring.detect.drawn import normal_reference

WIDTH = 8
COLUMNS, _ = normal_reference(WIDTH)
LINES = Lines(COLUMNS)
EDGES = choose_edges(LINES)
EFFECTS = Effects(EDGES)


def after(blocks: list[np.ndarray], state: EffectState | None = None) -> EffectState:
    state = state or EFFECTS.start()
    for block in blocks:
        counts = np.concatenate([column.count(block[:, place]) for place, column in enumerate(COLUMNS)])
        state = EFFECTS.step(state, *EDGES.below(LINES, counts))
    return state


def quiet(panes: int, seed: int, rows: int = 250, repeats: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        np.repeat(random.standard_normal((rows // repeats, WIDTH)), repeats, axis=0).astype(np.float32)
        for _ in range(panes)
    ]


def test_independent_records_have_an_effect_of_one() -> None:
    """Exactly one, but for a column in twenty: what chance reaches is no effect."""
    found = EFFECTS.effect(after(quiet(150, 1)))
    assert (found == 1).sum() >= WIDTH - 1
    assert found.mean() < 1.1
    assert (EFFECTS.effect(EFFECTS.start()) == 1).all()


@pytest.mark.parametrize("repeats", [5, 25])
def test_records_that_come_several_times_have_that_effect(repeats: int) -> None:
    """Each record in a burst of 5 or 25: the variance between panes is that much larger."""
    found = EFFECTS.effect(after(quiet(200, 2, repeats=repeats)))
    assert found.mean() == pytest.approx(repeats, rel=0.25)


def test_edges_at_which_nothing_varies_are_in_no_mean() -> None:
    """Live has two values, with a third of the edges between them: at the others there are no bursts, and no calm."""
    random, panes = np.random.default_rng(9), []
    for _ in range(200):
        own = np.where(random.random((10, WIDTH)) < 0.5, -0.4, 0.4)
        panes.append(np.repeat(own, 25, axis=0).astype(np.float32))
    assert EFFECTS.effect(after(panes)).mean() == pytest.approx(25, rel=0.25)


def test_drift_that_stays_is_one_difference_only() -> None:
    """A shift of one σ for good raises the effect for a while, and it falls back to one."""
    shifted = [block + np.float32(1) for block in quiet(4 * MEMORY, 4)]
    state = after(quiet(MEMORY, 3))
    at_once = after(shifted[:1], state)
    assert EFFECTS.effect(at_once).mean() < 3
    assert EFFECTS.effect(after(shifted[1:], at_once)).mean() < 1.15


def test_empty_panes_and_columns_that_do_not_vary_teach_nothing() -> None:
    """No rows, or all at one place: no division by zero, and the mean stays."""
    state = after(quiet(20, 5))
    nothing = after([np.empty((0, WIDTH), np.float32)], state)
    assert (EFFECTS.numbers(nothing) == EFFECTS.numbers(state)).all()
    bursts = after(quiet(20, 5, repeats=25))
    far = after([np.full((250, WIDTH), 1e9, np.float32)], bursts)
    still = after([np.full((250, WIDTH), 1e9, np.float32)] * 9, far)
    assert (EFFECTS.effect(still) == EFFECTS.effect(far)).all()


def test_what_is_long_ago_is_forgotten() -> None:
    """Bursts that begin after a long quiet are measured as soon as those after a short one."""
    quickly, slowly = (after(quiet(panes, 10)) for panes in (MEMORY, 6 * MEMORY))
    for state in (quickly, slowly):
        assert EFFECTS.effect(after(quiet(MEMORY, 11, repeats=10), state)).mean() > 5
    assert (slowly.panes == MEMORY).all()


def test_panes_of_different_sizes_are_compared_by_their_shares() -> None:
    """50 rows beside 1,000: the effect is still about one."""
    mixed = [block for pair in zip(quiet(60, 6, 50), quiet(60, 7, 1000), strict=True) for block in pair]
    assert EFFECTS.effect(after(mixed)).mean() < 1.15


def test_a_state_comes_back_bit_by_bit_and_stays_as_large() -> None:
    """Bounded: as many numbers after a thousand panes as before the first."""
    state = after(quiet(30, 8))
    numbers = EFFECTS.numbers(state)
    again = EFFECTS.restore(np.frombuffer(numbers.tobytes(), "<f8"))
    block = quiet(1, 9)
    assert EFFECTS.numbers(after(block, again)).tobytes() == EFFECTS.numbers(after(block, state)).tobytes()
    assert numbers.shape == EFFECTS.numbers(EFFECTS.start()).shape == (EFFECTS.size,)


@pytest.mark.parametrize("value", [float("nan"), -1.0, float("inf")])
def test_a_state_that_is_none_is_refused(value: float) -> None:
    """Damaged, or of other columns."""
    numbers = EFFECTS.numbers(EFFECTS.start())
    numbers[3] = value
    for damaged in (numbers, numbers[:-1]):
        with pytest.raises(DetectError, match="numbers"):
            EFFECTS.restore(damaged)
