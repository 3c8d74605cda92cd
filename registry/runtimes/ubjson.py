"""Reading UBJSON as XGBoost writes it (ubjson.org, draft 12): objects, text, integers, floats, and typed
arrays.

Only to look at a model before XGBoost does: nothing is allocated that the bytes do not hold.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from registry.errors import ModelRefused

MAX_DEPTH: Final = 16
_INTEGERS: Final = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_FLOATS: Final = {b"d": ">f", b"D": ">d"}
_ARRAYS: Final = {
    b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8",
}  # fmt: skip


def loads(data: bytes) -> Any:
    """The one value that fills `data`; typed arrays as numpy arrays.

    Raises:
        ModelRefused: truncated, surplus bytes, too deep, a key twice, or a marker that XGBoost does not
        write.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), MAX_DEPTH)
    if reader.place != len(data):
        raise ModelRefused(f"UBJSON: {len(data) - reader.place} bytes after the model")
    return value


class _Reader:
    """A place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.place + count
        if count < 0 or end > len(self.data):
            raise ModelRefused(f"UBJSON: ends within a value at byte {self.place}")
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def value(self, marker: bytes, depth: int) -> Any:
        """The value after `marker`."""
        if depth < 0:
            raise ModelRefused(f"UBJSON: nested deeper than {MAX_DEPTH}")
        if marker == b"{":
            return self.object(depth)
        if marker == b"[":
            return self.array(depth)
        if marker == b"S":
            return self.text()
        if marker in _INTEGERS or marker in _FLOATS:
            form = _INTEGERS.get(marker) or _FLOATS[marker]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if marker in (b"T", b"F"):
            return marker == b"T"
        raise ModelRefused(f"UBJSON: marker {marker!r} at byte {self.place - 1}")

    def object(self, depth: int) -> dict[str, Any]:
        """Pairs up to the closing brace; a key is a text without its marker."""
        result: dict[str, Any] = {}
        while (marker := self.take(1)) != b"}":
            self.place -= len(marker)
            key = self.text()
            if key in result:
                raise ModelRefused(f"UBJSON: the key {key!r} is there twice")
            result[key] = self.value(self.take(1), depth - 1)
        return result

    def array(self, depth: int) -> Any:
        """`[$type#count` and packed numbers, `[#count` and values, or values up to the closing bracket."""
        marker = self.take(1)
        if marker == b"$":
            kind = self.take(1)
            if kind not in _ARRAYS or self.take(1) != b"#":
                raise ModelRefused(f"UBJSON: an array of {kind!r} at byte {self.place}")
            dtype = np.dtype(_ARRAYS[kind])
            return np.frombuffer(self.take(self.count() * dtype.itemsize), dtype)
        if marker == b"#":
            count = self.count()
            if count > len(self.data) - self.place:  # a value has at least its marker
                raise ModelRefused(f"UBJSON: an array of {count} values at byte {self.place}")
            return [self.value(self.take(1), depth - 1) for _ in range(count)]
        values = []
        while marker != b"]":
            values.append(self.value(marker, depth - 1))
            marker = self.take(1)
        return values

    def text(self) -> str:
        """A length and that many bytes of UTF-8."""
        try:
            return self.take(self.count()).decode()
        except UnicodeDecodeError as error:
            raise ModelRefused(f"UBJSON: text at byte {self.place} is not UTF-8") from error

    def count(self) -> int:
        """A length: an integer with its marker."""
        marker = self.take(1)
        if marker not in _INTEGERS:
            raise ModelRefused(f"UBJSON: a length with marker {marker!r} at byte {self.place - 1}")
        number: int = self.value(marker, 0)
        if number < 0:
            raise ModelRefused(f"UBJSON: a negative length at byte {self.place}")
        return number
