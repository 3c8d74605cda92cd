from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from audit.archive.columns import entries_table
from audit.auditor.complete import MOST_WORKERS, Answered, hold, minutes, missing_of, parse_scrape
from audit.auditor.complete_metrics import registry_of
from audit.auditor.index import Index
from audit.auditor.tables import COLUMNS
from audit.proof.entry import Key, Kind, Slot, encode_entry
from audit.proof.errors import FormatError

JOURNAL = b"j" * 16
MINUTE = 60_000_000_000
START = 1_767_225_600_000_000_000


def entry(sequence: int, minute: int = 0, **more: Any) -> bytes:
    """An entry of the journal; an answer unless `more` says otherwise."""
    fields: dict[int, Any] = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: JOURNAL, Key.EPOCH: 1, Key.SEQUENCE: sequence, Key.CHAIN: bytes(32),
        Key.COMMITTING: START + minute * MINUTE + sequence, Key.ARRIVED: START, Key.SERVICE: "s", Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: bytes(32), Key.PAYLOAD_LENGTH: 1, Key.SUITE: 0, Key.TICKET: sequence,
    }  # fmt: skip
    return encode_entry({**fields, **{Key[name.upper()]: value for name, value in more.items()}})


def heartbeat(sequence: int, minute: int, counted: Mapping[str, int]) -> bytes:
    return encode_entry(
        {
            Key.KIND: Kind.HEARTBEAT, Key.JOURNAL: JOURNAL, Key.EPOCH: 1, Key.SEQUENCE: sequence,
            Key.CHAIN: bytes(32), Key.COMMITTING: START + minute * MINUTE, Key.COUNTED: dict(counted),
            Key.COUNTED_SINCE: START, Key.SIGNATURE: bytes(64),
        }
    )  # fmt: skip


def scrape(
    journal: str = JOURNAL.hex(),
    epoch: str = "1",
    sequence: str = "5",
    workers: str = "2",
    answers: str = "3",
) -> str:
    """A worker's page."""
    return (
        f"affiant_journal_epoch {epoch}\naffiant_journal_sequence {sequence}\n"
        f'affiant_workers{{journal="{journal}"}} {workers}\n'
        f'affiant_recorded_answers_total{{journal="{journal}",status="200"}} {answers}\n'
    )


@pytest.fixture
def fill(tmp_path: Path):
    """An index of these entries."""
    opened = []

    def make(*entries: bytes) -> Index:
        index = Index(tmp_path / "index", "log.example")
        opened.append(index)
        table = entries_table(range(len(entries)), [None] * len(entries), entries).select(COLUMNS)
        index._insert("entries", COLUMNS, table, bytes(16), 0, "TRUE, ")
        return index

    yield make
    for index in opened:
        index.close()


def test_each_minute_counts_what_was_recorded_sealed_answered_and_only_counted(fill) -> None:
    """Shadows and later records of refused requests are no answers; a duplicate counts once, a gap shows."""
    rows = minutes(
        fill(
            entry(0),
            entry(1, slot=Slot.SHADOW),
            entry(2, status=503, reason="urn:affiant:problem:no-record"),
            entry(2, status=503, reason="urn:affiant:problem:no-record"),
            entry(3, minute=1, status=422, slot=Slot.LIVE),
            heartbeat(4, 1, {"overloaded": 3, "not-ready": 2}),
            entry(7, minute=2),
        )
    )
    told = [
        (row.minute.minute, row.recorded, row.sealed, row.answers, row.shadows, row.counted, row.missing)
        for row in rows
    ]
    assert told == [(0, 3, 3, 1, 1, 0, 0), (1, 2, 2, 1, 0, 5, 0), (2, 3, 1, 1, 0, 0, 2)]
    assert rows[0].minute == datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    assert missing_of(rows, ()) == {JOURNAL.hex(): 2}


def test_minutes_come_in_the_order_of_time(fill) -> None:
    """Whatever the ids of their journals; each journal is counted by itself."""
    other = b"\xff" * 16
    rows = minutes(
        fill(
            entry(0, minute=1), entry(1, minute=3), entry(0, journal=other), entry(3, minute=2, journal=other)
        )
    )
    assert [(row.minute.minute, row.journal, row.missing) for row in rows] == [
        (0, other.hex(), 0), (1, JOURNAL.hex(), 0), (2, other.hex(), 2), (3, JOURNAL.hex(), 0),
    ]  # fmt: skip


def test_a_gateways_answers_are_held_against_its_epoch_by_status(fill) -> None:
    """What an earlier epoch recorded vouches for none of this one's answers."""
    index = fill(entry(0, status=200), entry(1, epoch=2), entry(2, epoch=2, status=422), entry(3, epoch=2))
    right = hold(index, Answered(JOURNAL.hex(), 2, 4, {200: 2, 422: 1}))
    assert (right.answers, right.sealed, right.unrecorded, right.behind) == (3, 4, 0, 0)
    assert hold(index, Answered(JOURNAL.hex(), 2, 4, {200: 3})).unrecorded == 1
    assert hold(index, Answered(JOURNAL.hex(), 2, 4, {200: 1, 500: 1})).unrecorded == 1
    early = hold(index, Answered(JOURNAL.hex(), 2, 3, {200: 2}))
    assert (early.unrecorded, early.behind) == (1, 0)
    assert hold(index, Answered(JOURNAL.hex(), 2, 9, {200: 1})).behind == 5


def test_what_is_no_gateways_page_is_refused() -> None:
    """And a worker without a journal's numbers."""
    for text in (
        "",
        "<html>",
        "affiant_journal_epoch 1.0\n",
        'affiant_recorded_answers_total{status="x"} 1.0\n',
    ):
        with pytest.raises(FormatError, match="not a gateway's with a journal"):
            parse_scrape(text)


@pytest.mark.parametrize("name", ["epoch", "sequence", "workers", "answers"])
@pytest.mark.parametrize("value", ["+Inf", "-Inf", "NaN", "-1", "0.5", "1e300"])
def test_a_number_that_no_gateway_has_is_refused_by_its_name(name: str, value: str) -> None:
    """It is neither counted with nor does it end the command with an error of its own."""
    said = {"epoch": "1", "sequence": "5", "workers": "2", "answers": "3", name: value}
    with pytest.raises(FormatError, match=rf"{name}\w* is .*, wanted a whole number from 0 to"):
        parse_scrape(scrape(**said))


def test_a_gateway_has_no_more_workers_than_its_settings_take() -> None:
    """For each it is asked some thirty times: what it says would else cost whatever it likes."""
    assert parse_scrape(scrape(workers=f"{MOST_WORKERS}")).workers == MOST_WORKERS
    with pytest.raises(
        FormatError, match=f"affiant_workers is {MOST_WORKERS + 1}, wanted .* to {MOST_WORKERS}"
    ):
        parse_scrape(scrape(workers=f"{MOST_WORKERS + 1}"))


@pytest.mark.parametrize("journal", ["mine", "A" * 32, "f" * 33, "\x1b]0;x\x07", "\uff10" * 32])
def test_a_journal_that_has_no_id_is_refused_and_not_repeated(journal: str) -> None:
    """Whoever answers at the address chooses these bytes."""
    with pytest.raises(FormatError, match="no id of 32 hex digits") as raised:
        parse_scrape(scrape(journal=journal))
    assert journal not in str(raised.value)


def test_prometheus_gets_each_journals_totals_and_its_newest_minute(fill) -> None:
    """A journal that misses nothing says so with a zero."""
    index = fill(entry(0), entry(1, minute=1), entry(2, minute=1))
    now = hold(index, Answered(JOURNAL.hex(), 1, 3, {200: 3}))
    before = hold(index, Answered(JOURNAL.hex(), 1, 1, {200: 1}))
    told = generate_latest(registry_of(minutes(index), [now], {JOURNAL.hex(): before})).decode()
    for name, value in (
        ("recorded", 3), ("sealed", 3), ("minute_recorded", 2), ("missing", 0), ("answered", 3),
        ("minute_answered", 2), ("unrecorded", 0), ("behind", 0),
    ):  # fmt: skip
        assert f'affiant_audit_{name}{{journal="{JOURNAL.hex()}"}} {value}.0\n' in told
