"""A record as a person reads it, printed and in files; what is not here says why, and nothing forges a line."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.auditor.report import Exchange
from audit.proof import cbor
from audit.proof.encryption import NO_KEYS, PayloadKey, PayloadKeys, encrypt_payload
from audit.proof.entry import Entry, Key, Kind, Protocol, encode_entry, parse_entry
from audit.proof.exchange import MAX_PRINTED, Told, files_of, records_of, told_json, told_lines
from audit.proof.record import Header, encode_payload, parse_record
from tests.golden.proof import make

KEY = PayloadKey.of(b"k" * 16, b"K" * 32)
BUNDLE = make.evidence()
RECORDS = list(records_of(BUNDLE))
HEADER = {
    Header.METHOD: "POST",
    Header.TARGET: "/v1/models/m:predict",
    Header.CONTENT_TYPE: "application/json",
}
FORGED = "it holds\nrecord x\x1b[2J\u202e\nit holds"


def told(request: bytes = b"{}", response: bytes = b"", suite: int = 0, **more: Any) -> Told:
    """An exchange; `header` and `fields` add to the usual ones."""
    header = {**HEADER, Header.RESPONSE_TYPE: "application/json", **more.pop("header", {})}
    payload = encode_payload(bytes(32), header, request, response, more.pop("input", b""))
    fields = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: 7, Key.CHAIN: bytes(32),
        Key.COMMITTING: 1_767_323_045_000_006_000, Key.ARRIVED: 2**64 - 1, Key.SERVICE: "credit", Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: suite,
        Key.PROTOCOL: Protocol.V1_PREDICT, Key.TICKET: 7, **more.pop("fields", {}),
    }  # fmt: skip
    kept = more.pop("kept", payload)
    return Told(make.TREE, 5, parse_entry(encode_entry(fields)), kept, **more)


def hidden(keys: PayloadKeys) -> Told:
    """An exchange whose payload is encrypted."""
    payload = encrypt_payload(bytes(32), HEADER, KEY, bytes(24), b'{"a":1}')
    return told(suite=1, kept=payload, keys=keys, fields={Key.KEY_ID: KEY.id})


def printed(one: Told) -> list[str]:
    return list(told_lines(one))


def test_an_encrypted_one_is_told_with_its_key() -> None:
    """As if it had never been."""
    assert told_json(hidden(PayloadKeys.of([KEY])))["request"]["body"] == {"a": 1}


def test_request_and_answer_are_told_with_their_headers() -> None:
    """As JSON, and for people: bodies decoded, times in words where a calendar has them."""
    one = told(
        b'{"instances":[[1,2.5]]}', b'{"predictions":[0.25]}', header={Header.INPUT: [bytes(32), 1, 2]}
    )
    described = told_json(one)
    assert (described["record"], described["offset"], described["asked_for"]) == (f"{'0' * 32}-7", 5, True)
    assert described["request"] == {
        "method": "POST", "target": "/v1/models/m:predict", "content_type": "application/json",
        "body": {"instances": [[1, 2.5]]},
    }  # fmt: skip
    assert described["answer"] == {"content_type": "application/json", "body": {"predictions": [0.25]}}
    assert described["input"] == {"schema": "0" * 64, "rows": 1, "columns": 2}
    lines = printed(one)
    assert lines[0] == f"record {'0' * 32}-7, offset 5 of {make.TREE}"
    assert "  committing: 1767323045000006000 (2026-01-02 03:04:05.000006000 UTC)" in lines
    assert f"  arrived: {2**64 - 1} (2554-07-21 23:34:33.709551615 UTC)" in lines
    assert "  request: POST /v1/models/m:predict application/json" in lines
    assert "    |   [1, 2.5]" in lines
    assert '    |  "predictions": [0.25]' in lines
    assert lines[-1] == "  the model was given: 1 x 2 float32"


def test_files_have_the_bytes_as_they_were() -> None:
    """Named by topic, partition and offset; a part that is empty has none."""
    body = b'{"instances" : [[1.0, -0.0]]}'
    files = dict(files_of(told(body, b"\xff\x00", input=b"\x01" * 8)))
    name = f"{'0f' * 16}-3-5"
    assert list(files) == [f"{name}.json", f"{name}.request", f"{name}.answer", f"{name}.input"]
    assert (files[f"{name}.request"], files[f"{name}.answer"]) == (body, b"\xff\x00")
    assert files[f"{name}.input"] == b"\x01" * 8
    assert json.loads(files[f"{name}.json"]) == told_json(told(body, b"\xff\x00", input=b"\x01" * 8))
    assert list(dict(files_of(told()))) == [f"{name}.json", f"{name}.request"]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (told(kept=b""), "erased, or nobody had it"),
        (told(kept=b"", asked=False), "was not asked for"),
        (told(suite=1), "not readable: payload header: of an encrypted payload, without a nonce of 24 bytes"),
        (told(suite=2), "not readable: payload: of suite 2, which this version does not know"),
        (hidden(NO_KEYS), f"not readable: its payload key {KEY.id.hex()} is not known"),
        (told(kept=b"short"), "not readable"),
        (Told(make.TREE, 0, RECORDS[0].entry, b""), "it has none"),
    ],
)
def test_what_is_not_here_says_why(one: Told, why: str) -> None:
    """And the entry is told all the same."""
    assert why in told_json(one)["payload"]
    assert "request" not in told_json(one)
    assert any(line.startswith("  payload: ") and why in line for line in printed(one))
    assert [name.rpartition(".")[2] for name, _ in files_of(one)] == ["json"]


def test_a_body_over_the_limit_is_told_by_its_hash() -> None:
    """The gateway did not record it."""
    one = told(b"", header={Header.OVERSIZE: [b"\x0a" * 32, 99]})
    assert told_json(one)["request"]["oversize"] == ["0a" * 32, 99]
    assert any("99 bytes were over the limit" in line and "0a" * 32 in line for line in printed(one))


def test_no_body_begins_a_line_of_the_commands_own() -> None:
    """Text bodies have line ends; each of their lines is set off."""
    for one in (told(FORGED.encode()), told(json.dumps(FORGED).encode()), told(response=FORGED.encode())):
        assert not any(line.startswith(("it holds", "record x")) for line in printed(one))
        assert not any("\n" in line for line in printed(one) if not line.startswith("  request"))
        files = dict(files_of(one))
        assert "\x1b" not in files[f"{one.name}.json"].decode()


def test_what_is_printed_is_bounded_and_what_is_written_is_not() -> None:
    """The cut is said."""
    one = told(json.dumps({"text": "x" * 200_000}).encode())
    assert any(f"cut: {MAX_PRINTED:,} of" in line for line in printed(one))
    assert sum(map(len, printed(one))) < 2 * MAX_PRINTED
    assert len(json.loads(dict(files_of(one))[f"{one.name}.json"])["request"]["body"]["text"]) == 200_000


odd = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2**64 - 1), st.binary(max_size=40), st.text(max_size=20),
    st.lists(st.integers(0, 9), max_size=4),
).filter(lambda value: value is not None)  # fmt: skip


@given(
    st.dictionaries(st.integers(1, 20).filter(lambda key: key not in (6, 8)), odd), st.binary(max_size=60),
    st.binary(max_size=60),
)  # fmt: skip
def test_whatever_a_gateway_wrote_is_told_somehow(
    header: dict[int, Any], request: bytes, response: bytes
) -> None:
    """It may have signed anything."""
    payload = encode_payload(bytes(32), header, request, response)
    one = told(kept=payload)
    json.dumps(told_json(one), ensure_ascii=False, allow_nan=False).encode()
    assert "\n".join(printed(one)).encode()
    assert dict(files_of(one))[f"{one.name}.json"]


@given(st.dictionaries(st.sampled_from([int(key) for key in Key if key != Key.KIND]), odd, max_size=12))
def test_an_entry_of_a_kind_that_is_not_known_is_told_somehow(fields: dict[int, Any]) -> None:
    """A later version may have written it: its fields are of any type."""
    entry = parse_entry(cbor.encode({0: 99, **fields}))
    one = Told(make.TREE, 5, entry, b"x")
    json.dumps(told_json(one), allow_nan=False)
    assert printed(one)
    assert Exchange.of(3, 5, entry, b"x").kind == "kind 99"


def test_all_records_of_a_bundle_are_told_with_what_they_are_there_for() -> None:
    """In the order of their offsets."""
    assert [one.offset for one in RECORDS] == [kept.offset for kept in BUNDLE.trees[0].records]
    assert all(one.asked for one in RECORDS)
    assert [one.payload for one in RECORDS] == [
        parse_record(kept.record).payload for kept in BUNDLE.trees[0].records
    ]
    label = Told(make.TREE, 0, parse_entry(make.label(3)), b"")
    assert told_json(label)["record"] is None
    assert "without an id" in printed(label)[0]
    assert isinstance(label.entry, Entry)
