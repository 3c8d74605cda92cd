"""Records and payloads (docs/record-format.md, sections 2 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from . import cbor
from .entry import Entry, Key, parse_entry
from .errors import FormatError

FORMAT: Final = 1
SALT_SIZE: Final = 32
MAX_PAYLOAD_HEADER: Final = 65_535


class Header:
    """Keys of a payload header."""

    METHOD: Final = 1
    TARGET: Final = 2
    CONTENT_TYPE: Final = 3
    CONTENT_ENCODING: Final = 4
    INFERENCE_LENGTH: Final = 5
    COMPRESSION: Final = 6
    NONCE: Final = 7
    LENGTHS: Final = 8
    INPUT: Final = 9
    RESPONSE_TYPE: Final = 10
    RESPONSE_INFERENCE_LENGTH: Final = 11
    OVERSIZE: Final = 12
    KEY_ID: Final = 13


@dataclass(frozen=True, slots=True)
class Record:
    """An entry with its payload; the payload is empty when it is in the object store or erased."""

    entry: Entry
    payload: bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """The parts of a payload. `input` is rows × columns float32, little-endian, row-major."""

    salt: bytes
    header: Mapping[int, Any]
    request: bytes
    response: bytes
    input: bytes


def frame_record(entry: bytes, payload: bytes) -> bytes:
    """`format ‖ entry length ‖ entry ‖ payload`."""
    return b"".join((FORMAT.to_bytes(2, "big"), len(entry).to_bytes(2, "big"), entry, payload))


def parse_record(raw: bytes) -> Record:
    """Parse a record; its payload's length is checked here, its digest by `payload_holds`.

    Raises:
        FormatError: another format, truncated, a malformed entry, or a payload of another length.
    """
    entry_raw, payload = split_record(raw)
    entry = parse_entry(entry_raw)
    length = entry.get(Key.PAYLOAD_LENGTH)
    if payload and len(payload) != (length or 0):
        raise FormatError(f"record: payload of {len(payload)} bytes, the entry says {length or 0}")
    return Record(entry, payload)


def split_record(raw: bytes) -> tuple[bytes, bytes]:
    """The entry's and the payload's bytes, without parsing either.

    Raises:
        FormatError: another format, or truncated.
    """
    if len(raw) < 4:
        raise FormatError("record: shorter than its header")
    version = int.from_bytes(raw[:2], "big")
    if version != FORMAT:
        raise FormatError(f"record: format {version}, this reader knows {FORMAT}")
    end = 4 + int.from_bytes(raw[2:4], "big")
    if len(raw) < end:
        raise FormatError("record: truncated entry")
    return raw[4:end], raw[end:]


def payload_holds(record: Record) -> bool:
    """Whether the payload is exactly what the entry's digest covers. False too when it is absent."""
    return bool(sha256(record.payload).digest() == record.entry.get(Key.PAYLOAD_DIGEST))


def encode_payload(
    salt: bytes, header: Mapping[int, object], request: bytes, response: bytes = b"", model_input: bytes = b""
) -> bytes:
    """Join the parts; keys 6 and 8 of the header are set here.

    Raises:
        FormatError: the salt is not 32 bytes, or the header is malformed.
    """
    if len(salt) != SALT_SIZE:
        raise FormatError("payload: the salt is not 32 bytes")
    lengths = [len(request), len(response), len(model_input)]
    head = cbor.encode({Header.COMPRESSION: 0, **header, Header.LENGTHS: lengths})
    return b"".join((salt, len(head).to_bytes(4, "big"), head, request, response, model_input))


def parse_payload(raw: bytes) -> Payload:
    """Split a payload into its parts.

    Raises:
        FormatError: truncated, surplus bytes, or a malformed header.
    """
    head, header = header_of(raw)
    start = SALT_SIZE + 4 + len(head)
    lengths = header[Header.LENGTHS]
    if start + sum(lengths) != len(raw):
        raise FormatError("payload: its parts do not fill it exactly")
    second, third = start + lengths[0], start + lengths[0] + lengths[1]
    return Payload(raw[:SALT_SIZE], header, raw[start:second], raw[second:third], raw[third:])


def header_of(raw: bytes) -> tuple[bytes, Mapping[int, Any]]:
    """A payload's header, as it is and parsed; it has lengths, of which nothing is checked here.

    Raises:
        FormatError: truncated, or malformed.
    """
    if len(raw) < SALT_SIZE + 4:
        raise FormatError("payload: shorter than its salt and header length")
    size = int.from_bytes(raw[SALT_SIZE : SALT_SIZE + 4], "big")
    start = SALT_SIZE + 4 + size
    if size > MAX_PAYLOAD_HEADER or len(raw) < start:
        raise FormatError("payload: header too long or truncated")
    head = raw[SALT_SIZE + 4 : start]
    usual = size <= _USUAL_HEADER and _NONCE not in head
    return head, _usual_header(head) if usual else _parse_header(head)


def _parse_header(raw: bytes) -> Mapping[int, Any]:
    """A payload header, whose lengths are three integers."""
    header = cbor.decode(raw, "payload header")
    if not isinstance(header, dict):
        raise FormatError("payload header: not a map")
    lengths = header.get(Header.LENGTHS)
    if not (isinstance(lengths, list) and len(lengths) == 3 and all(type(n) is int for n in lengths)):
        raise FormatError("payload header: has no lengths")
    if header.get(Header.COMPRESSION) != 0:
        raise FormatError("payload header: a compression that this reader does not know")
    return MappingProxyType(header)


# Clients repeat themselves: decoding one header strictly costs ten times as much as finding it again.
_USUAL_HEADER: Final = 512
_NONCE: Final = b"\x07\x58\x18"
"""Key and length of a nonce: a header that has one is met once."""
_usual_header = lru_cache(1024)(_parse_header)
