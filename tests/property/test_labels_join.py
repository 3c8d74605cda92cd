"""Labels and predictions in any order, any number of times, in any pieces: one join, which a naive one confirms."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.labels import Label
from monitoring.labels import HOUR, Outcomes, Prediction, Task, answers_of, cohorts, compare
from monitoring.panes import Of
from tests.unit.monitoring.labels.streams import LIVE, SECOND, SHADOW, START, label, prediction

TASK = Task("binary", ("good", "bad"), 0.5)
IDS = st.none() | st.sampled_from(["a", "b", "c", "d"])


@st.composite
def traffic(draw: st.DrawFn) -> tuple[list[Prediction], list[Label]]:
    """Requests, some of which a shadow has seen; and labels of some of them, and of others."""
    predictions: list[Prediction] = []
    for number in range(draw(st.integers(1, 12))):
        rows = draw(st.integers(1, 2))
        about: dict[str, Any] = {
            "request_id": draw(IDS),
            "time_ns": START + draw(st.integers(0, 4)) * HOUR + number,
        }
        scores = st.lists(st.floats(0, 1, width=32), min_size=rows, max_size=rows)
        predictions.append(prediction(2 * number, draw(scores), **about))
        if draw(st.booleans()):
            predictions.append(prediction(2 * number + 1, draw(scores), package=SHADOW, **about))
    said = [
        label(
            draw(st.integers(0, 25) | st.sampled_from(["a", "b", "c", "d", "e"])),
            draw(st.sampled_from(["good", "bad", True, 1])),
            row=draw(st.none() | st.integers(0, 2)),
            known_ns=START + draw(st.integers(0, 2)) * SECOND,
            logged_ms=draw(st.integers(0, 1)),
        )
        for _ in range(draw(st.integers(0, 15)))
    ]
    return predictions, said


def naive(predictions: list[Prediction], said: list[Label], package: Of) -> dict[tuple[str, int], float]:
    """Record and row → truth, one at a time, by the four rules of monitoring/labels/join.py."""
    asked = {one.record_id: (one.record_id[:32], one.time_ns) for one in predictions}
    own = sorted(
        (one for one in predictions if one.package == package),
        key=lambda one: (one.time_ns, int(one.record_id[33:])),
    )
    best: dict[tuple[str, int], tuple[Any, ...]] = {}
    for one in said:
        if one.by == "record":
            fits = [each for each in own if each.record_id == one.target] or [
                each for each in own if asked[each.record_id] == asked.get(one.target)
            ]
        else:
            fits = [each for each in own if each.request_id == one.target]
        if not fits:
            continue
        found = fits[0]
        row = 0 if one.row is None and len(found.scores) == 1 else one.row
        if row is None or row >= len(found.scores):
            continue
        rank = (one.known_ns, one.logged_ms)
        key = found.record_id, row
        best.setdefault(key, (rank, set()))
        if rank > best[key][0]:
            best[key] = (rank, {one.value if type(one.value) is not int else "one"})
        elif rank == best[key][0]:
            best[key][1].add(one.value if type(one.value) is not int else "one")
    # Where two that contradict each other are equally new any fixed rule will do: left out here.
    return {key: values for key, (_, values) in best.items()}  # type: ignore[misc]


def figures(found: Any, waiting: int) -> str:
    """All that is told of it; exact."""
    told = [waiting]
    for package in sorted(found):
        one = found[package]
        told += [
            package,
            cohorts(one, HOUR),
            one.unreadable,
            one.rowless,
            one.truth.tolist(),
            one.known.tolist(),
        ]
    if LIVE in found and SHADOW in found:
        told.append(compare(found[LIVE], found[SHADOW]))
    return repr(told)


@settings(max_examples=60)
@given(traffic(), st.data())
def test_the_join_is_the_same_in_any_order_and_however_often(
    made: tuple[list[Prediction], list[Label]], data: st.DataObject
) -> None:
    """Bit for bit: cohorts, intervals, the comparison; within bounds too, and when it is looked at in between."""
    predictions, said = made
    bounds = data.draw(st.sampled_from([(1000, 1000), (3, 1000), (1000, 4), (3, 4)]))
    told = []
    for shuffled in (False, True):
        outcomes = Outcomes("credit", *bounds)
        events: list[Any] = [*predictions, *said]
        if shuffled:
            events = data.draw(
                st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=5)))
            )
        for at, event in enumerate(events):
            if isinstance(event, Label):
                outcomes.say(event)
            else:
                outcomes.predict(event.package, TASK, answers_of([event]))
            if shuffled and at % 7 == 3:
                outcomes.joined()
        told.append(figures(*outcomes.joined()))
    assert told[0] == told[1]


@settings(max_examples=100)
@given(traffic())
def test_the_join_is_what_one_would_find_by_hand(made: tuple[list[Prediction], list[Label]]) -> None:
    """Row by row, against a loop over both lists."""
    predictions, said = made
    outcomes = Outcomes("credit")
    for one in predictions:
        outcomes.predict(one.package, TASK, answers_of([one]))
    for one in said:
        outcomes.say(one)
    found, _ = outcomes.joined()
    truth = {"good": 0.0, "bad": 1.0, True: 1.0, "one": math.nan}
    for package, joined in found.items():
        own = sorted(
            (one for one in predictions if one.package == package),
            key=lambda one: (one.time_ns, int(one.record_id[33:])),
        )
        wanted = naive(predictions, said, package)
        places = [(one.record_id, row) for one in own for row in range(len(one.scores))]
        for place, got in zip(places, joined.truth.tolist(), strict=True):
            may = {repr(truth[value]) for value in wanted.get(place, ["one"])}  # type: ignore[index]
            assert repr(got) in may, place
