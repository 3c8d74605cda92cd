"""Burn rates out of a real log: what they count, what they leave out, and that anybody computes them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.log.base import LogEntry, LogReader
from audit.log.local import LocalLog
from audit.proof.entry import Key
from monitoring.alerts.samples import History, Sample
from monitoring.alerts.slos import slo_groups
from monitoring.alerts.standing import Standing
from monitoring.batch import panes_of
from monitoring.burns import Burns, again, of_answers, paged, part_of, said_of
from monitoring.controller import burnt
from monitoring.controller.burnt import look, ranges_of, show_burns
from monitoring.errors import EvidenceGone, EvidenceUnavailable, EvidenceWrong
from monitoring.exporter import Seen, families
from monitoring.figures import Range
from monitoring.judging import judged_by
from monitoring.leading import Aggregate
from monitoring.panes import Of, add
from monitoring.slo import OF_PACKAGE, Counted, Objective, objectives
from registry.policy import Policy, Scores, parse_policy
from tests.components.controller import put
from tests.components.monitored import Known, Traffic, made_package

PANE, HOUR = 16, 3_600_000
START = 1_800_000_000_000
"""ms: of the first record. They are 10 s apart: a pane has 160 s."""
STEP = 10_000
MANY = 80 * PANE
"""Of the first partition: three and a half hours."""
SLOW_FROM = 70 * PANE
OF = Of("numbers", made_package().digest, "live")
POLICY: Policy = parse_policy(b"""
format: 1
change: {roles: {policy: 1}}
services:
  numbers:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    drift: {minimum_rows: 100}
    slo: {errors: 0.01, p99_milliseconds: 100, confidence: {at_least: 0.9, share: 0.5}, period_days: 10}
""")
SLO = POLICY.services["numbers"].slo
WANTED = [each for each in objectives(SLO) if each.name in OF_PACKAGE]
REACHES = (1200, 7200)
"""A third of an hour, and of six."""


def value(traffic: Traffic, slow: bool, slot: int = 0) -> bytes:
    """A record that took 1 ms, or 400."""
    arrived = START * 1_000_000
    took = (400 if slow else 1) * 1_000_000
    return traffic.value(fields={Key.ARRIVED: arrived, Key.COMMITTING: arrived + took, Key.SLOT: slot})


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> LocalLog:
    """Two partitions. Of the first one's last ten panes two thirds are slow, and all of a shadow's. The second has
    less, and ends with half a pane.
    """
    log = LocalLog(tmp_path_factory.mktemp("log"), "affiant-entries", 2)
    one, two = Traffic(made_package()), Traffic(made_package(), journal=bytes(16), seed=1)
    first = [
        value(one, True, 2) if at % 4 == 3 else value(one, at >= SLOW_FROM and at % 4 < 2)
        for at in range(MANY)
    ]
    put(log, (LogEntry(at, START + STEP * at, b"", each) for at, each in enumerate(first)))
    second = [value(two, False) for _ in range(10 * PANE + PANE // 2)]
    put(log, (LogEntry(at, START + 8 * STEP * at, b"", each) for at, each in enumerate(second)), 1)
    return log


@pytest.fixture(name="reader")
def _reader(log: LocalLog) -> Iterator[LogReader]:
    found = log.reader()
    yield found
    found.close()


def counted(given: Burns, reader: LogReader) -> Burns:
    """By the policy."""
    return again(given, reader, Known.of(made_package(), "numbers"), SLO, POLICY.digest)


def given_of(log: LocalLog, reader: LogReader, reach: int = REACHES[0], since: int = START - 1) -> Burns:
    """Where to look, as a controller finds it."""
    topic = log.topic()
    return Burns(
        topic=topic.id.hex(), pane_records=PANE, service=OF.service, digest=OF.digest, slot=OF.slot,
        policy=POLICY.digest, since=since, reach=reach, ranges=ranges_of(topic, reader, PANE, since, reach),
    )  # fmt: skip


def time_of(partition: int, pane: int) -> int:
    """Of a pane's end."""
    return START + STEP * (8 if partition else 1) * ((pane + 1) * PANE - 1)


@pytest.mark.parametrize("reach", REACHES)
def test_both_windows_are_counted_from_the_records(log: LocalLog, reader: LogReader, reach: int) -> None:
    """By hand: of the panes that end in a window, those of the slot, and those that took too long."""
    found = counted(given_of(log, reader, reach), reader)
    ended = time_of(0, MANY // PANE - 1)
    assert (found.ended, found.reach) == (ended, reach)
    rates = [each for each in paged(SLO) if each.long <= reach]
    slow = [each for each in found.burns if each.objective == "latency"]
    assert [(each.factor, each.long, each.short) for each in slow] == [
        (each.factor, each.long, each.short) for each in rates
    ]

    def window(seconds: int) -> tuple[int, int]:
        bad = requests = 0
        for partition, panes in ((0, MANY // PANE), (1, 10)):
            for pane in range(panes):
                if time_of(partition, pane) > ended - 1000 * seconds:
                    for at in range(pane * PANE, (pane + 1) * PANE):
                        live = partition == 1 or at % 4 != 3
                        requests += live
                        bad += live and partition == 0 and at >= SLOW_FROM and at % 4 < 2
        return bad, requests

    for each in slow:
        assert (each.bad, each.requests) == window(each.long)
        assert (each.short_bad, each.short_requests) == window(each.short)
        assert each.short_bad > 0
    assert found.rows == window(reach)[1]
    assert found.begun > ended - 1000 * reach


def test_the_same_panes_give_the_same_to_the_bit(log: LocalLog, reader: LogReader) -> None:
    """Whatever is claimed of them."""
    found = counted(given_of(log, reader), reader)
    lie = found.model_copy(
        update={"rows": 10**9, "burns": (), "ended": 7, "begun": 7, "policy": "sha256:" + "0" * 64}
    )
    assert counted(lie, reader).model_dump_json() == found.model_dump_json()
    assert found.paging == ("latency", "confidence")


def test_it_counts_what_the_monitor_counts(log: LocalLog, reader: LogReader) -> None:
    """Over all panes: the very numbers of its counters."""
    known = Known.of(made_package(), "numbers")
    panes = [
        pane
        for partition, end in ((0, MANY), (1, 10 * PANE))
        for pane in panes_of(reader, partition, 0, end, known, {}, size=PANE)
    ]
    total = add(panes)[OF]
    parts = [part_of(pane, OF, WANTED) for pane in panes]
    forever = replace(paged(SLO)[0], long=10**6, short=10**6)
    said = said_of(parts, WANTED, [forever], max(part.time for part in parts))
    assert [Counted(each.bad, each.requests) for each in said] == [
        of_answers(each, total.latency.tolist(), total.confidence.tolist()) for each in WANTED
    ]
    with pytest.raises(ValueError, match="errors is not counted by a package's answers"):
        of_answers(Objective("errors", 0.1), [], [])


def test_scores_are_counted_from_the_log_as_well(log: LocalLog, reader: LogReader) -> None:
    """By the bins of the package's reference; what is outside of so narrow an interval pages by itself."""
    update = {"p99_milliseconds": None, "confidence": None, "scores": Scores(between=(0.45, 0.5), share=0.95)}
    slo, known = SLO.model_copy(update=update), Known.of(made_package(), "numbers")
    given = given_of(log, reader)
    found = again(given, reader, known, slo, POLICY.digest)
    assert found.paging == ("scores",)
    panes = [
        pane
        for part in given.ranges
        for pane in panes_of(reader, part.partition, part.first, part.end, known, {}, size=PANE)
        if pane.time > found.ended - 1_200_000
    ]
    (said,) = found.burns
    total, column = add(panes)[OF].scores, known.profiles["numbers", OF.digest].reference.scores[0]
    inside = (column.edges >= np.float32(0.45)) & (
        np.append(column.minimum, column.edges[:-1]) < np.float32(0.5)
    )
    assert said.requests == total.sum() == found.rows
    assert said.bad == total.sum() - total[: len(inside)][inside].sum() > 0
    lie = found.model_copy(update={"burns": (), "rows": 7})
    assert again(lie, reader, known, slo, POLICY.digest).model_dump_json() == found.model_dump_json()


def test_where_to_look_is_found_in_the_log(log: LocalLog, reader: LogReader) -> None:
    """One pane from before the window each, or the first; whole panes alone. Not from before the package's place."""
    ended = time_of(0, MANY // PANE - 1)
    first, second = ranges_of(log.topic(), reader, PANE, START - 1, 1200)
    assert (first.end, second.end) == (MANY, 10 * PANE)
    assert time_of(0, first.first // PANE) <= ended - 1_200_000 < time_of(0, first.first // PANE + 1)
    since = time_of(0, 77)
    later = ranges_of(log.topic(), reader, PANE, since, 1200)[0]
    assert later.first == 77 * PANE
    assert ranges_of(log.topic(), reader, PANE, START - 1, 10**6)[0].first == 0


def test_only_the_time_of_its_place_counts(log: LocalLog, reader: LogReader) -> None:
    """Panes up to then are another time's."""
    since = time_of(0, 77)
    found = counted(given_of(log, reader, since=since), reader)
    assert found.begun == time_of(0, 78)
    (slow, _) = found.burns
    assert slow.requests == 2 * PANE * 3 // 4 + PANE  # the second partition's newest pane


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"ranges": lambda r: (r[0].model_copy(update={"first": MANY - PANE}), r[1])},
            "is missing in the window",
        ),
        ({"reach": lambda _: 1201}, "no rate that pages has a window of 1201 s"),
        ({"digest": lambda _: "sha256:" + "11" * 32}, "never answered for 'numbers'"),
    ],
)
def test_what_hides_some_of_it_is_none(
    log: LocalLog, reader: LogReader, changed: dict[str, Any], why: str
) -> None:
    """Whoever leaves the calm part out finds any burn rate."""
    given = given_of(log, reader)
    update = {name: change(given.ranges) for name, change in changed.items()}
    with pytest.raises(EvidenceWrong, match=why):
        counted(given.model_copy(update=update), reader)


@pytest.mark.parametrize(
    ("changed", "error", "why"),
    [
        ({"topic": "00" * 16}, EvidenceWrong, "of the topic 00000000"),
        ({"pane_records": 0}, EvidenceWrong, "not of whole panes"),
        ({"ranges": [Range(partition=0, first=8, end=PANE)]}, EvidenceWrong, "not of whole panes"),
        ({"ranges": [Range(partition=0, first=0, end=8)]}, EvidenceWrong, "not of whole panes"),
        ({"ranges": [Range(partition=0, first=32, end=16)]}, EvidenceWrong, "not of whole panes"),
        ({"ranges": [Range(partition=1, first=0, end=PANE)]}, EvidenceWrong, "leaves out a partition"),
        (
            {"ranges": [Range(partition=each, first=0, end=PANE) for each in range(3)]},
            EvidenceWrong, "one that there is not",
        ),
        ({"ranges": [Range(partition=0, first=0, end=0)]}, EvidenceWrong, "or of none"),
        ({"ranges": [Range(partition=0, first=0, end=PANE * 10**9)]}, EvidenceWrong, "more than"),
        ({"ranges": [Range(partition=0, first=0, end=2 * MANY)]}, EvidenceUnavailable, "has the offsets 0 to"),
    ],
)  # fmt: skip
def test_what_is_not_of_this_log(
    log: LocalLog, reader: LogReader, changed: dict[str, Any], error: Any, why: str
) -> None:
    """Before anything is counted."""

    def never(*_: Any) -> Burns:
        raise AssertionError

    with pytest.raises(error, match=why):
        show_burns(given_of(log, reader).model_copy(update=changed), log.topic(), reader, never)


@pytest.mark.parametrize("panes", [None, 0, 9])
def test_no_partition_ends_before_the_others(log: LocalLog, reader: LogReader, panes: int | None) -> None:
    """Whoever leaves a calm partition out, or its newest panes, finds any burn rate."""
    given, topic = given_of(log, reader), log.topic()
    first, second = given.ranges
    assert show_burns(given, topic, reader, counted).evidence == counted(given, reader)
    shorter = () if panes is None else (second.model_copy(update={"first": 0, "end": panes * PANE}),)
    with pytest.raises(EvidenceWrong, match="partition 1: the evidence leaves out what is from offset"):
        show_burns(given.model_copy(update={"ranges": (first, *shorter)}), topic, reader, counted)


class Younger:
    """A log whose beginning is gone, or that has less; else as it is."""

    def __init__(self, reader: LogReader, first: int, end: int | None = None) -> None:
        self._reader, self._first, self._end = reader, first, end

    def bounds(self, partition: int) -> tuple[int, int]:
        first, end = self._reader.bounds(partition)
        return (self._first, end if self._end is None else self._end) if partition == 0 else (first, end)

    def read(self, *words: Any) -> list[LogEntry]:
        return self._reader.read(*words)

    def close(self) -> None:
        """Nothing."""


def test_a_log_that_does_not_go_back_so_far(log: LocalLog, reader: LogReader) -> None:
    """What is missing may have been calm: it waits. What an event names and is gone, is gone."""
    section, younger = POLICY.services["numbers"], Younger(reader, MANY - 3 * PANE + 1)
    with pytest.raises(EvidenceWrong, match=f"what is before offset {MANY - 2 * PANE} is missing"):
        look(OF, START - 1, section, PANE, log.topic(), younger, counted)
    with pytest.raises(EvidenceGone, match="and the evidence is of"):
        show_burns(given_of(log, reader), log.topic(), younger, counted)


def test_no_whole_pane_and_too_many(
    log: LocalLog, reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither can be decided by; it says so."""
    section = POLICY.services["numbers"]
    with pytest.raises(EvidenceUnavailable, match="has 0 records of the last 1200 s"):
        look(OF, START - 1, section, 1 << 20, log.topic(), reader, counted)
    monkeypatch.setattr(burnt, "MOST_OFFSETS", 10 * PANE)
    with pytest.raises(EvidenceUnavailable, match="and up to 160 are read"):
        look(OF, START - 1, section, PANE, log.topic(), reader, counted)


@pytest.mark.parametrize(
    ("rows", "factor", "reach"),
    [
        (100, 1.0, REACHES[0]),
        (400, 1.0, REACHES[1]),  # the short windows have not so many
        (100, 80.0, REACHES[1]),  # nothing pages: the longest were looked at
    ],
)
def test_no_more_is_read_than_is_needed(
    log: LocalLog, reader: LogReader, rows: int, factor: float, reach: int
) -> None:
    """The shortest windows that page, with the rows that the policy wants; else all."""
    section = POLICY.services["numbers"]
    drift = section.drift.model_copy(update={"minimum_rows": rows})
    slo = section.slo.model_copy(update={"p99_milliseconds": 100 * factor, "confidence": None})
    section = section.model_copy(update={"drift": drift, "slo": slo})

    def once_more(given: Burns, reader: LogReader) -> Burns:
        return again(given, reader, Known.of(made_package(), "numbers"), slo, POLICY.digest)

    shown = look(OF, START - 1, section, PANE, log.topic(), reader, once_more)
    assert isinstance(shown.evidence, Burns)
    assert shown.evidence.reach == reach
    assert shown.evidence.paging == (("latency",) if factor == 1.0 else ())
    newest = START + 8 * STEP * (10 * PANE + PANE // 2 - 1)
    assert (shown.ended, shown.newest) == (time_of(0, 79) / 1000, newest / 1000)
    assert shown.behind == PANE // 2


def test_the_log_bears_an_alert_out_when_it_fires(tmp_path: Path) -> None:
    """The monitor's counters by the alert's rules, and the log by itself: both page within a pane of each other, and
    neither before anything is slow.
    """
    size, calm, slow = 16, 30, 7
    slo = SLO.model_copy(update={"period_days": 5.0, "confidence": None})
    section = POLICY.services["numbers"].model_copy(update={"slo": slo})
    policy = POLICY.model_copy(update={"services": {"numbers": section}})
    known, traffic = Known.of(made_package(), "numbers"), Traffic(made_package())
    log = LocalLog(tmp_path / "log", "affiant-entries", 1)
    values = [value(traffic, at >= calm * size) for at in range((calm + slow) * size)]
    put(log, (LogEntry(at, START + 1000 * at, b"", each) for at, each in enumerate(values)))
    aggregate = Aggregate(
        [0], known, lambda service: judged_by(policy, service), topic=log.topic().id.hex(), pane_records=size
    )
    aggregate.serve({OF: START - 1})
    groups = [*slo_groups("numbers", slo, {})]
    history, standing = History(groups), Standing()
    fires, pages = [], []

    def once_more(given: Burns, reader: LogReader) -> Burns:
        return again(given, reader, known, slo, policy.digest)

    with closing(log.reader()) as reader:
        for pane in panes_of(reader, 0, 0, len(values), known, {}, size=size):
            aggregate.take(pane)
            aggregate.read_to_end(0, pane.time + 1)
            aggregate.judge()
            told = families(aggregate, policy, Seen(leads=True))
            samples = (Sample(one.name, one.labels, one.value) for each in told for one in each.samples)
            history.observe("monitor", pane.time / 1000, samples)
            found = [
                alert for group in groups for alert in standing.evaluate(group, history, pane.time / 1000)
            ]
            if any(alert.labels["severity"] == "page" for alert in found):
                fires.append(pane.number)
            if pane.number < calm - 2:
                continue
            shown = look(OF, START - 1, section, size, log.topic(), Younger(reader, 0, pane.end), once_more)
            assert isinstance(shown.evidence, Burns)
            if shown.evidence.paging:
                pages.append(pane.number)
    assert calm < fires[0] < calm + slow - 1
    assert abs(fires[0] - pages[0]) <= 1
    assert fires[-1] == pages[-1] == calm + slow - 1
