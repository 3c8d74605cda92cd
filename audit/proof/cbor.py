"""Deterministic CBOR (RFC 8949, section 4.2.1), with the types of docs/record-format.md, section 1, alone."""

from __future__ import annotations

import io
from struct import Struct
from typing import Final

import cbor2

from .errors import FormatError

MAX_DEPTH: Final = 4
_MAX_UINT: Final = 2**64 - 1
_HEADS: Final = ((24, 1 << 8, Struct(">BB")), (25, 1 << 16, Struct(">BH")), (26, 1 << 32, Struct(">BI")))
_LONG: Final = Struct(">BQ")


def encode(value: object) -> bytes:
    """Encode `value`; the same value gives the same bytes, whatever the order of its maps.

    Raises:
        FormatError: a type, an integer or a depth that the format does not have.
    """
    _check(value, MAX_DEPTH, "value")
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes | memoryview, what: str = "CBOR") -> object:
    """Decode exactly one value that fills `data`.

    MUST refuse every encoding but the deterministic one: two byte strings never mean the same value.

    Raises:
        FormatError: truncated or surplus bytes, another encoding of the value, a type that the format
            does not have.
    """
    raw = bytes(data)
    stream = io.BytesIO(raw)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    # cbor2 raises its own errors, and Python's (overflow, recursion, Unicode) for some hostile inputs.
    except Exception as error:
        raise FormatError(f"{what}: not CBOR ({type(error).__name__})") from error
    _check(value, MAX_DEPTH, what)
    if cbor2.dumps(value, canonical=True) != raw:
        raise FormatError(f"{what}: surplus bytes, or not the deterministic encoding")
    return value


# Parts of an encoding, for who writes one out by hand where a general encoder would take most of the time.


def head(major: int, number: int) -> bytes:
    """The shortest head of an item (RFC 8949, section 3): its major type, 0 to 7, and its number or length.

    Raises:
        struct.error: the number is outside 0 … 2^64 - 1.
    """
    kind = major << 5
    if number < 24:
        return bytes((kind | number,))
    for extra, bound, form in _HEADS:
        if number < bound:
            return form.pack(kind | extra, number)
    return _LONG.pack(kind | 27, number)


_UINTS: Final = tuple(head(0, number) for number in range(4096))


def uint(number: int) -> bytes:
    """An unsigned integer."""
    return _UINTS[number] if number < 4096 else head(0, number)


def text(value: str) -> bytes:
    """A text."""
    raw = value.encode()
    return head(3, len(raw)) + raw


def data(value: bytes) -> bytes:
    """A byte string."""
    return head(2, len(value)) + value


def _check(value: object, depth: int, what: str) -> None:
    if depth < 0:
        raise FormatError(f"{what}: nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind is int:
        if not 0 <= value <= _MAX_UINT:  # type: ignore[operator]
            raise FormatError(f"{what}: integer outside 0 … 2^64 - 1")
    elif kind is list:
        for item in value:  # type: ignore[attr-defined]
            _check(item, depth - 1, what)
    elif kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) not in (int, str):
                raise FormatError(f"{what}: a map key is neither an integer nor text")
            _check(key, depth - 1, what)
            _check(item, depth - 1, what)
    elif kind not in (bytes, str, bool):
        raise FormatError(f"{what}: has a {kind.__name__}, which the format does not have")
