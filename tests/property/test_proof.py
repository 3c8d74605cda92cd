"""Formats under arbitrary input: one value, one encoding; hostile bytes raise FormatError alone."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof import cbor
from audit.proof.entry import parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import parse_payload, parse_record

uints = st.integers(0, 2**64 - 1)
leaves = uints | st.binary(max_size=40) | st.text(max_size=40) | st.booleans()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(uints | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def depth(value: object) -> int:
    """Levels of arrays and maps in a value."""
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(values)
def test_decoding_gives_back_what_was_encoded(value: object) -> None:
    """Whatever the format can say survives the round trip; deeper values are refused, not cut."""
    if depth(value) > cbor.MAX_DEPTH:
        with pytest.raises(FormatError):
            cbor.encode(value)
    else:
        raw = cbor.encode(value)
        assert cbor.decode(raw) == value


@given(st.binary(max_size=200))
def test_bytes_that_decode_are_the_one_encoding_of_their_value(raw: bytes) -> None:
    """No second byte string means the same value."""
    with suppress(FormatError):
        assert cbor.encode(cbor.decode(raw)) == raw


@given(st.dictionaries(uints, leaves, min_size=1, max_size=20))
def test_the_order_in_which_a_map_was_filled_does_not_show(fields: dict[int, object]) -> None:
    """Maps are written in key order."""
    assert cbor.encode(fields) == cbor.encode(dict(reversed(fields.items())))


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_a_format_error_and_nothing_else(raw: bytes) -> None:
    """Records, entries and payloads from strangers cannot crash a reader."""
    for parse in (parse_entry, parse_payload, parse_record):
        with suppress(FormatError):
            parse(raw)
