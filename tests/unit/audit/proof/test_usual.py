"""The short way of reading entries accepts nothing that the long way refuses, and is the way of what is usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.entry import _USUAL, _parse, encode_entry, parse_entry
from audit.proof.errors import FormatError

GOLDEN = Path(__file__).parents[3] / "golden" / "journal"


def inference(**changes: object) -> dict[int, Any]:
    """An inference entry with every optional key; `k5=…` replaces a field, None removes it."""
    fields: dict[int, Any] = {
        0: 1, 1: bytes(16), 2: 3, 3: 2**40, 4: bytes(32), 5: 10, 6: 9, 7: "credit", 8: bytes(32), 9: 0, 10: 200,
        11: bytes(16), 12: bytes(16), 13: "ask-1", 14: [7, 4, 2], 15: bytes(32), 16: 700, 17: 0, 18: bytes(16),
        19: 1, 21: 1, 22: 5, 23: "why",
    }  # fmt: skip
    for name, value in changes.items():
        fields[int(name[1:])] = value
    return {key: value for key, value in sorted(fields.items()) if value is not None}


def swap(raw: bytes, old: bytes, new: bytes) -> bytes:
    """The bytes with one part replaced, which must be there once."""
    assert raw.count(old) == 1
    return raw.replace(old, new)


def test_what_a_gateway_writes_all_day_takes_the_short_way() -> None:
    """Inference entries; an entry with maps in it takes the long one."""
    raw = encode_entry(inference())
    assert _USUAL.read(raw) == inference()
    assert parse_entry(raw).fields == inference()
    assert _USUAL.read(encode_entry({0: 8, 51: bytes(16), 55: 1})) is not None
    opening = (GOLDEN / "opening.bin").read_bytes()
    assert _USUAL.read(opening[4:]) is None


@pytest.mark.parametrize(
    "raw",
    [
        encode_entry(inference()) + b"\x00",
        encode_entry(inference())[:-1],
        b"",
        swap(
            encode_entry(inference()), b"\x02\x03\x03\x1b", b"\x02\x18\x03\x03\x1b"
        ),  # an integer in two bytes
        swap(encode_entry(inference()), b"\x02\x03\x03\x1b", b"\x02\x20\x03\x1b"),  # a negative one
        swap(encode_entry(inference()), b"\x02\x03\x03\x1b", b"\x02\xc2\x41\x03\x03\x1b"),  # a bignum
        swap(encode_entry(inference()), b"\x66credit", b"\x7f\x66credit\xff"),  # a text without its length
        swap(encode_entry(inference()), b"\x66credit", b"\xd8\x1c\x66credit"),  # marked as shared
        swap(encode_entry(inference()), b"\x83\x07\x04\x02", b"\x83\x07\x04\xf5"),
        swap(encode_entry(inference()), b"\x83\x07\x04\x02", b"\x82\x07\x04"),
        b"\xbf" + encode_entry(inference())[1:] + b"\xff",
        cbor2.dumps(inference(k0=[1])),
        cbor2.dumps(inference(k0=True)),
        cbor2.dumps({0: 8, 51: bytes(16), 55: 1.0}),
        cbor2.dumps({0: 8, 55: 1, 51: bytes(16)}),
        cbor2.dumps({False: 8, 51: bytes(16), 55: 1}),
        cbor2.dumps({0: 8, 51: bytes(16), 55: 2**64}),
        cbor2.dumps(inference(k7="c" * 129)),
        cbor2.dumps(inference(k7="ü" * 65)),
        cbor2.dumps(inference(k4=bytes(31))),
        cbor2.dumps(inference(k4=None)),
        cbor2.dumps(inference(k54="may not be there")),
        cbor2.dumps(inference(k63=1)),
        cbor2.dumps(inference() | {20: None}),
        cbor2.dumps(inference() | {20: True}),
        cbor2.dumps([1]),
        cbor2.dumps({0: 99, 1: 1}),
    ],
)
def test_what_is_not_the_usual_form_is_left_to_the_long_way(raw: bytes) -> None:
    """Surplus, truncated, another encoding of the same values, wrong types, sizes and keys."""
    assert _USUAL.read(raw) is None


def test_a_text_beyond_ascii_is_read_the_long_way() -> None:
    """Its limit is in bytes of UTF-8, which only the encoding tells."""
    raw = encode_entry(inference(k7="prüfung"))
    assert _USUAL.read(raw) is None
    assert parse_entry(raw).fields[7] == "prüfung"


@settings(max_examples=400)
@given(st.sampled_from(sorted(GOLDEN.glob("*.bin"))), st.data())
def test_the_two_ways_never_contradict_each_other(path: Path, data: st.DataObject) -> None:
    """A golden entry with a few bytes changed, removed or put in: accepted means accepted with the same fields."""
    whole = path.read_bytes()
    raw = bytearray(whole[4 : 4 + int.from_bytes(whole[2:4], "big")] if path.name != "mark.bin" else whole)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    short = _USUAL.read(bytes(raw))
    if short is not None:
        assert repr(short) == repr(_parse(bytes(raw)).fields)
    else:
        try:
            long = _parse(bytes(raw))
        except FormatError:
            return
        assert parse_entry(bytes(raw)).fields == long.fields
