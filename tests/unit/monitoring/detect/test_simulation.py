"""Whole streams through counter, detector and judge: silence without drift, few records with it.

The full sizes are measured by bench/drift.py; these are the same, small, with fixed seeds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from monitoring.detect.count import Counter
from monitoring.detect.figures import Detector
from monitoring.detect.judge import Standing, judge
from monitoring.detect.limits import Limits
from tests.unit.monitoring.detect.drawn import normal_reference

WIDTH, PANE, WINDOW = 30, 250, 4
COLUMNS, REFERENCE = normal_reference(WIDTH)
COUNTER = Counter(COLUMNS)
DETECTOR = Detector(COLUMNS, REFERENCE, Limits())

Said = tuple[int, str, str | None]
"""(check, column, severity)."""


def run(panes: Iterator[np.ndarray]) -> list[Said]:
    """Every change that the judge tells, with the number of its check."""
    state, standings = DETECTOR.start(), (Standing(),) * WIDTH
    ring: deque[np.ndarray] = deque(maxlen=WINDOW)
    said: list[Said] = []
    position = 0
    for check, block in enumerate(panes):
        position += len(block)
        ring.append(COUNTER.count(block))
        state = DETECTOR.step(state, ring[-1])
        figures = DETECTOR.figures(state, np.sum(ring, axis=0))
        standings, changes = judge(
            standings, figures, DETECTOR.limits, DETECTOR.threshold, now=check, position=position
        )
        said += [(check, change.column, change.after) for change in changes]
    return said


def stream(panes: int, seed: int, repeats: int = 1) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for _ in range(panes):
        rows = random.standard_normal((PANE // repeats, WIDTH), dtype=np.float32)
        yield np.repeat(rows, repeats, axis=0)


def test_without_drift_nothing_is_said_in_two_thousand_checks_of_thirty_features() -> None:
    """No page and no warning in half a million records."""
    assert run(stream(2_000, 1)) == []


@pytest.mark.parametrize(("sigma", "warned", "paged"), [(1.0, 1, 2), (0.5, 4, 6)])
def test_a_shift_is_seen_within_so_many_panes(sigma: float, warned: int, paged: int) -> None:
    """After a quiet start, all features at once: each warns and pages in time, and none before."""
    quiet = 40

    def drifted() -> Iterator[np.ndarray]:
        for check, block in enumerate(stream(quiet + 8, 2)):
            yield block + np.float32(sigma * (check >= quiet))

    said = run(drifted())
    assert min(check for check, _, _ in said) >= quiet
    for severity, panes in (("warn", warned), ("page", paged)):
        first = {
            column: check - quiet + 1
            for check, column, after in reversed(said)
            if after in (severity, "page")
        }
        assert len(first) == WIDTH
        assert max(first.values()) <= panes


def test_one_feature_of_thirty_is_named() -> None:
    """A change of unit in one column, × 1,000: that one pages, and no other says anything."""

    def broken() -> Iterator[np.ndarray]:
        for check, block in enumerate(stream(60, 3)):
            if check >= 50:
                block[:, 7] *= 1_000
            yield block

    said = run(broken())
    assert {column for _, column, _ in said} == {"x7"}
    assert said[-1][2] == "page"
    assert said[0][0] == 50


def test_a_flood_of_missing_values_pages_at_once_and_clears_when_it_ends() -> None:
    """Poisoned records neither stop nor blind it: the alarm comes, ends, and the detector is as before."""

    def flood() -> Iterator[np.ndarray]:
        for check, block in enumerate(stream(60, 4)):
            if 20 <= check < 25:
                block[:, 3] = np.nan
            yield block

    said = [(check, after) for check, column, after in run(flood()) if column == "x3"]
    assert [after for _, after in said] in (["page", None], ["warn", "page", None])
    assert said[0][0] == 20
    assert 25 + WINDOW + 3 * WINDOW <= said[-1][0] + 1 <= 25 + WINDOW + 5 * WINDOW
    assert {column for _, column, _ in run(flood())} == {"x3"}


def test_repeated_records_are_not_drift() -> None:
    """Each record ten times: no page once that is measured; taken as independent it would page all the time.

    Ten panes are what measuring takes: the first bursts meet an effect of almost one.
    """
    state = DETECTOR.start()
    plain = state.page
    measured = independent = 0
    for check, block in enumerate(stream(400, 5, repeats=10)):
        counts = COUNTER.count(block)
        state = DETECTOR.step(state, counts)
        step = DETECTOR.page.step(plain, *DETECTOR._edges.below(DETECTOR.lines, counts), np.ones(WIDTH))
        plain = step.state
        if check >= 10:
            measured += int((state.log_e_page >= DETECTOR.threshold).sum())
            independent += int(step.alarm.sum())
    assert measured == 0
    assert independent > 100
