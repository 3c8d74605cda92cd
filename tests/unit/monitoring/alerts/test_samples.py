"""What is remembered of scrapes: bounded, and enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.evaluate import extrapolated, holds
from monitoring.alerts.form import Burn, Group, Level, Match, Rose, Rule, Select
from monitoring.alerts.samples import LOOKBACK, History, Sample

BURN = Burn(Select("bad"), Select("all"), (), 3600, 300, 0.1, 5)


def groups(*conditions: object) -> list[Group]:
    return [Group("g", tuple(Rule("A", each, "warn", "") for each in conditions))]  # type: ignore[arg-type]


def level(op: str = ">", limit: float = 0, *matches: Match) -> Level:
    return Level(Select("m", matches), (), op, limit)  # type: ignore[arg-type]


def test_only_what_rules_read_is_kept() -> None:
    """Another name costs nothing; a series that matches no rule has no windows."""
    history = History(groups(level(">", 0, Match("a", "=", "x"))))
    history.observe("t", 0, [Sample("other", {}, 1), Sample("m", {"a": "x"}, 1), Sample("m", {"a": "y"}, 1)])
    assert [value for _, value in history.newest(Select("m", (Match("a", "=", "x"),)), 0)] == [1]
    assert history.size == 2


def test_memory_is_bounded_however_often_it_is_scraped() -> None:
    """Ten times the samples are the same number of points, and a window's share is what it was to 1 %."""
    kept = []
    for step in (1.0, 10.0):
        history = History(groups(BURN))
        at = 0.0
        while at <= 7200:
            # A fifth is bad, all the time.
            history.observe("t", at, [Sample("bad", {}, at * 2), Sample("all", {}, at * 10)])
            at += step
        (series,) = history.over(Select("bad"))
        kept.append({seconds: len(points) for seconds, points in series.kept.items()})
        assert holds(BURN, history, 7200) == {(): pytest.approx(0.2, rel=1e-9)}
        assert extrapolated(series.window(3600, 7200), 3600, 7200) == pytest.approx(7200, rel=0.01)
    assert all(count <= 122 for counts in kept for count in counts.values())
    assert kept[0][3600] == kept[1][3600] == 120


@given(st.lists(st.integers(0, 50), min_size=3, max_size=200), st.integers(2, 30))
def test_what_is_left_out_is_counted_all_the_same(rises: Sequence[int], points: int) -> None:
    """Between two kept samples nothing is lost, over restarts of what counts as well."""
    history = History(groups(BURN), points=points)
    value, counted = 0.0, 0.0
    for at, rose in enumerate(rises):
        if rose > 45:
            value = 0.0  # it begins again
        else:
            value, counted = value + rose, counted + rose
        history.observe("t", float(at), [Sample("bad", {}, value)])
    (series,) = history.over(Select("bad"))
    window = series.window(3600, float(len(rises)))
    assert window[-1].counted == counted
    assert window[0].counted <= rises[0]


def test_series_beyond_the_bound_are_left_out_and_said() -> None:
    """A flood of labels costs no memory; what was there before is read on."""
    history = History(groups(level()), most=3)
    history.observe("t", 0, [Sample("m", {"a": str(number)}, 1) for number in range(10)])
    assert (history.size, history.left_out) == (3, 7)
    history.observe("t", 1, [Sample("m", {"a": "0"}, 5)])
    assert (history.left_out, [value for _, value in history.newest(Select("m"), 1)]) == (0, [5])


def test_what_is_gone_is_forgotten_with_its_window() -> None:
    """A gauge at once, a counter once no window can hold it."""
    history = History(groups(level(), BURN))
    history.observe("t", 0, [Sample("m", {}, 1), Sample("bad", {}, 1)])
    history.observe("t", 1, [])
    assert history.size == 1
    history.observe("t", 3601, None)
    assert history.size == 0


def test_a_target_that_nobody_scrapes_any_more_says_nothing() -> None:
    """After five minutes, as in Prometheus."""
    history = History(groups(level()))
    history.observe("t", 0, [Sample("m", {}, 1)])
    assert list(history.newest(Select("m"), LOOKBACK - 1))
    assert not list(history.newest(Select("m"), LOOKBACK))


def test_a_target_is_up_or_down() -> None:
    """As Prometheus says it of each scrape; and what it said before is gone when it does not answer."""
    up = Level(Select("up"), ("instance",), "==", 0, "min")
    history = History(groups(up, level()))
    history.observe("t", 0, [Sample("m", {}, 1)])
    assert holds(up, history, 0) == {}
    history.observe("t", 1, None)
    assert holds(up, history, 1) == {(("instance", "t"),): 0.0}
    assert holds(level(), history, 1) == {}


def test_other_rules_keep_the_windows_that_they_share() -> None:
    """A policy that came into force takes nothing from what was seen."""
    history = History(groups(BURN, level()))
    for at in range(100):
        history.observe("t", float(at), [Sample("bad", {}, at), Sample("all", {}, at), Sample("m", {}, 1)])
    other = Burn(BURN.part, BURN.whole, (), 3600, 300, 0.5, 5)
    rose = Rose(Select("bad"), (), 300)
    history.want(groups(other, rose))
    assert holds(other, history, 99.0) == {(): 1.0}
    assert holds(rose, history, 99.0)
    assert history.size == 2


def test_a_number_that_is_none_breaks_no_rule() -> None:
    """NaN is above no limit, and hides no other series."""
    history = History(groups(level()))
    history.observe("t", 0, [Sample("m", {"a": "x"}, math.nan)])
    assert holds(level(), history, 0) == {}
    history.observe("t", 1, [Sample("m", {"a": "x"}, math.nan), Sample("m", {"a": "y"}, 2)])
    assert holds(level(), history, 1) == {(): 2.0}
