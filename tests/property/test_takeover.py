"""Killing the monitor that leads changes no figure: who goes on from what is kept says what it would have said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitoring.detect.judge import Standing
from monitoring.judging import Judged, judged_by
from monitoring.leading import Aggregate, restore, state_of
from monitoring.leading import aggregate as module
from monitoring.panes import Pane
from monitoring.store.base import KEEP, REACH
from registry.policy import parse_policy
from tests.unit.monitoring.conftest import CREDIT, DIGEST, Kept, Stream, profile_of

PARTITIONS = 3
FEW, STORED = 6, 8
"""Panes of a partition that anything is said of, and that are kept: as REACH and KEEP, of which both are too many."""
POLICY = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: %s
  %s:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
"""
DRIFTS = (
    "{minimum_rows: 300, rule: {window_rows: 400, warn_delta: auto, page_delta: auto}}",
    "{minimum_rows: 300, rule: {window_rows: 1200, warn_delta: auto, page_delta: auto}}",
    "{minimum_rows: 300, rule: {window_rows: 400, warn_delta: auto, page_delta: 0.2}}",
    "{ks: 0.3, minimum_rows: 300, rule: {window_rows: 400, warn_delta: auto, page_delta: auto, ignore: [age]}}",
    "{minimum_rows: 300, rule: {window_rows: 400, detector: psi}}",
)
JUDGED = [judged_by(parse_policy((POLICY % (drift, "other")).encode()), "credit") for drift in DRIFTS]
PROFILE = profile_of(count=4000)


class Site:
    """Panes as they come, and who judges them; the store has the newest of each partition."""

    def __init__(self) -> None:
        self.judged: Judged = JUDGED[0]
        self.stored: dict[int, list[Pane]] = {each: [] for each in range(PARTITIONS)}

    def leader(self) -> Aggregate:
        """One that knows nothing yet."""
        found = Aggregate(
            range(PARTITIONS),
            Kept({DIGEST: PROFILE}),
            lambda _: self.judged,
            topic="00" * 16,
            pane_records=250,
        )
        found.serve({CREDIT: 0})
        return found

    def take(self, one: Aggregate, pane: Pane) -> None:
        """The next pane, and that there is no older one to come."""
        kept = self.stored[pane.partition]
        kept.append(pane)
        del kept[:-STORED]
        one.take(pane)
        for partition in range(PARTITIONS):
            one.read_to_end(partition, pane.time + 1)
        one.judge()

    def next(self, state: Any) -> Aggregate:
        """Who leads after one that was killed, when its last state was this."""
        found = self.leader()
        panes = sorted(
            (pane for kept in self.stored.values() for pane in kept),
            key=lambda pane: (pane.time, pane.partition, pane.number),
        )
        assert restore(found, json.loads(json.dumps(state)), panes) == 0
        for partition in range(PARTITIONS):
            found.read_to_end(partition, panes[-1].time + 1)
        found.judge()
        return found


def said(one: Aggregate) -> Any:
    """All of it, to the bit."""
    figures = {of: (life.judging.figures(), life.judging.window_rows) for of, life in one.lives.items()}
    known = {partition: [each[0] for each in history] for partition, history in one._history.items()}
    return state_of(one), figures, known, {of: one.evidence(of) for of in one.lives}


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2]),  # one partition is busier than the others
        st.sampled_from([None, 20, 20, 250]),
        st.sampled_from([0.0, 0.0, 2.0]),
        st.sampled_from([None, None, None, None, *range(len(JUDGED))]),
        st.booleans(),
    ),
    min_size=8,
    max_size=45,
)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REACH", FEW)


def _step(partition: int, records: int, *, kill: bool = False) -> Any:
    return partition, records, 0.0, None, kill


@example(
    # What is out of reach is in the middle of what is kept: older panes of a quiet partition come into the window.
    [_step(1, 250), _step(1, 250), _step(0, 250), _step(0, 250), *[_step(0, 20)] * 5, _step(0, 20, kill=True)]
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whoever_is_killed_when_and_whatever_changes(steps: list[Any]) -> None:
    """Sparse packages, busy and quiet partitions, other policies on the way."""
    one, other = Site(), Site()
    whole, killed = one.leader(), other.leader()
    numbers = dict.fromkeys(range(PARTITIONS), 0)
    for time, (partition, records, shift, policy, kill) in enumerate(steps):
        pane = _pane(partition, numbers[partition], records, shift, 1000 * (time + 1))
        numbers[partition] += 1
        state = state_of(killed)
        if policy is not None:
            one.judged = other.judged = JUDGED[policy]
        one.take(whole, pane)
        other.take(killed, pane)
        if kill:
            killed = other.next(state)  # of before the last pane
    assert said(other.next(state_of(killed))) == said(whole)


def _pane(partition: int, number: int, records: int | None, shift: float, time: int) -> Pane:
    found = Stream(PROFILE, partition, records or 1).pane(number, shift, time)
    return found if records is not None else replace(found, tallies={})


def test_the_store_has_what_figures_are_of_and_some_more() -> None:
    """As much as may be counted and not be judged yet."""
    assert REACH + 256 <= KEEP


def test_a_policy_that_changes_nothing_of_a_service_begins_nothing_anew() -> None:
    """Its digest is the new one."""
    site = Site()
    one = site.leader()
    for number in range(12):
        site.take(one, _pane(0, number, 250, 2.0 if number > 6 else 0.0, 1000 * (number + 1)))
    before, alarms = one.lives[CREDIT], dict(one.lives[CREDIT].alarms())
    site.judged = judged_by(parse_policy((POLICY % (DRIFTS[0], "another")).encode()), "credit")
    site.take(one, _pane(0, 12, 250, 2.0, 13_000))
    assert one.lives[CREDIT] is before
    assert (alarms["age"], one.lives[CREDIT].alarms()["age"], before.judging.checks) == ("page", "page", 13)
    evidence = one.evidence(CREDIT)
    assert evidence is not None
    assert evidence.policy == site.judged.policy != JUDGED[0].policy


@pytest.mark.parametrize(
    ("drift", "log_e", "alarms"),
    [
        # Another tolerance to page: that detector alone begins anew; an alarm that stands goes on standing.
        (2, "warn", {"age", "score:bad"}),
        # Another distance, and a feature that is ignored: no detector does, and the other columns stand.
        (3, "both", {"score:bad"}),
        # Another rule: no sign of the old one counts.
        (4, "both", {"age", "score:bad"}),
    ],
)
def test_only_what_a_policy_changes_begins_anew(drift: int, log_e: str, alarms: set[str]) -> None:
    """By service, and by figure."""
    site = Site()
    one = site.leader()
    for number in range(12):
        site.take(one, _pane(0, number, 250, 0.6, 1000 * (number + 1)))
    life = one.lives[CREDIT]
    judging = life.judging
    before = judging._state
    rows, window = life.judging.rows, life.judging.window
    life.follow(JUDGED[drift])
    now = judging._state
    same = [was is is_ for was, is_ in ((before.warn, now.warn), (before.page, now.page))]
    assert same == [True, log_e == "both"]
    assert all(each == Standing() for each in judging.standings) == (drift == 4)
    assert (life.judging.rows, life.judging.window, life.asked.rows) == (rows, window, 3000)
    for number in range(12, 20):
        site.judged = JUDGED[drift]
        site.take(one, _pane(0, number, 250, 2.0, 1000 * (number + 1)))
    assert life.alarms().keys() == alarms
    assert one.lives[CREDIT] is life


def test_a_page_has_to_be_supported_by_the_limits_of_now() -> None:
    """What evidence does not say under them is a warning again."""
    site = Site()
    one = site.leader()
    for number in range(12):
        site.take(one, _pane(0, number, 250, 0.6, 1000 * (number + 1)))
    assert one.lives[CREDIT].alarms()["score:bad"] == "page"
    site.judged = JUDGED[3]
    site.take(one, _pane(0, 12, 250, 0.6, 13_000))
    assert one.lives[CREDIT].alarms()["score:bad"] == "warn"


def test_a_larger_window_is_filled_of_what_is_kept() -> None:
    """At once, and not from nothing."""
    site = Site()
    one = site.leader()
    for number in range(10):
        site.take(one, _pane(0, number, 250, 0.0, 1000 * (number + 1)))
    assert one.lives[CREDIT].judging.window_rows == 500
    site.judged = JUDGED[1]
    site.take(one, _pane(0, 10, 250, 0.0, 11_000))
    assert one.lives[CREDIT].judging.window_rows == 1250
