"""The shape of an entry: where each of its fields stands, and which bytes others of that shape have too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from audit.proof.entry import FIRST_FREE_KEY, Entry, Key, Kind

Rows = npt.NDArray[np.uint8]
"""Entries of one length, an entry a row."""

_UINT, _BYTES, _TEXT = 0, 2, 3
_TRUE: Final = 0xF5
_INLINE: Final = 24
"""Heads say smaller numbers themselves; 24 to 27 say that 1, 2, 4 or 8 bytes follow (RFC 8949, section 3)."""
_LEAST: Final = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}
"""The smallest number that needs so many bytes: a smaller one has another encoding, and this is not it."""
_KINDS: Final = frozenset(map(int, Kind))
_BATCH: Final = int(Key.BATCH)


class Form(Enum):
    """What a field's bytes are."""

    NUMBER = "an unsigned integer, big-endian"
    INLINE = "an unsigned integer below 24, in the low bits of the head"
    BYTES = "bytes as they are"
    TEXT = "ASCII"
    TRUE = "true"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands: its bytes [start, end), its head's alone when it is `INLINE`."""

    start: int
    end: int
    form: Form


class Shape:
    """What entries of one shape have in common.

    A row that `fits` MUST be an entry that the strict reader takes, with the fields that the spans say.
    """

    def __init__(self, raw: bytes, kind: int, spans: Mapping[int, Sequence[Span]]) -> None:
        """See `of`.

        Args:
            raw: an entry of the shape.
            kind: its kind.
            spans: of each key's value, in the keys' order; of an array's three.
        """
        self.size = len(raw)
        self.kind = kind
        self.spans = dict(spans)
        mask = np.full(self.size, 0xFF, np.uint8)
        self._numbers: list[tuple[Span, int]] = []
        for key, parts in self.spans.items():
            for span in parts if key else ():  # the kind is the same in all
                if span.form is Form.INLINE:
                    mask[span.start] = 0xE0
                    self._numbers.append((span, 0))
                elif span.form is not Form.TRUE:
                    mask[span.start : span.end] = 0x80 if span.form is Form.TEXT else 0
                    if span.form is Form.NUMBER:
                        self._numbers.append((span, _LEAST[span.end - span.start]))
        self._mask = mask
        self._template = np.frombuffer(raw, np.uint8) & mask

    @classmethod
    def of(cls, entry: Entry) -> Shape | None:
        """The shape of an entry that was read strictly; None when it is of a kind, or has fields, that need reading."""
        fields, raw = entry.fields, entry.raw
        if fields[0] not in _KINDS or any(key >= FIRST_FREE_KEY for key in fields):
            return None
        spans: dict[int, Sequence[Span]] = {}
        at = _head(raw, 0)[2]
        for key in fields:
            at = _head(raw, at)[2]
            found = _spans(raw, at, key)
            if found is None:
                return None
            spans[key], at = found
        return cls(raw, fields[0], spans)

    def fits(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows, of this size, are of this shape."""
        differing = rows ^ self._template
        differing &= self._mask
        fit: npt.NDArray[np.bool_] = np.bitwise_or.reduce(differing, axis=1) == 0
        for span, least in self._numbers:
            if span.form is Form.INLINE:
                fit &= (rows[:, span.start] & 0x1F) < _INLINE
            else:
                fit &= numbers(rows, span) >= least
        return fit


def numbers(rows: Rows, span: Span) -> npt.NDArray[np.uint64]:
    """The values of a `NUMBER` or an `INLINE`, one a row."""
    if span.form is Form.INLINE:
        return (rows[:, span.start] & 0x1F).astype(np.uint64)
    width = span.end - span.start
    values = np.ascontiguousarray(rows[:, span.start : span.end]).view(f">u{width}")
    return values.reshape(len(rows)).astype(np.uint64)


def _spans(raw: bytes, at: int, key: int) -> tuple[Sequence[Span], int] | None:
    """Of the value at `at`, and where it ends; None when it has no one place for its parts."""
    if key != _BATCH:
        found = _span(raw, at)
        return None if found is None else ((found[0],), found[1])
    at = _head(raw, at)[2]
    parts = []
    for _ in range(3):
        found = _span(raw, at)
        assert found is not None  # the strict reader has seen three numbers
        parts.append(found[0])
        at = found[1]
    return parts, at


def _span(raw: bytes, at: int) -> tuple[Span, int] | None:
    major, number, start = _head(raw, at)
    if major == _UINT:
        inline = start == at + 1
        return Span(at if inline else at + 1, start, Form.INLINE if inline else Form.NUMBER), start
    if major == _BYTES:
        return Span(start, start + number, Form.BYTES), start + number
    if major == _TEXT and raw[start : start + number].isascii():
        return Span(start, start + number, Form.TEXT), start + number
    if raw[at] == _TRUE:
        return Span(at, start, Form.TRUE), start
    return None


def _head(raw: bytes, at: int) -> tuple[int, int, int]:
    """Major type, number, and where the head ends."""
    major, info = raw[at] >> 5, raw[at] & 0x1F
    if info < _INLINE:
        return major, info, at + 1
    end = at + 1 + (1 << (info - _INLINE))
    return major, int.from_bytes(raw[at + 1 : end], "big"), end
