"""Labels as entries: what may be said, what is written, what is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.labels import (
    BODY_TYPE,
    Label,
    NoLabel,
    Told,
    body_of,
    format_time,
    is_label,
    labelled,
    parse_time,
    read_label,
    told,
)
from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import Header, Record, encode_payload, parse_payload

NOW = 1_767_323_045_000_000_006  # 2026-01-02T03:04:05.000000006Z
RECORD = "00" * 16 + "-42"
JOURNAL = {Key.JOURNAL: b"\1" * 16, Key.EPOCH: 1, Key.SEQUENCE: 3, Key.CHAIN: b"\2" * 32, Key.COMMITTING: NOW}


def recorded(said: Told, **more: Any) -> Record:
    """As the journal writes it."""
    fields, payload = labelled(said, "credit", b"\3" * 32, NOW, **more)
    raw = encode_entry(dict(sorted({**JOURNAL, **fields}.items())))
    return Record(parse_entry(raw), payload)


def own(body: bytes, more: Mapping[int, Any] = MappingProxyType({})) -> Record:
    """A label of kind 9, which stands in no journal."""
    payload = encode_payload(b"\3" * 32, {Header.CONTENT_TYPE: BODY_TYPE}, body)
    fields = {
        Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: BODY_TYPE, Key.AUTHOR: b"\4" * 32, Key.TARGET: RECORD, Key.TIME: NOW, **more,
    }  # fmt: skip
    return Record(parse_entry(encode_entry(dict(sorted(fields.items())))), payload)


values = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=256)
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)
)
times = st.integers(0, NOW)
request_ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=32)


@given(
    values,
    st.none() | st.integers(0, 2**31 - 1),
    st.none() | times,
    st.just((RECORD, "record")) | request_ids.map(lambda text: (text, "request")),
)
def test_what_was_told_is_read_back(
    value: Any, row: int | None, known: int | None, target: tuple[str, str]
) -> None:
    """Value with its type, row, time to the nanosecond, and which prediction, whatever its id looks like."""
    name, by = target
    said = told(
        **{"record" if by == "record" else "request_id": name},
        label=value,
        row=row,
        time=None if known is None else format_time(known),
        now=NOW,
    )
    record = recorded(said, caller=b"\5" * 16, source="sha256:00")
    assert is_label(record.entry)
    label = read_label(record, 0)
    assert label == Label("credit", name, by, row, value, NOW if known is None else known, 0)
    assert type(label.value) is type(value)
    assert record.entry.get(Key.CALLER) == b"\5" * 16


def test_a_request_id_that_looks_like_a_record_id_stays_a_request_id() -> None:
    """The target says which of the two it is."""
    label = read_label(recorded(told(request_id=RECORD, label=1, now=NOW)), 0)
    assert (label.target, label.by) == (RECORD, "request")
    twice = read_label(recorded(told(request_id="request:x", label=1, now=NOW)), -1)
    assert (twice.target, twice.by) == ("request:x", "request")


def test_a_label_without_a_journal_is_read_the_same_way() -> None:
    """Kind 9: its own time where the body has none; members that nobody knows are passed over."""
    label = read_label(own(b'{"label":"bad","later":[1]}'), 0)
    assert label == Label("", RECORD, "record", None, "bad", NOW, 0)
    service = read_label(own(b'{"label":"bad","time":"1970-01-01T00:00:01Z"}', {Key.SERVICE: "credit"}), 7)
    assert (service.service, service.known_ns) == ("credit", 10**9)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"record": None}, "either", "record"),
    ({"request_id": "x"}, "either", "record"),
    ({"record": "42"}, "record id", "record"),
    ({"record": 42}, "text", "record"),
    ({"record": None, "request_id": ""}, "text", "request_id"),
    ({"record": None, "request_id": "é" * 65}, "128 bytes", "request_id"),
    ({"record": None, "request_id": "a\nb"}, "control", "request_id"),
    ({"record": None, "request_id": "\ud800"}, "Unicode", "request_id"),
    ({"label": None}, "must be text", "label"),
    ({"label": []}, "must be text", "label"),
    ({"label": ""}, "1 to 256", "label"),
    ({"label": "x" * 257}, "1 to 256", "label"),
    ({"label": "a\x1b[2J"}, "control", "label"),
    ({"label": "\udfff"}, "characters", "label"),
    ({"label": float("nan")}, "finite", "label"),
    ({"label": float("inf")}, "finite", "label"),
    ({"label": 2**53 + 1}, "finite", "label"),
    ({"row": -1}, "from 0", "row"),
    ({"row": True}, "from 0", "row"),
    ({"row": 1.0}, "from 0", "row"),
    ({"row": 2**31}, "from 0", "row"),
    ({"time": "yesterday"}, "RFC 3339", "time"),
    ({"time": 1}, "RFC 3339", "time"),
    ({"time": "2026-01-02T03:04:05"}, "RFC 3339", "time"),
    ({"time": "2026-02-30T03:04:05Z"}, "no time", "time"),
    ({"time": "1969-12-31T23:59:59Z"}, "1970", "time"),
    ({"time": "2400-01-01T00:00:00Z"}, "1970", "time"),
    ({"time": "2026-01-02T03:10:00Z"}, "future", "time"),
]


@pytest.mark.parametrize(("change", "says", "member"), WRONG)
def test_what_is_no_label_is_refused_with_its_member(change: dict[str, Any], says: str, member: str) -> None:
    """Each with what is wrong and where."""
    with pytest.raises(NoLabel, match=says) as refused:
        told(**{"record": RECORD, "label": 1, "now": NOW, **change})
    assert refused.value.member == member


@given(st.datetimes(datetime(1970, 1, 2), datetime(2261, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_times_are_those_of_the_standard_library(moment: datetime, minutes: int) -> None:
    """With and without an offset, to the microsecond that it knows."""
    away = timedelta(minutes=minutes)
    sign, rest = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{sign}{rest // 60:02d}:{rest % 60:02d}"
    since = moment.replace(tzinfo=UTC) - away - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(text) == since // timedelta(microseconds=1) * 1000
    assert parse_time(format_time(parse_time(text))) == parse_time(text)


def test_a_body_has_one_form() -> None:
    """Members in one order, a time in UTC with nine digits."""
    said = told(record=RECORD, label="bad", row=2, time="2026-01-02T04:04:05.5+01:00", now=NOW)
    assert body_of(said) == b'{"label":"bad","row":2,"time":"2026-01-02T03:04:05.500000000Z"}'


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (own(b"[]"), "not an object"),
        (own(b"{"), "label"),
        (own(b'{"label":null}'), "must be text"),
        (own(b'{"label":1}', {Key.BODY_TYPE: "application/json"}), "type"),
        (own(b'{"label":1}', {Key.SUITE: 1}), "encrypted payload, without a nonce"),
        (own(b'{"label":1}', {Key.SUITE: 7}), "of suite 7"),
        (own(b'{"label":1}', {Key.TARGET: "key 1"}), "record id"),
        (replace(own(b'{"label":1}'), payload=b""), "not here"),
    ],
)
def test_what_cannot_be_read_is_a_format_error(record: Record, says: str) -> None:
    """Anybody may write to a log."""
    with pytest.raises(FormatError, match=says):
        read_label(record, 7)


def test_a_label_whose_payload_was_changed_is_not_read() -> None:
    """The digest in the entry covers what was said."""
    record = recorded(told(record=RECORD, label="bad", now=NOW))
    changed = record.payload.replace(b'"bad"', b'"bud"')
    assert orjson.loads(parse_payload(changed).request) == {"label": "bud"}
    with pytest.raises(FormatError, match="digest"):
        read_label(replace(record, payload=changed), 7)


DAY = 86_400_000


def test_a_label_that_nothing_could_correct_is_not_read() -> None:
    """Known a day after it was logged, or when no clock goes: whoever writes to the log could write it."""
    logged = NOW // 10**6
    assert read_label(own(b'{"label":1}'), logged - DAY + 1).known_ns == NOW
    for record, at in (
        (own(b'{"label":1}'), logged - DAY),
        (own(b'{"label":1,"time":"2261-01-01T00:00:00Z"}'), logged),
        (own(b'{"label":1}', {Key.TIME: 2**64 - 1}), 0),
        (own(b'{"label":1}', {Key.TIME: 2**63}), 0),
    ):
        with pytest.raises(FormatError, match="correct"):
            read_label(record, at)


members = st.sampled_from(["label", "row", "time", "source", "x"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.dictionaries(members, anything, max_size=4).map(lambda content: json.dumps(content).encode())
    | st.binary(max_size=40),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.just(RECORD),
    st.integers(0, 2**64 - 1),
)
def test_whatever_a_log_holds_is_read_or_refused(body: bytes, target: str, time: int) -> None:
    """Nothing else is raised, and what is read can be counted with."""
    try:
        label = read_label(own(body, {Key.TARGET: target, Key.TIME: time}), 1)
    except FormatError:
        return
    assert 0 <= label.known_ns < 2**63
    assert label.row is None or 0 <= label.row < 2**31
    assert isinstance(label.value, str | bool) or abs(label.value) <= 2**53
