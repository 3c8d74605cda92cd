"""Thrift's compact protocol is read strictly, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.archive import thrift
from audit.archive.thrift import MAX_DEPTH, Struct, Type, read_struct
from audit.proof.errors import FormatError
from tests.components.thrift import varint, write_struct

NUMBERS = {Type.I16: 16, Type.I32: 32, Type.I64: 64}


def _values(type_: Type, depth: int) -> st.SearchStrategy[Any]:
    if type_ in NUMBERS:
        most = 1 << (NUMBERS[type_] - 1)
        return st.integers(-most, most - 1)
    if type_ is Type.STRUCT:
        return _structs(depth - 1)
    if type_ is Type.LIST:
        return _types(depth - 1).flatmap(
            lambda of: st.lists(_values(of, depth - 1), max_size=20).map(lambda found: (int(of), found))
        )
    return {
        Type.BOOL: st.booleans(),
        Type.BYTE: st.integers(0, 255),
        Type.DOUBLE: st.binary(min_size=8, max_size=8),
        Type.BINARY: st.binary(max_size=200),
    }[type_]


def _types(depth: int) -> st.SearchStrategy[Type]:
    plain = [each for each in Type if each < Type.LIST]
    return st.sampled_from(plain if depth <= 0 else [*plain, Type.LIST, Type.STRUCT])


def _structs(depth: int) -> st.SearchStrategy[Struct]:
    field = _types(depth).flatmap(lambda type_: st.tuples(st.just(int(type_)), _values(type_, depth)))
    found = st.dictionaries(st.integers(1, (1 << 15) - 1), field, max_size=6)
    return found.map(lambda fields: dict(sorted(fields.items())))


@given(_structs(4))
def test_what_is_written_is_read_as_it_was(fields: Struct) -> None:
    """Every type, and ids near and far from each other."""
    assert read_struct(write_struct(fields)) == fields


@given(_structs(3), st.data())
def test_changed_bytes_are_read_otherwise_or_refused(fields: Struct, data: st.DataObject) -> None:
    """What is read is written as it stood: other bytes are another struct, or none. There is one error."""
    raw = bytearray(write_struct(fields))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        found = read_struct(bytes(raw))
    except FormatError:
        return
    if not _maps(found):
        assert write_struct(found) == raw


def _maps(value: object) -> bool:
    """Whether there is a map in it, which Parquet does not have, and our writer does not write."""
    if isinstance(value, dict):
        return any(type_ == Type.MAP or _maps(each) for type_, each in value.values())
    return isinstance(value, tuple) and (value[0] == Type.MAP or any(map(_maps, value[1])))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_struct_or_refused(raw: bytes) -> None:
    """There is one error."""
    try:
        read_struct(raw)
    except FormatError:
        return


I32 = 0x10 | Type.I32


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "cut short"),
        (bytes((I32, 2)), "cut short"),
        (b"\0\0", "1 bytes behind the end"),
        (bytes((0x1D, 0)), "type 13"),
        (bytes((0x19, 0x1D, 0, 0)), "type 13"),
        (bytes((I32, 2, Type.I32, 2, 2, 0)), "field 1 after 1"),
        (bytes((I32, 2, Type.I32, 1, 2, 0)), "field -1 after 1"),
        (bytes((Type.I32, 2, 2, 0)), "field 1 after 0"),
        (bytes((I32, 0x82, 0, 0)), "not in its shortest form"),
        (bytes((0x19, 0xF5, 1, 2, 0)), "not in its shortest form"),
        (bytes((0x19, 0x11, 3, 0)), "neither true nor false"),
        (bytes((I32, *varint(1 << 32), 0)), "over 32 bits"),
        (bytes((I32, *[0x80] * 9, 1, 0)), "over 32 bits"),
        (bytes((0x16, *[0xFF] * 9, 2, 0)), "over 64 bits"),
        (bytes((0x18, 5)) + b"abc\0", "5 bytes are said to follow"),
        (bytes((0x19, 0xF5, *varint(1 << 20), 0)), "1048576 values are said to follow"),
        (bytes((0x1B, *varint(1 << 20), 0x55, 0)), "1048576 values are said to follow"),
        (bytes([0x1C] * 40 + [0] * 41), f"deeper than {MAX_DEPTH}"),
        (bytes([0x19] * 1 + [0x19] * 40 + [0] * 41), f"deeper than {MAX_DEPTH}"),
    ],
)
def test_what_is_not_of_the_protocol_is_refused(raw: bytes, said: str) -> None:
    """Cut, surplus, out of order, too long, too deep."""
    with pytest.raises(FormatError, match=said):
        read_struct(raw)


def test_no_more_values_are_taken_than_a_footer_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's footer MUST NOT take all memory: each byte may be a value."""
    raw = bytes((0x19, 0xF1, *varint(1000))) + b"\1" * 1000 + b"\0"
    assert len(read_struct(raw)[1][1][1]) == 1000
    monkeypatch.setattr(thrift, "MAX_VALUES", 1000)
    with pytest.raises(FormatError, match="over 1000 values"):
        read_struct(raw)
