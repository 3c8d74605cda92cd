"""Entries → panes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.log.base import LogEntry
from audit.proof.entry import Key
from audit.proof.record import parse_payload, split_record
from monitoring.batch import panes_of
from monitoring.panes import LATENCY_BOUNDS, At, Of, Pane, add, add_statuses
from monitoring.panes.collector import Collector, State
from monitoring.read import Profile
from registry.package import Package
from tests.components.monitored import BINARY, V2, Known, Traffic, local_log, logged, made_package, parts

SIZE = 64


@pytest.fixture(scope="module")
def package() -> Package:
    return made_package()


def collected(package: Package, entries: list[LogEntry], state: State | None = None) -> list[Pane]:
    """All whole panes of entries that are taken at once."""
    collector = Collector(0, SIZE, Known.of(package, "numbers"), state or State(0))
    return [finished.pane for finished in collector.take(entries)]


@pytest.mark.parametrize("classes", [2, 4])
def test_a_pane_holds_what_column_count_says_of_the_rows_that_were_sent(classes: int) -> None:
    """Of V1, V2 and binary answers together, by package and slot."""
    package = made_package(classes=classes)
    traffic = Traffic(package)
    rows = [traffic.rows(count) for count in (1, 5, 2) * 24]
    values = [
        traffic.value(given, protocol=protocol)
        for given, protocol in zip(rows, (1, V2, BINARY) * 24, strict=True)
    ]
    (pane,) = collected(package, logged(values))
    tally = pane.tallies[Of("numbers", package.digest, "live")]
    asked = np.vstack(rows[:SIZE])
    answered = traffic.answers(asked).reshape(len(asked), -1)
    columns = package.reference.features
    wanted = np.concatenate([column.count(asked[:, at]) for at, column in enumerate(columns)])
    assert (tally.features.dense() == wanted).all()
    scores = package.reference.scores
    wanted = np.concatenate([column.count(answered[:, at]) for at, column in enumerate(scores)])
    assert (tally.scores.dense() == wanted).all()
    assert (tally.requests, tally.rows) == (SIZE, len(asked))
    sure = answered.max(axis=1) if classes > 2 else np.maximum(answered[:, 0], 1 - answered[:, 0])
    assert (tally.confidence.dense() == np.histogram(sure, np.arange(21) / 20)[0]).all()
    assert pane.statuses == {At("numbers", "live"): {200: SIZE}}
    assert (pane.first, pane.end, pane.number, dict(pane.unreadable)) == (0, SIZE, 0, {})


def test_the_same_panes_however_the_entries_are_cut(package: Package) -> None:
    """A partial pane is never given out, and goes on in the next batch."""
    entries = logged(Traffic(package).values(1000))
    wanted = collected(package, entries)
    assert len(wanted) == 1000 // SIZE
    for seed in range(4):
        collector = Collector(0, SIZE, Known.of(package, "numbers"), State(0))
        random = np.random.default_rng(seed)
        assert [one.pane for some in parts(entries, random, 150) for one in collector.take(some)] == wanted


def test_the_same_panes_from_any_state_on(package: Package) -> None:
    """What the collector gives beside a pane is all that the next one needs."""
    values = Traffic(package).values(600)
    entries = logged(values + values[200:500] + Traffic(package, sequence=600).values(100))
    collector = Collector(0, SIZE, Known.of(package, "numbers"), State(0))
    finished = list(collector.take(entries))
    for at, one in enumerate(finished):
        again = collected(package, entries[one.after.position :], one.after)
        assert again == [other.pane for other in finished[at + 1 :]]


def test_an_entry_that_comes_twice_is_counted_once(package: Package) -> None:
    """As a dead sidecar's last request may land after its successor's."""
    values = Traffic(package).values(SIZE)
    (once, twice) = collected(package, logged(values + values))
    assert add([once]) != {}
    assert twice.tallies == {}
    assert twice.statuses == {}
    assert twice.unreadable == {"duplicate": SIZE}
    assert twice.reached == {bytes(range(16)): SIZE - 1}


def test_an_entry_that_comes_twice_in_one_pane_is_counted_once(package: Package) -> None:
    """Also where one journal alone is there, and nothing of it was known."""
    traffic = Traffic(package)
    values = [traffic.value() for _ in range(SIZE // 2)]
    (pane,) = collected(package, logged(values + values))
    assert pane.unreadable == {"duplicate": SIZE // 2}
    assert pane.tallies[Of("numbers", package.digest, "live")].requests == SIZE // 2


def test_a_pane_is_as_old_as_the_newest_record_up_to_its_end(package: Package) -> None:
    """A clock that is set back, or gives nonsense, makes no pane older than the one before it."""
    values = Traffic(package).values(3 * SIZE)
    entries = logged(values[:SIZE], time=9000) + logged(values[SIZE:], SIZE, time=100)
    entries[SIZE + 3] = entries[SIZE + 3]._replace(timestamp=2**62)
    entries[SIZE + 4] = entries[SIZE + 4]._replace(timestamp=-1)
    newest = 9000 + SIZE - 1
    assert [pane.time for pane in collected(package, entries)] == [newest] * 3
    collector = Collector(0, SIZE, Known.of(package, "numbers"), State(0))
    found = [
        one.pane.time for at in range(0, 3 * SIZE, SIZE) for one in collector.take(entries[at : at + SIZE])
    ]
    assert found == [newest] * 3
    assert collector.time == newest


def test_a_forged_sequence_does_not_make_later_entries_duplicates(package: Package) -> None:
    """The highest of all, under another journal's name."""
    traffic = Traffic(package)
    values = [traffic.value() for _ in range(10)]
    forger = Traffic(package, sequence=2**64 - 1)
    values += [forger.value(), *(traffic.value() for _ in range(SIZE - 11))]
    (pane,) = collected(package, logged(values))
    assert pane.unreadable == {}
    assert sum(tally.requests for tally in pane.tallies.values()) == SIZE


def test_what_a_near_forged_sequence_hides_is_counted_as_hidden(package: Package) -> None:
    """A limit that docs/drift.md names: no entry is passed over in silence, and it ends once the journal is past it."""
    traffic = Traffic(package)
    values = [traffic.value() for _ in range(10)]
    ahead = 20
    forger = Traffic(package, sequence=10 + ahead)
    values += [forger.value(), *(traffic.value() for _ in range(SIZE - 11))]
    (pane,) = collected(package, logged(values))
    hidden = pane.unreadable["duplicate"]
    assert hidden == ahead + 1  # those below it, and the one whose place it took
    assert sum(tally.requests for tally in pane.tallies.values()) == SIZE - hidden


def test_requests_are_counted_by_status_and_slot(package: Package) -> None:
    """Refusals that chose no package name no service that anybody vouches for."""
    traffic = Traffic(package)
    values = [traffic.refusal(422, {Key.SLOT: 1}), traffic.refusal(503), traffic.refusal(404, routed=False)]
    values += [traffic.value() for _ in range(SIZE - 3)]
    (pane,) = collected(package, logged(values))
    assert add_statuses([pane]) == {
        At("numbers", "live"): {200: SIZE - 3, 503: 1},
        At("numbers", "canary"): {422: 1},
        At("", "live"): {404: 1},
    }


def test_requests_of_canaries_are_told_apart_where_answers_do_not_tell(package: Package) -> None:
    """Of several, and of one that has answered nothing; of one that answers, its service's are its own."""
    other = made_package(name="numbers", classes=3)
    one, two = Traffic(package), Traffic(other, service="numbers", journal=b"2" * 16)
    canary = {Key.SLOT: 1}
    known = Known({("numbers", each.digest): Profile.of(each) for each in (package, other)})
    values = [
        one.value(fields=canary),
        one.refusal(422, canary),
        *(two.refusal(500, canary) for _ in range(2)),
    ]
    values += [one.value() for _ in range(SIZE - len(values))]
    values += [two.refusal(500, canary), *(one.value() for _ in range(SIZE - 1))]
    values += [one.value(fields=canary), one.refusal(500, canary), *(one.value() for _ in range(SIZE - 2))]
    panes = [each.pane for each in Collector(0, SIZE, known, State(0)).take(logged(values))]
    first, second = (Of("numbers", each.digest, "canary") for each in (package, other))
    told = [(dict(pane.asked(first)), dict(pane.asked(second)), bool(pane.apart)) for pane in panes]
    assert told == [
        ({200: 1, 422: 1}, {500: 2}, True),
        ({}, {500: 1}, True),
        ({200: 1, 500: 1}, {}, False),
    ]
    assert [pane.tells_apart("numbers") for pane in panes] == [True, True, True]
    before = Pane(0, 0, 0, SIZE, 0, tallies={first: panes[0].tallies[first], second: panes[0].tallies[first]})
    assert (before.tells_apart("numbers"), before.tells_apart("other")) == (False, True)


def test_latency_falls_into_the_bin_whose_bound_it_does_not_exceed(package: Package) -> None:
    """And a clock that was set back makes no time below zero."""
    traffic = Traffic(package)
    bound = LATENCY_BOUNDS[7]
    values = [
        traffic.value(fields={Key.ARRIVED: 10**18, Key.COMMITTING: 10**18 + spent})
        for spent in (bound, bound + 1, -5, 10**17)
    ]
    values += [traffic.value() for _ in range(SIZE - 4)]
    (pane,) = collected(package, logged(values))
    latency = pane.tallies[Of("numbers", package.digest, "live")].latency.dense()
    rest = collected(package, logged(values[4:] + [traffic.value() for _ in range(4)]))
    assert latency.sum() == SIZE
    assert latency[7] >= 1
    assert latency[8] >= 1
    assert latency[0] >= 1
    assert latency[-1] >= 1
    assert rest


def test_a_log_of_files_gives_the_same_as_entries_in_memory(package: Package, tmp_path: Path) -> None:
    """The slice from end to end."""
    values = Traffic(package).values(3 * SIZE + 10)
    log = local_log(tmp_path / "log", values)
    reader = log.reader()
    found = list(panes_of(reader, 0, 0, 3 * SIZE, Known.of(package, "numbers"), {}, size=SIZE))
    assert [pane.tallies for pane in found] == [pane.tallies for pane in collected(package, logged(values))]
    assert found[0].time <= found[1].time <= found[2].time
    (second,) = panes_of(
        reader,
        0,
        SIZE,
        2 * SIZE,
        Known.of(package, "numbers"),
        found[1].reached,
        size=SIZE,
        time=found[0].time,
    )
    assert second == found[1]
    reader.close()


def test_the_record_that_traffic_makes_is_one(package: Package) -> None:
    """Else the tests would show nothing."""
    _, payload = split_record(Traffic(package).value())
    assert parse_payload(payload).input
