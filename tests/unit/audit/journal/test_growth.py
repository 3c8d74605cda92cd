"""Hours to full: silent at any steady load, soon there when nothing is sealed any more, and while nothing is freed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from audit.journal import JournalSettings
from audit.journal.growth import Filling, Waiting
from audit.journal.journal import HOUSEKEEPING

SEGMENT = JournalSettings().segment_bytes
BOUND = JournalSettings().max_bytes
FULL = BOUND - 1000
"""Nothing goes in any more: the last segment has room for no record."""
RECORD = 1600
SEALED_AFTER = 3.0
"""Seconds: the notary's look, the sidecar's, and the gateway's."""
WARN, PAGE = 24, 4
"""Hours: the limits of AffiantJournalFilling."""


@dataclass(frozen=True)
class Segment:
    """As an opening finds it."""

    sequence: int
    end: int


def hours(rate: float, *, stops: float = math.inf, stuck: bool = False) -> Iterator[float]:
    """Hours to full at each look, with `rate` records a second from the first one on; from `stops` on nothing is
    sealed; `stuck`: nothing can be removed.
    """
    filling = Filling(0.0, [Segment(0, 0)], 0, segment_bytes=SEGMENT, max_bytes=BOUND)
    looks = 0
    while True:
        looks += 1
        now = looks * HOUSEKEEPING
        sequence = int(now * rate)
        reached = int(max(0.0, min(now, stops) - SEALED_AFTER) * rate)
        written = sequence * RECORD
        freed = 0 if stuck else reached * RECORD // SEGMENT * SEGMENT
        held = min(FULL, written - freed)
        filling.look(now, sequence=sequence, written=written, reached=reached, held=held, largest=SEGMENT)
        yield filling.hours_to_full(held, full=held == FULL)


def looks(seconds: float) -> int:
    """In so many seconds."""
    return int(seconds / HOUSEKEEPING)


@pytest.mark.parametrize("rate", [50, 300, 10_000])
def test_an_hour_of_steady_load_is_silent(rate: int) -> None:
    """Also where it is there at the first look: what waits goes up once, and segments come and go."""
    assert min(islice(hours(rate), looks(3600))) > WARN


@pytest.mark.parametrize(
    ("rate", "limit", "within"),
    [(10_000, PAGE, 30), (300, PAGE, 400), (50, WARN, 2000)],
)
def test_a_notary_that_stands_still_is_soon_seen(rate: int, limit: float, within: float) -> None:
    """Long before the journal is full."""
    assert min(islice(hours(rate, stops=600), looks(600), looks(600 + within))) < limit
    assert within < BOUND / (rate * RECORD) / 4


def test_what_is_sealed_and_cannot_be_removed_fills_the_disk_too() -> None:
    """It does not wait for anybody, and there is less room with each segment."""
    assert min(islice(hours(3000, stuck=True), looks(300))) < PAGE


def test_a_full_journal_has_no_hours_left_however_long_it_is_full() -> None:
    """Nothing grows then: who goes by the rate alone takes the alert back when requests are refused."""
    assert set(islice(hours(10_000, stops=0), looks(600), looks(3600))) == {0.0}


def test_what_an_opening_finds_has_not_grown_and_is_away_when_it_is_sealed() -> None:
    """A backlog of a gigabyte that is shipped while new records come: it becomes less."""
    found = [Segment(number * 100, SEGMENT) for number in range(16)]
    filling = Filling(0.0, found, 1600, segment_bytes=SEGMENT, max_bytes=BOUND)
    for look in range(1, looks(600)):
        sequence = 1600 + look
        reached = min(sequence, look * 2)
        held = 16 * SEGMENT + look * RECORD - reached // 100 * SEGMENT
        filling.look(
            look * HOUSEKEEPING, sequence=sequence, written=look * RECORD, reached=reached, held=held,
            largest=SEGMENT,
        )  # fmt: skip
        assert filling.hours_to_full(held, full=False) > WARN


def test_few_marks_are_kept_however_long_nobody_seals_and_what_waits_is_right_to_a_step() -> None:
    """A mark a step; what is reached between two of them waits on."""
    waiting = Waiting([(0, 0)], 1000)
    for sequence in range(1, 10_001):
        assert waiting.look(sequence, sequence * 10, 0) == sequence * 10
    assert len(waiting._marks) < 110
    for reached in (1, 777, 5000, 9999):
        exact = (10_000 - reached) * 10
        assert exact <= waiting.look(10_000, 100_000, reached) <= exact + 1010
    assert waiting.look(10_000, 100_000, 10_000) == 0
