"""Thrift's compact protocol, written: for files that no writer would make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit.archive.thrift import Struct, Type

_NUMBERS = (Type.I16, Type.I32, Type.I64)


def write_struct(fields: Struct) -> bytes:
    """What `audit.archive.thrift.read_struct` reads, in the order in which the fields are given."""
    out, last = bytearray(), 0
    for id_, (type_, value) in fields.items():
        kind = 2 if type_ == Type.BOOL and not value else int(type_)
        if 0 < id_ - last <= 15:
            out.append((id_ - last) << 4 | kind)
        else:
            out.append(kind)
            out += varint(_zigzag(id_))
        last = id_
        if type_ != Type.BOOL:
            out += _value(Type(type_), value)
    return bytes(out) + b"\0"


def varint(number: int) -> bytes:
    """Seven bits a byte, the low ones first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _value(type_: Type, value: Any) -> bytes:
    writers: dict[Type, Callable[[Any], bytes]] = {
        Type.BINARY: lambda each: varint(len(each)) + each,
        Type.STRUCT: write_struct,
        Type.BOOL: lambda each: b"\1" if each else b"\2",
        Type.BYTE: lambda each: bytes((each,)),
        Type.DOUBLE: bytes,
        Type.LIST: _list,
        Type.SET: _list,
    }
    return varint(_zigzag(value)) if type_ in _NUMBERS else writers[type_](value)


def _list(value: tuple[int, list[Any]]) -> bytes:
    of, each = value
    head = bytes((len(each) << 4 | of,)) if len(each) < 15 else bytes((0xF0 | of,)) + varint(len(each))
    type_ = Type.BOOL if of == 2 else Type(of)
    return head + b"".join(_value(type_, one) for one in each)


def with_footer(content: bytes, footer: bytes) -> bytes:
    """A Parquet file with another footer."""
    length = int.from_bytes(content[-8:-4], "little")
    return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def footer_of(content: bytes) -> bytes:
    """The footer's bytes."""
    length = int.from_bytes(content[-8:-4], "little")
    return content[-8 - length : -8]
