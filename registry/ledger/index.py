"""Which entries of the governance log may be about what: in memory, and as bytes that can be kept.

    magic ‖ header length:u32 ‖ header ‖ offsets of each type ‖ digests, 32 bytes each ‖ offsets of each ‖ SHA-256

The header is JSON: what the log was (`Covered`), the types that were looked for, each type's number of offsets, the
numbers of those of the digests, and `more`, of whoever keeps it. Offsets are u64, and everything is little-endian. The
SHA-256 is of all bytes before it.

What was kept is worth as much as the disk that it is on, and no more. It says where to look: what stands there is read
from the log, and its signatures are checked. It is of the log only when the values up to `end` have the hash that it
says; that is for whoever reads the log to see.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from audit.files import parse_json
from registry.statement import PREDICATES

from .mentions import Mentions

_MAGIC: Final = b"affiant governance index 1\n"
"""Another number where `mentions` tells something else of the same bytes, too."""
_HEAD: Final = struct.Struct("<I")
_SHA256: Final = 32
_OFFSET: Final = 8


class IndexDamaged(Exception):  # noqa: N818 - says what happened; whoever reads one makes another
    """It is not what was written."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The part of a log that an index is of."""

    topic: str
    """The topic's id, hex."""
    end: int
    """Offsets below it are covered."""
    hash: str
    """Over the values of all of them, as whoever reads the log takes it."""


@dataclass(slots=True)
class Index:
    """Type → offsets, and digest → offsets, ascending, of all entries below `end`."""

    end: int = 0
    _types: dict[str, array[int]] = field(default_factory=dict)
    _digests: dict[bytes, array[int]] = field(default_factory=dict)

    def add(self, mentioned: Mentions | None) -> None:
        """Take what the entry at `end` mentions."""
        offset, self.end = self.end, self.end + 1
        if mentioned is None:
            return
        for type_ in mentioned.types:
            _append(self._types, type_, offset)
        for digest in mentioned.digests:
            _append(self._digests, digest, offset)

    def of_type(self, type_: str) -> Sequence[int]:
        """Offsets of entries that may be of that type."""
        return self._types.get(type_, ())

    def about(self, digest: str) -> Sequence[int]:
        """Offsets of entries that may be about `sha256:…`."""
        return self._digests.get(bytes.fromhex(digest.removeprefix("sha256:")), ())

    def mentioned(self) -> bytearray:
        """A byte for each offset below `end`: 1 where something is mentioned."""
        found = bytearray(self.end)
        for offsets in self._types.values():
            for offset in offsets:
                found[offset] = 1
        return found

    def encode(self, covered: Covered, more: object = None) -> bytes:
        """As bytes. `covered.end` MUST be `end`; `more` is JSON."""
        assert covered.end == self.end
        header = {
            "topic": covered.topic,
            "end": self.end,
            "hash": covered.hash,
            "known": sorted(PREDICATES),
            "more": more,
            "types": {type_: len(offsets) for type_, offsets in self._types.items()},
            "digests": [len(offsets) for offsets in self._digests.values()],
        }
        head = json.dumps(header, separators=(",", ":")).encode()
        parts = [_MAGIC, _HEAD.pack(len(head)), head]
        parts += map(_little, self._types.values())
        parts.append(b"".join(self._digests))
        parts += map(_little, self._digests.values())
        content = b"".join(parts)
        return content + sha256(content).digest()

    @classmethod
    def decode(cls, raw: bytes) -> tuple[Index, Covered, Any]:
        """What `encode` made: the index, what it is of, and `more`.

        Raises:
            IndexDamaged: it is not what was written.
        """
        if not raw.startswith(_MAGIC) or len(raw) < len(_MAGIC) + _HEAD.size + _SHA256:
            raise IndexDamaged("no index of this format")
        if sha256(memoryview(raw)[:-_SHA256]).digest() != raw[-_SHA256:]:
            raise IndexDamaged("its hash does not hold")
        start = len(_MAGIC) + _HEAD.size
        (length,) = _HEAD.unpack_from(raw, len(_MAGIC))
        covered, types, digests, more = _header(raw[start : start + length])
        parts = _Parts(memoryview(raw)[start + length : -_SHA256], covered.end)
        found = cls(covered.end)
        found._types = {type_: parts.offsets(count) for type_, count in types.items()}
        names = parts.take(len(digests) * _SHA256)
        for place, count in enumerate(digests):
            found._digests[bytes(names[place * _SHA256 : (place + 1) * _SHA256])] = parts.offsets(count)
        if parts.left:
            raise IndexDamaged("it has more than its header says")
        return found, covered, more


class _Parts:
    """The bytes behind the header, taken one part after another."""

    def __init__(self, raw: memoryview, end: int) -> None:
        self._raw = raw
        self._end = end
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._raw) - self._at

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise IndexDamaged("it has less than its header says")
        self._at += size
        return self._raw[self._at - size : self._at]

    def offsets(self, count: int) -> array[int]:
        found = array("Q")
        found.frombytes(self.take(count * _OFFSET))
        _swap(found)
        if found and max(found) >= self._end:
            raise IndexDamaged("it names an offset beyond its end")
        return found


def _header(raw: bytes) -> tuple[Covered, Mapping[str, int], list[int], Any]:
    try:
        content: Any = parse_json(raw)
        match content:
            case {
                "topic": str(topic), "end": int(end), "hash": str(value), "known": list(known), "more": more,
                "types": dict(types), "digests": list(digests),
            }:  # fmt: skip
                # A type that nobody looked for when it was made would be missed.
                if known == sorted(PREDICATES) and _counts([end, *types.values(), *digests]):
                    return Covered(topic, end, value), types, digests, more
    except ValueError as error:
        raise IndexDamaged("its header is no JSON") from error
    raise IndexDamaged("its header is not of this format")


def _counts(values: Iterable[object]) -> bool:
    return all(type(each) is int and each >= 0 for each in values)


def _append(offsets: dict[Any, array[int]], name: str | bytes, offset: int) -> None:
    found = offsets.get(name)
    if found is None:
        found = offsets[name] = array("Q")
    found.append(offset)


def _little(offsets: array[int]) -> bytes:
    copied = array("Q", offsets)
    _swap(copied)
    return copied.tobytes()


def _swap(offsets: array[int]) -> None:
    if sys.byteorder == "big":
        offsets.byteswap()
