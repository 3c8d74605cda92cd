"""Thrift's compact protocol, read strictly: a stranger's bytes become plain values, or one error.

Parquet libraries read their footers with a generated parser, and what they then make of it may end the process. This
one comes first (footer.py). Format: Apache Thrift, `doc/specs/thrift-compact-protocol.md`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from audit.proof.errors import FormatError

MAX_DEPTH: Final = 16
"""Structs and lists in each other."""
MAX_VALUES: Final = 1 << 19
"""Values in all: a file of the most records and columns has less than half of it."""


class Type(IntEnum):
    """Kinds of values, as the protocol numbers them; `BOOL` is a true one there, and false is 2."""

    BOOL = 1
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12


_FALSE: Final = 2
_STOP: Final = 0
_LONG: Final = 15
"""From so many values on a list's length stands apart; up to so far from the one before a field's id does not."""
# Plain numbers: those of an enumeration are many times slower to look up.
_BITS: Final = {int(Type.I16): 16, int(Type.I32): 32, int(Type.I64): 64}
_TYPES: Final = {int(each): int(each) for each in Type} | {_FALSE: int(Type.BOOL)}
_BOOL, _BYTE, _DOUBLE, _BINARY = int(Type.BOOL), int(Type.BYTE), int(Type.DOUBLE), int(Type.BINARY)
_MAP, _STRUCT = int(Type.MAP), int(Type.STRUCT)

Struct = dict[int, tuple[int, Any]]
"""The values by their field's id, which rise; each with its type. A list's is `(type of its values, [value, …])`,
the type as it stands there: booleans have two."""


def read_struct(raw: bytes | memoryview) -> Struct:
    """A struct, which is all of the bytes. There is one way to write each, and others are refused.

    MUST NOT take more than `MAX_VALUES` values or go deeper than `MAX_DEPTH`, whatever the bytes say.

    Raises:
        FormatError: cut short, surplus bytes, ids that do not rise, a number that is too long or not in its shortest
            form, an unknown type.
    """
    reader = _Reader(bytes(raw))
    found = reader.struct(0)
    if reader.at != len(reader.raw):
        raise FormatError(f"thrift: {len(reader.raw) - reader.at} bytes behind the end")
    return found


def read_struct_at(raw: bytes, at: int) -> tuple[Struct, int]:
    """A struct that begins at a byte of many, and where it ends; as `read_struct`, but for what is behind it."""
    reader = _Reader(raw)
    reader.at = at
    return reader.struct(0), reader.at


class _Reader:
    """Where it is in the bytes, and how much it may still take."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0
        self._left = MAX_VALUES

    def struct(self, depth: int) -> Struct:
        if depth >= MAX_DEPTH:
            raise FormatError(f"thrift: deeper than {MAX_DEPTH} at byte {self.at}")
        found: Struct = {}
        last = 0
        while True:
            head = self._byte()
            if head == _STOP:
                return found
            type_ = self._type(head & 0x0F)
            id_ = last + (head >> 4) if head >> 4 else self._signed(16)
            if not last < id_ < 1 << 15 or (not head >> 4 and id_ - last <= _LONG):
                raise FormatError(f"thrift: field {id_} after {last} at byte {self.at}")
            last = id_
            value = head & 0x0F == _BOOL if type_ == _BOOL else self._value(type_, depth + 1)
            self._count()
            found[id_] = type_, value

    def _value(self, type_: int, depth: int) -> Any:
        bits = _BITS.get(type_)
        if bits is not None:
            return self._signed(bits)
        if type_ == _BINARY:
            return self._take(self._unsigned(32))
        if type_ == _DOUBLE:
            return self._take(8)
        if type_ in (_BOOL, _BYTE):  # of a struct's boolean the value is in the type; a list's has a byte
            byte = self._byte()
            if type_ == _BOOL and byte not in (_BOOL, _FALSE):
                raise FormatError(f"thrift: neither true nor false at byte {self.at}")
            return byte if type_ == _BYTE else byte == _BOOL
        within = self.struct if type_ == _STRUCT else self._map if type_ == _MAP else self._list
        return within(depth)

    def _list(self, depth: int) -> tuple[int, list[Any]]:
        if depth >= MAX_DEPTH:
            raise FormatError(f"thrift: deeper than {MAX_DEPTH} at byte {self.at}")
        head = self._byte()
        type_, count = self._type(head & 0x0F), head >> 4
        if count == _LONG and (count := self._unsigned(32)) < _LONG:
            raise FormatError(f"thrift: a length that is not in its shortest form at byte {self.at}")
        return head & 0x0F, [self._element(type_, depth) for _ in range(self._fits(count))]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._fits(self._unsigned(32))
        if not count:
            return []
        head = self._byte()
        key, value = self._type(head >> 4), self._type(head & 0x0F)
        return [(self._element(key, depth), self._element(value, depth)) for _ in range(count)]

    def _element(self, type_: int, depth: int) -> Any:
        self._count()
        return self._value(type_, depth + 1)

    def _fits(self, count: int) -> int:
        """Each value has a byte at least."""
        if count > len(self.raw) - self.at:
            raise FormatError(f"thrift: {count} values are said to follow byte {self.at}")
        return count

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise FormatError(f"thrift: over {MAX_VALUES} values")

    def _type(self, number: int) -> int:
        found = _TYPES.get(number)
        if found is None:
            raise FormatError(f"thrift: type {number} at byte {self.at}")
        return found

    def _byte(self) -> int:
        at = self.at
        if at >= len(self.raw):
            raise FormatError("thrift: cut short")
        self.at = at + 1
        return self.raw[at]

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.raw):
            raise FormatError(f"thrift: {count} bytes are said to follow byte {self.at}")
        found, self.at = self.raw[self.at : end], end
        return found

    def _signed(self, bits: int) -> int:
        """Zigzag: 0, -1, 1, -2 and so on."""
        found = self._unsigned(bits)
        return (found >> 1) ^ -(found & 1)

    def _unsigned(self, bits: int) -> int:
        """A varint of at most so many bits, in as few bytes as it needs."""
        byte = self._byte()
        if byte < 0x80:
            return byte
        found, shift = byte & 0x7F, 7
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise FormatError(f"thrift: a number of over {bits} bits at byte {self.at}")
        if found >> bits or not byte:
            raise FormatError(
                f"thrift: a number over {bits} bits, or not in its shortest form, at byte {self.at}"
            )
        return found
