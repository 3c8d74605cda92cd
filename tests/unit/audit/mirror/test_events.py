"""What an event of the copy says, and what it never says."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
import pytest
from fluent.sender import EventTime

from audit.journal import JournalReader
from audit.mirror.events import Event, event_of, gap_event, named
from audit.proof.entry import Entry, Key, Kind, encode_entry, parse_entry
from audit.proof.exchange import fields_of
from audit.proof.hashing import leaf_hash
from audit.proof.record import Header, encode_payload, frame_record, split_record
from tests.components.journals import write_journal

JOURNAL = bytes(range(16))


def record(request: bytes = b'{"instances":[[1]]}', **fields: object) -> bytes:
    """An inference record of sequence 7."""
    header = {
        Header.METHOD: "POST",
        Header.TARGET: "/v1/models/m:predict",
        Header.CONTENT_TYPE: "application/json",
    }
    payload = encode_payload(os.urandom(32), header, request, b'{"predictions":[1.0]}')
    entry: dict[int, object] = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: JOURNAL, Key.EPOCH: 1, Key.SEQUENCE: 7, Key.CHAIN: bytes(32),
        Key.COMMITTING: 1_700_000_000_123_456_789, Key.ARRIVED: 1, Key.SERVICE: "m", Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0, Key.TICKET: 1,
    }  # fmt: skip
    return frame_record(encode_entry(entry | {Key[name]: value for name, value in fields.items()}), payload)


def opened(event: Event) -> tuple[EventTime, dict[str, Any]]:
    """Time and fields, as a receiver reads them."""
    time, fields = msgpack.unpackb(event.packed)
    return time, fields


def test_an_event_has_the_entry_s_fields_by_name_its_id_and_its_leaf() -> None:
    """With the time of committing, to the nanosecond."""
    raw = record()
    size = int.from_bytes(raw[2:4], "big")
    event = event_of(raw)
    time, fields = opened(event)
    assert event.label == "m"
    assert time == EventTime.from_unix_nano(1_700_000_000_123_456_789)
    assert fields["record"] == f"{JOURNAL.hex()}-7"
    assert fields["leaf"] == leaf_hash(raw[4 : 4 + size]).hex()
    assert (fields["kind"], fields["service"], fields["status"]) == ("inference", "m", 200)


def test_nothing_of_a_payload_is_in_an_event_unasked() -> None:
    """Not in any field, encoded in any way: its digest and its length alone."""
    event = event_of(record(request=b'{"name":"Rosa Parks"}'))
    assert b"Rosa" not in event.packed
    assert set(opened(event)[1]) >= {"payload_digest", "payload_length"}
    assert "payload" not in opened(event)[1]


def test_a_payload_that_is_asked_for_is_decoded_up_to_its_limit() -> None:
    """One byte more, and it stays out."""
    raw = record(request=b'{"name":"Rosa Parks"}')
    size = len(raw) - 4 - int.from_bytes(raw[2:4], "big")
    assert opened(event_of(raw, payload_bytes=size))[1]["payload"]["request"]["body"] == {
        "name": "Rosa Parks"
    }
    assert opened(event_of(raw, payload_bytes=size - 1))[1]["payload"] == {"left_out": size}


@pytest.mark.parametrize("suite", [1, 9])
def test_an_encrypted_payload_is_not_taken_for_a_readable_one(suite: int) -> None:
    """Whatever the suite is."""
    event = event_of(record(SUITE=suite), payload_bytes=10_000)
    assert opened(event)[1]["payload"] == {"encrypted": suite}


def test_a_service_cannot_write_another_s_tag() -> None:
    """What a receiver routes by is made of letters, digits and a few signs."""
    assert event_of(record(SERVICE="a b.c*\n{d}")).label == "a_b_c___d_"


def test_what_cannot_be_told_is_an_event_all_the_same() -> None:
    """A number of the request that MessagePack has not: the entry's leaf is there, and why there is no more."""
    raw = record(request=b'{"n":' + b"9" * 30 + b"}")
    assert "payload" in opened(event_of(record(), payload_bytes=10_000))[1]
    fields = opened(event_of(raw, payload_bytes=10_000))[1]
    assert set(fields) == {"leaf", "untold"}
    assert "Overflow" in fields["untold"]


def test_names_are_those_that_the_log_s_own_commands_give(tmp_path: Path) -> None:
    """Of every entry of a real journal, of one with all that an inference may have, and of unknown keys and kinds."""
    write_journal(tmp_path, [b"1", b"2"])
    reader = JournalReader(tmp_path / "journals" / "0")
    entries = [parse_entry(split_record(each.record)[0]) for each in reader.read(1 << 20)]
    reader.close()
    more: dict[str, object] = {
        "DIGEST": bytes(32), "SLOT": 1, "CALLER": bytes(16), "SUBJECT": bytes(16), "REQUEST_ID": "order-7",
        "BATCH": [1, 2, 3], "PROTOCOL": 2, "EXTERNAL": True,
    }  # fmt: skip
    entries.append(parse_entry(split_record(record(**more))[0]))
    entries.append(parse_entry(split_record(record(SLOT=77, PROTOCOL=99))[0]))
    entries.append(Entry({0: 99, 70: b"x", 71: [b"y"]}, b""))
    assert len({entry.kind for entry in entries}) > 3
    for entry in entries:
        assert named(entry) == fields_of(entry)


def test_a_gap_names_its_journal_and_its_first_and_last_sequence() -> None:
    """So that a receiver can tell what it will not get."""
    event = gap_event(JOURNAL, 3, 9, 5)
    assert event.label is None
    assert opened(event)[1] == {"kind": "not_mirrored", "journal": JOURNAL.hex(), "first": 3, "last": 9}
