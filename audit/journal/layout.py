"""Bytes of a journal: segment headers, groups and frames (docs/record-format.md, section 7). No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

import google_crc32c

from audit.proof.errors import FormatError
from audit.proof.hashing import HASH_SIZE

SEGMENT_MAGIC: Final = b"AFFJRNL1"
GROUP_MAGIC: Final = b"AFGR"
HEADER_SIZE: Final = 128
GROUP_HEAD: Final = 24
ALIGNMENT: Final = 8
SEED_SIZE: Final = 8
SUFFIX: Final = ".seg"

REQUEST_FRAME: Final = 1
RECORD_FRAME: Final = 2
# What a record frame adds to its entry and payload: frame head 8, ticket 8, record head 4.
RECORD_OVERHEAD: Final = 20
REQUEST_OVERHEAD: Final = 28

_HEADER: Final = Struct(">8sQ16sQQ32sQQQ8s12s")
_CRC: Final = Struct(">I")
_GROUP: Final = Struct(">4sQII")
_FRAME: Final = Struct(">B3sI")
# type, zero, length, ticket, record format, entry length: one call on the append path.
pack_record_head: Final = Struct(">B3xIQHH").pack
pack_request_head: Final = Struct(">B3xIQQI").pack
_REQUEST: Final = Struct(">QQI")
_TICKET: Final = Struct(">Q")

crc32c_extend: Final = google_crc32c.extend


def crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli, RFC 3720 appendix B.4) of `data`."""
    return int(google_crc32c.value(data))


def align(offset: int) -> int:
    """The next multiple of 8."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"{number:016x}{SUFFIX}"


def segment_number(name: str) -> int | None:
    """The number in a segment's file name; None for any other file."""
    digits = name.removesuffix(SUFFIX)
    if not name.endswith(SUFFIX) or len(digits) != 16 or set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself, so that it can be read alone.

    `sequence` and `chain` are those of its first entry, `group` of its first group; `tickets` is the highest
    ticket given before it; `epoch` the last one opened before it; `created` in ns since 1970 UTC. `seed` is
    random and goes into the checksum of the segment's groups: a client cannot put a valid group in a body.
    """

    segment: int
    journal: bytes
    group: int
    sequence: int
    chain: bytes
    epoch: int
    created: int
    tickets: int
    seed: bytes

    def encode(self) -> bytes:
        """128 bytes."""
        body = _HEADER.pack(
            SEGMENT_MAGIC, self.segment, self.journal, self.group, self.sequence, self.chain,
            self.epoch, self.created, self.tickets, self.seed, bytes(12),
        )  # fmt: skip
        return body + _CRC.pack(crc32c(body))

    @classmethod
    def decode(cls, raw: bytes) -> SegmentHeader:
        """Parse the first 128 bytes of a segment.

        Raises:
            FormatError: says what is wrong.
        """
        if len(raw) < HEADER_SIZE:
            raise FormatError("segment header: truncated")
        body = raw[: HEADER_SIZE - 4]
        if _CRC.unpack_from(raw, HEADER_SIZE - 4)[0] != crc32c(body):
            raise FormatError("segment header: wrong checksum")
        magic, segment, journal, group, sequence, chain, epoch, created, tickets, seed, zero = _HEADER.unpack(
            body
        )
        if magic != SEGMENT_MAGIC:
            raise FormatError("segment header: wrong magic")
        if any(zero):
            raise FormatError("segment header: reserved bytes are not zero")
        return cls(segment, journal, group, sequence, chain, epoch, created, tickets, seed)


class Group(NamedTuple):
    """A valid group as it lies in a segment: `end` is the offset after its body."""

    number: int
    frames: int
    start: int
    end: int


def encode_group_head(seed: bytes, number: int, frames: int, body: bytes) -> bytes:
    """The 24 bytes before a group's body."""
    head = _GROUP.pack(GROUP_MAGIC, number, len(body), frames)
    return head + _CRC.pack(crc32c_extend(crc32c_extend(crc32c(seed), head), body))


def read_group(data: bytes, offset: int, seed: bytes) -> Group | str:
    """The group that starts at `offset`, or why there is none."""
    if offset + GROUP_HEAD > len(data):
        return "no room for a group"
    magic, number, length, frames = _GROUP.unpack_from(data, offset)
    if magic != GROUP_MAGIC:
        return "no group's magic"
    end = offset + GROUP_HEAD + length
    if end > len(data):
        return "the group's length goes beyond the segment"
    (crc,) = _CRC.unpack_from(data, offset + 20)
    head, body = data[offset : offset + 20], data[offset + GROUP_HEAD : end]
    if crc32c_extend(crc32c_extend(crc32c(seed), head), body) != crc:
        return "wrong checksum"
    return Group(number, frames, offset, end)


class Frame(NamedTuple):
    """A frame's type and where its content lies."""

    type: int
    start: int
    end: int


def read_frames(data: bytes, group: Group) -> Iterator[Frame]:
    """The frames of a valid group.

    Raises:
        FormatError: they do not fill the group, or are not as many as it says.
    """
    position = group.start + GROUP_HEAD
    count = 0
    while position < group.end:
        if position + 8 > group.end:
            raise FormatError("frame: truncated")
        kind, zero, length = _FRAME.unpack_from(data, position)
        start = position + 8
        position = start + length
        if position > group.end:
            raise FormatError("frame: longer than its group")
        if zero != b"\x00\x00\x00" or kind not in (REQUEST_FRAME, RECORD_FRAME):
            raise FormatError(f"frame: of unknown type {kind}, or reserved bytes that are not zero")
        count += 1
        yield Frame(kind, start, position)
    if count != group.frames:
        raise FormatError(f"group: {count} frames, its head says {group.frames}")


class RequestFrame(NamedTuple):
    """An accepted request: `header` is its encoded payload header, `arrived` ns since 1970 UTC."""

    ticket: int
    arrived: int
    header: bytes
    request: bytes


def decode_request(content: bytes) -> RequestFrame:
    """Parse a request frame's content.

    Raises:
        FormatError: truncated.
    """
    if len(content) < _REQUEST.size:
        raise FormatError("request frame: truncated")
    ticket, arrived, length = _REQUEST.unpack_from(content)
    start = _REQUEST.size + length
    if start > len(content):
        raise FormatError("request frame: its header is truncated")
    return RequestFrame(ticket, arrived, content[_REQUEST.size : start], content[start:])


def decode_record(content: bytes) -> tuple[int, bytes]:
    """The ticket and the record of a record frame's content.

    Raises:
        FormatError: truncated.
    """
    if len(content) < _TICKET.size:
        raise FormatError("record frame: truncated")
    return _TICKET.unpack_from(content)[0], content[_TICKET.size :]


class EntryHead(NamedTuple):
    """Keys 0 to 4 of a journal's entry."""

    kind: int
    journal: bytes
    epoch: int
    sequence: int
    chain: bytes


def read_entry_head(entry: bytes) -> EntryHead:
    """Keys 0 to 4, which deterministic CBOR puts first and in this order, without parsing the rest.

    Raises:
        FormatError: the entry does not begin with them.
    """
    try:
        # A map's head is one byte up to 23 pairs, two up to 255: no entry has more keys.
        at = 1 if entry[0] < 0xB8 else 2
        kind, at = _uint(entry, _key(entry, at, 0))
        at = _key(entry, at, 1)
        journal = entry[at + 1 : at + 17]
        fixed = entry[at] == 0x50
        epoch, at = _uint(entry, _key(entry, at + 17, 2))
        sequence, at = _uint(entry, _key(entry, at, 3))
        at = _key(entry, at, 4)
        chain = entry[at + 2 : at + 2 + HASH_SIZE]
        if not fixed or entry[at : at + 2] != b"\x58\x20" or len(chain) != HASH_SIZE:
            raise FormatError("entry: its journal id or chain is not as long as the format says")
    except IndexError as error:
        raise FormatError("entry: truncated") from error
    return EntryHead(kind, journal, epoch, sequence, chain)


def _key(entry: bytes, at: int, key: int) -> int:
    if entry[at] != key:
        raise FormatError(f"entry: has no key {key} where a journal's entry has it")
    return at + 1


def _uint(entry: bytes, at: int) -> tuple[int, int]:
    first = entry[at]
    if first < 24:
        return first, at + 1
    if first > 27:
        raise FormatError("entry: not an unsigned integer where a journal's entry has one")
    end = at + 1 + (1 << (first - 24))
    if end > len(entry):
        raise FormatError("entry: truncated")
    return int.from_bytes(entry[at + 1 : end], "big"), end
