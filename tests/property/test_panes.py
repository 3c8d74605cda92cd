"""Panes: adding is exact in any order, bytes have one form, and nothing depends on how the log was read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.log.base import LogEntry
from audit.proof.errors import FormatError
from monitoring.panes import CONFIDENCE_BINS, LATENCY_BOUNDS, At, Counts, Of, Pane, Sum, Tally, add
from monitoring.panes.codec import decode_finished, decode_pane, encode_finished, encode_pane
from monitoring.panes.collector import Collector, Finished, State
from registry.package import Package
from tests.components.monitored import Known, Traffic, logged, made_package

LARGE = 2**40
SLOW = [HealthCheck.too_slow]  # a busy machine is no defect of a strategy
dense = st.lists(st.one_of(st.just(0), st.integers(0, 3), st.integers(0, LARGE)), max_size=600).map(
    lambda numbers: np.array(numbers, np.int64)
)
slots = st.sampled_from(["live", "canary", "shadow"])
names = st.text(max_size=8)


def counts(size: int) -> st.SearchStrategy[Counts]:
    """Of so many bins, of which few hold anything."""
    found = st.dictionaries(st.integers(0, size - 1), st.integers(1, LARGE), max_size=6)
    return found.map(lambda some: counted(size, some))


def counted(size: int, some: dict[int, int]) -> Counts:
    """Bin → number, as counts."""
    dense = np.zeros(size, np.int64)
    dense[list(some)] = list(some.values())
    return Counts.of(dense)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Tallies of one package's bins."""
    latency = draw(counts(len(LATENCY_BOUNDS) + 1))
    confidence = draw(counts(CONFIDENCE_BINS))
    rows = confidence.total + draw(st.integers(0, LARGE))
    return Tally(
        latency.total,
        rows,
        draw(counts(300)),
        draw(counts(40)),
        confidence,
        latency,
        draw(st.integers(0, rows)),
    )


@st.composite
def panes(draw: st.DrawFn) -> Pane:
    """Any pane."""
    number, size = draw(st.integers(0, 2**30)), draw(st.integers(16, 1 << 20))
    of = st.builds(
        Of, names, st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}"), slots
    )
    many = st.integers(1, LARGE)
    return Pane(
        draw(st.integers(0, 1000)),
        number,
        number * size,
        (number + 1) * size,
        draw(st.integers(0, LARGE)),
        draw(st.dictionaries(of, tallies(), max_size=3)),
        draw(
            st.dictionaries(
                st.builds(At, names, slots),
                st.dictionaries(st.integers(0, 999), many, max_size=3),
                max_size=3,
            )
        ),
        draw(st.dictionaries(names, many, max_size=3)),
        draw(st.dictionaries(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), max_size=3)),
    )


@st.composite
def panes_of_canaries(draw: st.DrawFn) -> Pane:
    """With requests of several canaries of one service, told apart."""
    pane = draw(panes())
    digests = draw(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=3, unique=True))
    found = st.dictionaries(st.integers(0, 999), st.integers(1, LARGE), min_size=1, max_size=3)
    apart = {Of("many", f"sha256:{each.hex()}", "canary"): draw(found) for each in digests}
    total: dict[int, int] = {}
    for each in apart.values():
        for status, count in each.items():
            total[status] = total.get(status, 0) + count
    return replace(pane, statuses=dict(pane.statuses) | {At("many", "canary"): total}, apart=apart)


@given(dense)
def test_counts_come_back_from_their_one_form(numbers: np.ndarray) -> None:
    """Whatever is counted, and however many bins are empty."""
    packed = Counts.of(numbers)
    assert (packed.dense() == numbers).all()
    assert packed.total == numbers.sum()
    assert Counts.read(len(numbers), packed.packed) == packed


@given(st.integers(0, 400), st.binary(max_size=40))
@example(1, b"\x11\x00")
@example(300, b"\x21\x00\x00\x00")
@example(8, b"\x81" + b"\xff" * 18)
@example(8, b"\x18\x00" + b"\xff" * 8)
def test_bytes_that_are_no_counts_are_refused_and_all_others_are_the_one_form(
    size: int, packed: bytes
) -> None:
    """No two byte strings mean the same counts, and none is read beyond the last bin."""
    try:
        found = Counts.read(size, packed)
    except FormatError:
        return
    assert Counts.of(found.dense()) == found


@given(st.one_of(panes(), panes_of_canaries()))
@settings(max_examples=25, suppress_health_check=SLOW)
def test_a_pane_comes_back_from_its_bytes(pane: Pane) -> None:
    """Alone, and with what is after it."""
    assert decode_pane(encode_pane(pane)) == pane
    finished = Finished(pane, State(pane.end, pane.time, ((b"b" * 16, 2**64 - 1), (b"a" * 16, 0))))
    assert decode_finished(encode_finished(finished)) == finished


@given(st.one_of(panes(), panes_of_canaries()), st.data())
@settings(max_examples=40, suppress_health_check=SLOW)
def test_bytes_that_were_changed_are_refused_or_another_pane(pane: Pane, data: st.DataObject) -> None:
    """One error, and nothing that reads differently from what it would be written as."""
    raw = bytearray(encode_pane(pane))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
    try:
        found = decode_pane(changed)
    except FormatError:
        return
    assert encode_pane(found) == changed


@given(st.lists(tallies(), min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=15, suppress_health_check=SLOW)
def test_panes_add_up_to_the_same_in_any_order(each: list[Tally], random: object) -> None:
    """And in any grouping: integers are exact."""
    of = Of("a", "sha256:" + "0" * 64, "live")
    some = [Pane(0, at, at * 16, at * 16 + 16, 0, {of: tally}) for at, tally in enumerate(each)]
    wanted = add(some)[of]
    random.shuffle(some)  # type: ignore[attr-defined]
    found = add(some)[of]
    assert _plain(found) == _plain(wanted)
    assert wanted.features.tolist() == sum(tally.features.dense() for tally in each).tolist()  # type: ignore[union-attr]
    assert (wanted.requests, wanted.rows) == (sum(t.requests for t in each), sum(t.rows for t in each))


def _plain(total: Sum) -> tuple[object, ...]:
    arrays = (total.features, total.scores, total.confidence, total.latency)
    return (total.requests, total.rows, total.positive, *(array.tolist() for array in arrays))


def test_tallies_of_other_bins_are_not_added() -> None:
    """They are of another package."""
    tally = Tally(0, 0, Counts(3), Counts(2), Counts(20), Counts(62))
    total = Sum.zero(tally)
    with pytest.raises(ValueError, match="other bins"):
        total.add(Tally(0, 0, Counts(4), Counts(2), Counts(20), Counts(62)))


@cache
def mixed() -> tuple[Package, list[LogEntry], list[Finished]]:
    """A log with whatever is in logs: two journals, refusals, duplicates, what is no record."""
    package = made_package()
    first, second = Traffic(package), Traffic(package, journal=b"2" * 16, seed=5)
    one, two = first.values(160), second.values(100)
    values: list[bytes | None] = [value for pair in zip(one, two, strict=False) for value in pair]
    values[40:40] = [
        None,
        b"",
        b"\0\1",
        one[3],
        one[5][:-1],
        one[7] + b"x",
        second.refusal(404, routed=False),
    ]
    entries = logged([*values, *one[100:]])
    return package, entries, list(Collector(0, 16, Known.of(package, "numbers"), State(0)).take(entries))


@given(st.lists(st.integers(0, 270), max_size=8), st.integers(0, 15))
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
def test_a_pane_does_not_depend_on_how_its_entries_were_cut(cuts: list[int], skipped: int) -> None:
    """Nor on where reading began, as long as it goes on from a state."""
    package, entries, wanted = mixed()
    begin = wanted[skipped - 1].after if skipped else State(0)
    collector = Collector(0, 16, Known.of(package, "numbers"), begin)
    found = []
    ends = sorted({begin.position, *(cut for cut in cuts if cut >= begin.position), len(entries)})
    for start, end in pairwise(ends):
        found += collector.take(entries[start:end])
    assert found == wanted[skipped:]
    assert [decode_finished(encode_finished(one)) for one in found] == found
