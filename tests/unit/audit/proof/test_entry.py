"""Entries: what the format allows is kept, everything else is refused by name."""

from __future__ import annotations

import cbor2
import pytest

from audit.proof.entry import (
    MAX_ENTRY,
    Key,
    Kind,
    encode_entry,
    parse_entry,
    parse_record_id,
    signing_message,
)
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash, node_hash

JOURNAL = bytes(range(16))


def heartbeat(**changes: object) -> dict[int, object]:
    """A well-formed heartbeat, with fields replaced by key number given as `k5=…`; None removes."""
    fields: dict[int, object] = {
        0: int(Kind.HEARTBEAT), 1: JOURNAL, 2: 1, 3: 7, 4: bytes(32), 5: 10,
        40: {"full": 2}, 41: 9, 42: bytes(64),
    }  # fmt: skip
    for name, value in changes.items():
        fields[int(name[1:])] = value
    return {key: value for key, value in fields.items() if value is not None}


def test_an_entry_comes_back_as_it_was_written() -> None:
    """Encoding and parsing are inverse, and the record id is read from journal and sequence."""
    entry = parse_entry(encode_entry(heartbeat()))
    assert entry.fields == heartbeat()
    assert entry.record_id == JOURNAL.hex() + "-7"
    assert parse_record_id(entry.record_id) == (JOURNAL, 7)


def test_unknown_optional_keys_and_unknown_kinds_are_kept() -> None:
    """A later version may add keys from 64 on, and kinds; this reader carries them along."""
    assert parse_entry(encode_entry(heartbeat(k64="later"))).fields[64] == "later"
    assert parse_entry(cbor2.dumps({0: 99, 7: 1}, canonical=True)).kind == 99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k42": None}, "without signature"),
        ({"k4": bytes(31)}, "chain is not 32 bytes"),
        ({"k7": "credit"}, "has key 7"),
        ({"k63": 1}, "has key 63"),
        ({"k3": True}, "sequence is not an unsigned integer"),
        ({"k40": {"full": "2"}}, "counted is not of the form"),
        ({"k5": -1}, "integer outside"),
        ({"k41": 1.5}, "has a float"),
        ({"k40": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "nested deeper"),
    ],
)
def test_a_field_that_the_format_does_not_have_is_refused_by_name(
    change: dict[str, object], said: str
) -> None:
    """Missing, misplaced and misshapen fields each say which and why."""
    with pytest.raises(FormatError, match=said):
        parse_entry(cbor2.dumps(heartbeat(**change), canonical=True))
    with pytest.raises(FormatError, match=said):
        encode_entry(heartbeat(**change))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xa1",
        encode_entry(heartbeat()) + b"\x00",
        bytes.fromhex("bf0006ff"),  # a map of indefinite length
        bytes.fromhex("a1001806"),  # 6 in two bytes
        bytes.fromhex("a20006" + "0006"),  # the same key twice
        bytes.fromhex("a2010000" + "06"),  # keys out of order
        bytes.fromhex("d81c80"),  # a shared-value tag
        bytes.fromhex("a100c249010000000000000000"),  # a big integer
        bytes.fromhex("a100f6"),  # null
        cbor2.dumps([1]),
        cbor2.dumps({"0": 6}),
        cbor2.dumps({0: 99, 64: bytes(MAX_ENTRY)}, canonical=True),
    ],
)
def test_another_encoding_or_shape_is_refused(raw: bytes) -> None:
    """One value has one encoding: nothing else is parsed."""
    with pytest.raises(FormatError):
        parse_entry(raw)


@pytest.mark.parametrize(
    "text", ["", "-1", "ab-1", "A" * 32 + "-1", "a" * 32 + "-01", "a" * 32 + "-٣", "a" * 32 + f"-{2**64}"]
)
def test_a_malformed_record_id_is_refused(text: str) -> None:
    """A record id is 32 lower-case hex digits, a dash and a plain decimal number."""
    with pytest.raises(FormatError):
        parse_record_id(text)


def test_the_signature_covers_every_field_but_itself() -> None:
    """Changing any field changes what is signed; changing the signature does not."""
    base = signing_message(heartbeat())
    assert base.startswith(b"affiant-journal-v1\n\x06" + JOURNAL)
    assert signing_message(heartbeat(k42=b"\x01" * 64)) == base
    for key, value in (
        ("k3", 8),
        ("k2", 2),
        ("k5", 11),
        ("k40", {"full": 3}),
        ("k41", 8),
        ("k4", b"\x01" * 32),
    ):
        assert signing_message(heartbeat(**{key: value})) != base


def test_leaves_and_nodes_hash_as_rfc_6962_says() -> None:
    """The empty leaf's hash is the one that RFC 6962 implementations publish."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert node_hash(b"a", b"b") != leaf_hash(b"ab")


def test_every_kind_and_key_of_the_format_page_is_known() -> None:
    """The enums cover the page's tables."""
    assert {kind.value for kind in Kind} == set(range(1, 13))
    assert {key.value for key in Key} == {*range(25), *range(32, 43), *range(48, 56)}
