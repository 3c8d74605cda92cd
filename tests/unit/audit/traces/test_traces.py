"""Trace context on its way from the gateway to the sidecar: whole, or passed over; and nothing where nobody samples."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from audit.logs import configure
from audit.proof import cbor
from audit.proof.record import frame_record
from audit.traces import waiting
from audit.traces.context import Context, parse
from audit.traces.ring import SIZE, SLOTS, RingReader, RingWriter, place
from audit.traces.waiting import Waiting
from tests.components.journals import exchange

ONE, TWO = Context(b"a" * 16, b"b" * 8), Context(b"c" * 16, b"d" * 8)


def record(ticket: int) -> bytes:
    """An answered request's."""
    fields, payload = exchange(b"{}", ticket)
    return frame_record(cbor.encode({**fields, 1: bytes(16), 2: 1, 3: 0, 4: bytes(32), 5: 1}), payload)


@given(st.binary(max_size=60))
def test_no_header_of_a_stranger_is_more_than_passed_over(value: bytes) -> None:
    """What is taken is written again as it was, but for its flags."""
    found = parse(value)
    assert found is None or found.header()[:-2] == value[:-2]


def test_a_context_is_read_as_it_was_written() -> None:
    """Sampled ones; others are none."""
    assert parse(ONE.header()) == ONE
    assert parse(ONE.header()[:-2] + b"00") is None
    assert parse(ONE.header()[:-2] + b"03") == ONE


def test_what_is_put_is_seen_once_in_order(tmp_path: Path) -> None:
    """By a reader that was there before, over the end of the ring, and after a gateway has begun again."""
    path = place(tmp_path, bytes(16))
    writer = RingWriter(path)
    reader = RingReader(path)
    assert list(reader.fresh()) == []
    for ticket in range(1, SLOTS):
        writer.put(ticket, ONE)
    assert [ticket for ticket, _ in reader.fresh()] == list(range(1, SLOTS))
    for ticket in range(SLOTS, SLOTS + 3):
        writer.put(ticket, TWO)
    assert list(reader.fresh()) == [(ticket, TWO) for ticket in range(SLOTS, SLOTS + 3)]
    writer.close()
    again = RingWriter(path)
    again.put(9999, ONE)
    assert list(reader.fresh()) == [(9999, ONE)]
    again.close()
    reader.close()


def test_a_reader_that_is_late_gets_the_newest_and_a_torn_slot_is_passed_over(tmp_path: Path) -> None:
    """More than the ring holds; then a byte that was not written yet."""
    path = place(tmp_path, bytes(16))
    writer = RingWriter(path)
    reader = RingReader(path)
    for ticket in range(SLOTS + 10):
        writer.put(ticket, ONE)
    assert [ticket for ticket, _ in reader.fresh()] == list(range(10, SLOTS + 10))
    at = 64 + (SLOTS + 10) % SLOTS * 40
    writer.put(7, TWO)
    with path.open("r+b") as file:
        file.seek(at + 12)
        file.write(b"\xff")
    assert list(reader.fresh()) == []
    writer.close()
    reader.close()


def test_a_file_that_is_no_ring_is_refused_by_who_reads_and_begun_anew_by_who_writes(tmp_path: Path) -> None:
    """Of another form, or a shorter one."""
    path = tmp_path / "ring"
    path.write_bytes(struct.pack(">8sQQ", b"AFTRACE9", 4, 4).ljust(SIZE, b"\0"))
    with pytest.raises(ValueError, match="no ring"):
        RingReader(path)
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"."):
        RingReader(path)
    RingWriter(path).close()
    RingReader(path).close()


def test_a_record_is_taken_once_and_one_that_never_comes_is_given_up(tmp_path: Path) -> None:
    """So that the records after it are not looked at for ever."""
    now = [0.0]
    path = place(tmp_path, bytes(16))
    held = Waiting(path, lambda: now[0])
    assert not held.look()
    writer = RingWriter(path)
    assert not held.look()  # a ring that was not there is not looked for at once again
    now[0] = 5.0
    assert not held.look()
    writer.put(3, ONE)
    writer.put(4, TWO)
    assert held.look()
    assert held.take(record(2)) is None
    assert held.take(b"no record") is None
    assert held.take(record(3)) == ONE
    assert held.take(record(3)) is None
    assert held.look()
    now[0] += waiting.KEPT + 1
    assert not held.look()
    held.close()
    writer.close()


@pytest.fixture
def own_logging() -> Iterator[None]:
    """What is configured here ends with the test."""
    handlers = logging.getLogger().handlers
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers


@pytest.mark.usefixtures("own_logging")
def test_logs_as_json_are_objects_with_the_event_s_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours, the standard library's, and a traceback, each on one line; text is for people."""
    configure("text")
    structlog.get_logger("x").info("for people", answer=1)
    said = capsys.readouterr().out
    assert "for people" in said
    assert not said.startswith("{")
    configure("json")
    structlog.get_logger("x").info("answered", trace_id="ab", record="r-1", seconds=0.5)
    logging.getLogger("kafka").warning("gone: %s", "host")
    try:
        raise OSError("full")
    except OSError:
        structlog.get_logger("x").exception("it failed")
    ours, theirs, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ours["event"], ours["level"], ours["trace_id"], ours["record"]) == (
        "answered",
        "info",
        "ab",
        "r-1",
    )
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("gone: host", "warning", "kafka")
    assert "OSError: full" in failed["exception"]
