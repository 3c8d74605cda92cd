"""A second reader of the record and journal format, written from docs/record-format.md and nothing else.

It imports none of the product's code: the standard library, and `cryptography` for Ed25519. CBOR and CRC-32C are
done here by hand, so that a fault in a shared library cannot hide on both sides. It is slow and says where it stops.
By hand: `python tests/golden/independent_decoder.py JOURNAL-DIRECTORY`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC


class FormatError(Exception):
    """The bytes are not what the page says.

    `place` is the first byte of what is wrong, where that is known: in the bytes that were given to read, or in
    the file of a journal that `file` names.
    """

    def __init__(self, message: str, place: int | None = None, file: str = "") -> None:
        super().__init__(f"{file}: " * bool(file) + f"byte {place}: " * (place is not None) + message)
        self.message = message
        self.place = place
        self.file = file


def need(condition: bool, message: str, place: int | None = None, file: str = "") -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise FormatError(message, place, file)


def uint(data: bytes) -> int:
    """A big-endian unsigned integer."""
    return int.from_bytes(data, "big")


# ---------------------------------------------------------------- CRC-32C (RFC 3720, B.4: reflected 0x1EDC6F41)
def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), initial value and final exclusive-or all ones."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


# ---------------------------------------------------------------- section 1: CBOR
class _Cbor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        need(self.at + count <= len(self.data), "CBOR ends too early", self.at)
        self.at += count
        return self.data[self.at - count : self.at]

    def argument(self, low: int) -> int:
        start = self.at - 1
        if low < 24:
            return low
        need(low <= 27, "CBOR: indefinite or reserved length", start)
        width = 1 << (low - 24)
        value = uint(self.take(width))
        shortest = 24 if width == 1 else 1 << (4 * width)
        need(value >= shortest, "CBOR: an integer that is not the shortest", start)
        return value

    def value(self, depth: int) -> Any:
        start = self.at
        need(depth <= 4, "CBOR: nested deeper than 4", start)
        first = self.take(1)[0]
        major, low = first >> 5, first & 0x1F
        if major == 7:
            need(first in (0xF4, 0xF5), "CBOR: neither true nor false", start)
            return first == 0xF5
        need(major in (0, 2, 3, 4, 5), "CBOR: a type that the format has not", start)
        count = self.argument(low)
        if major == 0:
            return count
        if major == 2:
            return self.take(count)
        if major == 3:
            try:
                return self.take(count).decode("utf-8")
            except UnicodeDecodeError as error:
                raise FormatError("CBOR: text that is not UTF-8", start) from error
        if major == 4:
            return [self.value(depth + 1) for _ in range(count)]
        return self.map(count, depth + 1)

    def map(self, count: int, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        before: bytes | None = None
        for _ in range(count):
            start = self.at
            key = self.value(depth)
            raw = self.data[start : self.at]
            need(type(key) in (int, str), "CBOR: a key that is neither uint nor text", start)
            need(
                before is None or (len(before), before) < (len(raw), raw),
                "CBOR: keys out of order or twice",
                start,
            )
            before = raw
            out[key] = self.value(depth)
        return out


def cbor(data: bytes) -> Any:
    """One value of the restricted CBOR, with no byte after it."""
    reader = _Cbor(data)
    value = reader.value(0)
    need(reader.at == len(data), "CBOR: bytes after the value", reader.at)
    return value


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for low, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * width):
            return bytes([major << 5 | low]) + value.to_bytes(width, "big")
    raise FormatError("an integer of 2^64 or more")


def to_cbor(value: Any) -> bytes:
    """The restricted CBOR of a value; needed for the signature, which is over the entry without key 42."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(to_cbor, value))
    pairs = [(to_cbor(key), to_cbor(item)) for key, item in value.items()]
    pairs.sort(key=lambda pair: (len(pair[0]), pair[0]))
    return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


# ---------------------------------------------------------------- sections 3 and 4: entries
Check = Callable[[Any], bool]


def _is_uint(value: Any) -> bool:
    return type(value) is int


def _is_bytes(length: int) -> Check:
    return lambda value: type(value) is bytes and len(value) == length


def _is_text(most: int | None = None) -> Check:
    return lambda value: type(value) is str and (most is None or len(value.encode()) <= most)


def _is_record(**types: Check) -> Check:
    return lambda value: (
        type(value) is dict
        and value.keys() == types.keys()
        and all(check(value[name]) for name, check in types.items())
    )


def _is_map(check: Check) -> Check:
    return lambda value: (
        type(value) is dict and all(type(key) is str and check(item) for key, item in value.items())
    )


def _is_list(*checks: Check) -> Check:
    return lambda value: (
        type(value) is list
        and len(value) == len(checks)
        and all(check(item) for check, item in zip(checks, value, strict=True))
    )


_TOPIC = _is_record(backend=_is_text(), name=_is_text(), id=_is_bytes(16), partition=_is_uint)
KEYS: dict[int, tuple[str, Any]] = {
    0: ("kind", _is_uint),
    1: ("journal", _is_bytes(16)),
    2: ("epoch", _is_uint),
    3: ("sequence", _is_uint),
    4: ("chain", _is_bytes(32)),
    5: ("committing", _is_uint),
    6: ("arrived", _is_uint),
    7: ("service", _is_text(128)),
    8: ("digest", _is_bytes(32)),
    9: ("slot", _is_uint),
    10: ("status", _is_uint),
    11: ("caller", _is_bytes(16)),
    12: ("subject", _is_bytes(16)),
    13: ("request id", _is_text(128)),
    14: ("batch", _is_list(_is_uint, _is_uint, _is_uint)),
    15: ("payload digest", _is_bytes(32)),
    16: ("payload length", _is_uint),
    17: ("suite", _is_uint),
    18: ("key id", _is_bytes(16)),
    19: ("protocol", _is_uint),
    20: ("external", lambda value: value is True),
    21: ("unknown", _is_uint),
    22: ("ticket", _is_uint),
    23: ("reason", _is_text(512)),
    24: ("released", _is_uint),
    32: ("public key", _is_bytes(32)),
    33: ("topic", _TOPIC),
    34: ("versions", _is_map(_is_text())),
    35: ("device", _is_text(128)),
    36: ("threads", _is_uint),
    37: ("release", _is_text(16)),
    38: ("heartbeat", _is_uint),
    39: ("recovered", _is_record(groups=_is_uint, torn=_is_uint, aborted=_is_uint)),
    40: ("counted", _is_map(_is_uint)),
    41: ("counted since", _is_uint),
    42: ("signature", _is_bytes(64)),
    48: ("partition", _is_uint),
    49: ("offset", _is_uint),
    50: ("value hash", _is_bytes(32)),
    51: ("shipper", _is_bytes(16)),
    52: ("body type", _is_text(128)),
    53: ("author", _is_bytes(32)),
    54: ("target", _is_text(256)),
    55: ("time", _is_uint),
}
KINDS: dict[int, tuple[str, set[int], set[int]]] = {
    1: ("inference", {*range(8), 10, 15, 16, 17, 22}, {8, 9, 11, 12, 13, 14, 18, 19, 20, 21, 23}),
    2: ("aborted", {*range(7), 15, 16, 17, 22, 23}, {7, 11, 12, 13, 18, 19, 20}),
    3: ("not released", {*range(6), 23, 24}, set()),
    4: ("opening", {*range(6), 32, 34, 35, 36, 37, 38, 39, 42}, {33, 40, 41}),
    5: ("closing", {*range(6), 40, 41, 42}, set()),
    6: ("heartbeat", {*range(6), 40, 41, 42}, set()),
    7: ("hole", {0, 33, 48, 49, 23}, {50}),
    8: ("shipper", {0, 51, 55}, {23}),
    9: ("label", {0, 52, 53, 54, 55, 15, 16, 17}, {7, 18, 20}),
    10: ("governance", {0, 52, 53, 55, 15, 16, 17}, {7, 8, 18, 20}),
    11: ("erasure", {0, 53, 54, 55}, {23, 15, 16, 17, 52}),
    12: ("labelled", {*range(8), 15, 16, 17, 52, 54}, {11, 12, 18, 20, 53}),
}


@dataclass(frozen=True)
class Entry:
    """One decoded entry; `keys` has the integer keys as written, unknown ones too."""

    raw: bytes
    keys: dict[int, Any]

    @property
    def kind(self) -> int:
        return int(self.keys[0])

    @property
    def fields(self) -> dict[str, Any]:
        """By the names of the page's table."""
        return {KEYS[key][0]: value for key, value in self.keys.items() if key in KEYS}

    @property
    def leaf(self) -> bytes:
        """The leaf hash of section 2, which is also the next entry's chain."""
        return hashlib.sha256(b"\x00" + self.raw).digest()

    @property
    def record_id(self) -> str | None:
        """The record id of an inference, aborted or labelled entry."""
        return f"{self.keys[1].hex()}-{self.keys[3]}" if self.kind in (1, 2, 12) else None


def entry(raw: bytes) -> Entry:
    """Decode and check one entry."""
    need(len(raw) <= 0xFFFF, "an entry over 65,535 bytes")
    keys = cbor(raw)
    need(type(keys) is dict and all(type(key) is int for key in keys), "an entry that is no map of uint keys")
    need(_is_uint(keys.get(0)), "an entry without kind")
    if keys[0] not in KINDS:
        return Entry(raw, keys)
    name, must, may = KINDS[keys[0]]
    for key in sorted(must - keys.keys()):
        raise FormatError(f"{name} entry without key {key} ({KEYS[key][0]})")
    for key, value in keys.items():
        if key < 64:
            need(key in must | may, f"{name} entry with key {key}, which it may not have")
            need(KEYS[key][1](value), f"{name} entry: bad value of key {key} ({KEYS[key][0]})")
    return Entry(raw, keys)


def check_signature(one: Entry, public_key: bytes) -> None:
    """Section 5."""
    keys = one.keys
    without = {key: value for key, value in keys.items() if key != 42}
    message = b"affiant-journal-v1\n" + bytes([one.kind]) + keys[1]
    message += keys[2].to_bytes(8, "big") + keys[3].to_bytes(8, "big") + keys[4]
    message += hashlib.sha256(to_cbor(without)).digest()
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(keys[42], message)
    except InvalidSignature as error:
        raise FormatError(f"entry {keys[3]}: the signature is not the journal's") from error


# ---------------------------------------------------------------- sections 2 and 6: records and payloads
HEADER: dict[int, tuple[str, Any]] = {
    1: ("method", _is_text()),
    2: ("target", _is_text()),
    3: ("content type", _is_text()),
    4: ("content encoding", _is_text()),
    5: ("inference header length", _is_uint),
    6: ("compression", lambda value: _is_uint(value) and value == 0),
    7: ("nonce", lambda value: isinstance(value, bytes)),
    8: ("lengths", _is_list(_is_uint, _is_uint, _is_uint)),
    9: ("input", _is_list(_is_bytes(32), _is_uint, _is_uint)),
    10: ("response type", _is_text()),
    11: ("response inference header length", _is_uint),
    12: ("oversize", _is_list(_is_bytes(32), _is_uint)),
    13: ("key id", _is_bytes(16)),
}


def header(raw: bytes, *, inference: bool) -> dict[int, Any]:
    """The header of a payload or of a request frame."""
    need(len(raw) <= 0xFFFF, "a header over 65,535 bytes")
    keys: dict[int, Any] = cbor(raw)
    need(type(keys) is dict and all(type(key) is int for key in keys), "a header that is no map of uint keys")
    for key in (1, 2, 3, 6, 8) if inference else (6, 8):
        need(key in keys, f"header without key {key} ({HEADER[key][0]})")
    for key, value in keys.items():
        if key in HEADER:
            need(HEADER[key][1](value), f"header: bad value of key {key} ({HEADER[key][0]})")
    return keys


@dataclass(frozen=True)
class Payload:
    """A payload in plain, cut into its parts."""

    salt: bytes
    header: dict[int, Any]
    request: bytes
    response: bytes
    input: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The header by the names of the page's table."""
        return {HEADER[key][0]: value for key, value in self.header.items() if key in HEADER}


def payload(raw: bytes, *, inference: bool) -> Payload:
    """Decode and check one payload of suite 0."""
    need(len(raw) >= 36, "a payload shorter than salt and header length")
    end = 36 + uint(raw[32:36])
    need(end <= len(raw), "a payload's header runs over its end", 32)
    keys = header(raw[36:end], inference=inference)
    parts = []
    for length in keys[8]:
        need(end + length <= len(raw), "a payload's parts run over its end", end)
        parts.append(raw[end : end + length])
        end += length
    need(end == len(raw), "bytes after a payload's parts", end)
    if 9 in keys:
        need(keys[9][1] * keys[9][2] * 4 == len(parts[2]), "input is not rows × columns float32")
    else:
        need(not parts[2], "an input without its schema")
    need(12 not in keys or not parts[0], "an oversize request with a body")
    return Payload(raw[:32], keys, *parts)


def encrypted_payload(raw: bytes, key_id: bytes | None, key: bytes | None = None) -> Payload | None:
    """Check one payload of suite 1; with its key, decode it."""
    need(len(raw) >= 36, "a payload shorter than salt and header length")
    end = 36 + uint(raw[32:36])
    need(end <= len(raw), "a payload's header runs over its end", 32)
    keys = header(raw[36:end], inference=False)
    need({7, 13} <= keys.keys(), "an encrypted payload without nonce or key id")
    need(len(keys[7]) == 24, "an encrypted payload with a nonce of another size")
    need(keys[13] == key_id, "the payload's key id is not the entry's")
    need(sum(keys[8]) + 16 == len(raw) - end, "ciphertext and tag do not fill the payload")
    if key is None:
        return None
    derived = b""
    for counter in (1, 2):  # NIST SP 800-108r1, counter mode, with the label "X" and a context of 96 bits
        mac = CMAC(AES(key))
        mac.update(counter.to_bytes(2, "big") + b"X\x00" + keys[7][:12])
        derived += mac.finalize()
    plain = AESGCM(derived).decrypt(keys[7][12:], raw[end:], raw[36:end])
    return payload(raw[:end] + plain, inference=False)


@dataclass(frozen=True)
class Record:
    """One record; `payload` is None if the record carries none or it is encrypted."""

    entry: Entry
    stored: bytes
    payload: Payload | None


def record(raw: bytes, *, journal: bool) -> Record:
    """Decode and check one record, as a journal or as a log holds it."""
    need(len(raw) >= 4, "a record shorter than its head")
    need(uint(raw[:2]) == 1, "a record of another format than 1", 0)
    end = 4 + uint(raw[2:4])
    need(end <= len(raw), "an entry runs over its record's end", 2)
    one, stored = entry(raw[4:end]), raw[end:]
    if not stored:
        # In the log: external, or erased. A journal's record has what its entry names.
        need(not journal or 16 not in one.keys, "a payload that is not in the journal", end)
        return Record(one, stored, None)
    need({15, 16, 17} <= one.keys.keys(), "a payload beside an entry that names none", end)
    need(journal or 20 not in one.keys, "an external payload in the log's record", end)
    need(len(stored) == one.keys[16], "payload length is not the entry's", end)
    need(hashlib.sha256(stored).digest() == one.keys[15], "payload digest is not the entry's", end)
    if one.keys[17] == 1:
        encrypted_payload(stored, one.keys.get(18))
    plain = one.keys[17] == 0 and one.kind in KINDS
    return Record(one, stored, payload(stored, inference=one.kind == 1) if plain else None)


# ---------------------------------------------------------------- section 7: the journal's files
@dataclass(frozen=True)
class Mark:
    """The durable mark."""

    version: int
    group: int
    segment: int
    end: int
    sequence: int


def mark(raw: bytes) -> Mark:
    """Decode and check the durable mark."""
    need(len(raw) == 64, "a mark that is not 64 bytes")
    version, group, segment, end, sequence = (uint(raw[at : at + 8]) for at in range(0, 40, 8))
    need(uint(raw[56:]) == version, "the mark's two versions differ", 56)
    need(version % 2 == 0, "the mark is being written (odd version)", 0)
    need(not any(raw[40:52]), "the mark's gap is not zero", 40)
    need(crc32c(raw[:52]) == uint(raw[52:56]), "the mark's checksum is wrong", 52)
    return Mark(version, group, segment, end, sequence)


@dataclass(frozen=True)
class RequestFrame:
    """An accepted request whose record is in a later group, or in none."""

    ticket: int
    arrived: int
    header: dict[int, Any]
    request: bytes


@dataclass(frozen=True)
class RecordFrame:
    """A record, and the ticket of the request that it answers (0: none)."""

    ticket: int
    record: Record


@dataclass(frozen=True)
class Group:
    """One group; `at` and `end` are its first byte and the one after its last, in the segment."""

    number: int
    at: int
    end: int
    frames: list[RequestFrame | RecordFrame]


@dataclass(frozen=True)
class Segment:
    """One segment. `stopped` says where and why reading ended, if not at zeros up to the end."""

    number: int
    journal: bytes
    first_group: int
    first_sequence: int
    chain: bytes
    epoch: int
    created: int
    tickets: int
    seed: bytes
    groups: list[Group] = field(default_factory=list)
    stopped: FormatError | None = None

    @property
    def records(self) -> list[RecordFrame]:
        """All record frames in order."""
        return [one for group in self.groups for one in group.frames if isinstance(one, RecordFrame)]


def _frames(body: bytes, count: int) -> list[RequestFrame | RecordFrame]:
    frames: list[RequestFrame | RecordFrame] = []
    at = 0
    while at < len(body):
        need(at + 8 <= len(body), "a frame's head runs over its group", at)
        kind, length = body[at], uint(body[at + 4 : at + 8])
        need(not any(body[at + 1 : at + 4]), "a frame's gap is not zero", at + 1)
        content = body[at + 8 : at + 8 + length]
        need(len(content) == length, "a frame runs over its group", at)
        if kind == 1:
            need(length >= 20, "a request frame too short", at)
            cut = 20 + uint(content[16:20])
            need(cut <= length, "a request frame's header runs over its end", at)
            keys = header(content[20:cut], inference=False)
            need(keys[8] == [length - cut, 0, 0], "a request frame's lengths are not its request's", at)
            frames.append(RequestFrame(uint(content[:8]), uint(content[8:16]), keys, content[cut:]))
        else:
            need(kind == 2, f"a frame of unknown type {kind}", at)
            need(length >= 8, "a record frame too short", at)
            frames.append(RecordFrame(uint(content[:8]), record(content[8:], journal=True)))
        at += 8 + length
    need(len(frames) == count, "a group's number of frames is wrong")
    return frames


def _group(raw: bytes, at: int, number: int, seed: bytes) -> Group:
    need(at + 24 <= len(raw), "a group's head runs over the segment", at)
    need(raw[at : at + 4] == b"AFGR", "no group here", at)
    need(uint(raw[at + 4 : at + 12]) == number, f"group number is not {number}", at)
    length, count = uint(raw[at + 12 : at + 16]), uint(raw[at + 16 : at + 20])
    end = at + 24 + length
    need(end <= len(raw), "a group runs over the segment", at)
    need(crc32c(seed + raw[at : at + 20] + raw[at + 24 : end]) == uint(raw[at + 20 : at + 24]),
         "a group's checksum is wrong", at)  # fmt: skip
    try:
        return Group(number, at, end, _frames(raw[at + 24 : end], count))
    except FormatError as error:
        raise FormatError(f"group {number}: {error}", at) from error


def _check_place(frame: RecordFrame, place: tuple[bytes, int, int, bytes], at: int) -> None:
    """An entry is the one that follows; `place` is the journal, the last epoch, this sequence and this chain."""
    keys = frame.record.entry.keys
    journal_id, epoch, sequence, chain = place
    need(not 7 <= keys[0] <= 11, "an entry that no journal holds", at)
    for key in range(6):
        need(key in keys and KEYS[key][1](keys[key]), f"entry {sequence}: no key {key}", at)
    need(keys[1] == journal_id, "an entry of another journal", at)
    need(keys[3] == sequence, f"entry sequence {keys[3]}, not {sequence}", at)
    need(keys[4] == chain, f"entry {sequence}: the chain is broken", at)
    epoch += keys[0] == 4
    need(keys[2] == epoch, f"entry {sequence}: epoch {keys[2]}, not {epoch}", at)
    need(keys.get(22, 0) == frame.ticket, f"entry {sequence}: not its frame's ticket", at)


def segment(raw: bytes, *, upto: int | None = None) -> Segment:
    """Decode one segment alone: its header, groups and chain. Stops at the first thing wrong after the header.

    `upto` is a durable mark's `end`: nothing at or past it is read.
    """
    need(len(raw) >= 128, "a segment shorter than its header")
    need(raw[:8] == b"AFFJRNL1", "no segment (magic)", 0)
    need(crc32c(raw[:124]) == uint(raw[124:128]), "the segment header's checksum is wrong", 124)
    need(not any(raw[112:124]), "the segment header's gap is not zero", 112)
    one = Segment(
        uint(raw[8:16]), raw[16:32], uint(raw[32:40]), uint(raw[40:48]), raw[48:80],
        uint(raw[80:88]), uint(raw[88:96]), uint(raw[96:104]), raw[104:112],
    )  # fmt: skip
    sequence, chain, epoch = one.first_sequence, one.chain, one.epoch
    groups: list[Group] = []
    stopped: FormatError | None = None
    raw = raw if upto is None else raw[:upto]
    at = 128
    try:
        while any(raw[at:]):
            group = _group(raw, at, one.first_group + len(groups), one.seed)
            for frame in group.frames:
                if isinstance(frame, RecordFrame):
                    _check_place(frame, (one.journal, epoch, sequence, chain), at)
                    epoch = frame.record.entry.keys[2]
                    sequence, chain = sequence + 1, frame.record.entry.leaf
            groups.append(group)
            at = -(-group.end // 8) * 8
    except FormatError as error:
        stopped = error
    return Segment(**{**vars(one), "groups": groups, "stopped": stopped})


@dataclass(frozen=True)
class Journal:
    """A whole journal, read strictly up to its mark. `verified` is how many signatures were checked and hold."""

    id: bytes
    segments: list[Segment]
    mark: Mark
    verified: int

    @property
    def records(self) -> list[RecordFrame]:
        """All record frames in order."""
        return [one for part in self.segments for one in part.records]


def journal(folder: Path, public_key: bytes | None = None) -> Journal:
    """Decode a journal's directory: every segment up to the mark, links between segments, every signature.

    `public_key` is needed where the opening that names it was freed; where it is there, the two must be the same.
    """
    about = json.loads((folder / "journal.json").read_bytes())
    need(about.keys() == {"format", "journal", "created"}, "not format 1", file="journal.json")
    need(about["format"] == 1 and len(about["journal"]) == 32, "not format 1", file="journal.json")
    end = _in_file("mark", lambda: mark((folder / "mark").read_bytes()))
    parts: list[Segment] = []
    for path in sorted(folder.glob("*.seg")):
        number = int(path.stem, 16)
        need(path.stem == f"{number:016x}" and number >= 1, "no segment's name", file=path.name)
        raw = path.read_bytes()
        upto = end.end if number == end.segment else None
        part = _in_file(path.name, partial(segment, raw, upto=upto))
        need(part.number == number, f"says it is segment {part.number}", 8, path.name)
        need(part.journal.hex() == about["journal"], "of another journal", 16, path.name)
        if number > end.segment:
            # A copy made by a recovery since the mark: it is read as far as the mark's group.
            groups = [one for one in part.groups if one.number <= end.group]
            part = replace(
                part, groups=groups, stopped=part.stopped if part.first_group <= end.group else None
            )
        if len(parts) > 0 and parts[-1].first_group == part.first_group:
            parts.pop()  # an interrupted recovery: the younger is the whole copy
        parts.append(part)
    _check_links(parts, end)
    records = [one.record.entry for part in parts for one in part.records]
    return Journal(bytes.fromhex(about["journal"]), parts, end, _check_signatures(records, public_key))


def _in_file(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except FormatError as error:
        raise FormatError(error.message, error.place, name) from error


def _check_signatures(records: list[Entry], public_key: bytes | None) -> int:
    known: set[bytes] = {one.keys[32] for one in records if one.kind == 4}
    if public_key is not None:
        known.add(public_key)
    need(len(known) <= 1, "the journal's key has changed")
    signed = [one for one in records if 42 in one.keys and one.kind in KINDS] if known else []
    for one in signed:
        check_signature(one, next(iter(known)))
    return len(signed)


def _check_links(parts: list[Segment], end: Mark) -> None:
    """Each segment goes on where the one before ended, and the last ends where the mark says."""
    need(bool(parts), "a journal without segments")
    need(max(one.number for one in parts) >= end.segment, "the mark's segment is not there")
    group, sequence, chain = parts[0].first_group, parts[0].first_sequence, parts[0].chain
    epoch = parts[0].epoch
    for at, part in enumerate(parts):
        file, why = f"{part.number:016x}.seg", part.stopped
        need(part.first_group == group, f"does not start with group {group}", 32, file)
        need(part.first_sequence == sequence, f"does not start with entry {sequence}", 40, file)
        need(part.chain == chain, "does not continue the chain", 48, file)
        need(part.epoch == epoch, f"does not start in epoch {epoch}", 80, file)
        entries = [one.record.entry for one in part.records]
        group, sequence = group + len(part.groups), sequence + len(entries)
        chain = entries[-1].leaf if entries else chain
        epoch = entries[-1].keys[2] if entries else epoch
        goes_on = at + 1 < len(parts) and parts[at + 1].first_group == group
        if why is not None and not goes_on and group <= end.group:
            raise FormatError(why.message, why.place, file) from why
    need(group == end.group + 1, f"the journal ends with group {group - 1}, the mark says {end.group}")
    need(sequence == end.sequence, f"the journal ends before entry {sequence}, the mark says {end.sequence}")


def main() -> None:
    """Read the journal named on the command line and say what is in it, or where it is wrong."""
    try:
        read = journal(Path(sys.argv[1]))
    except FormatError as error:
        sys.exit(str(error))
    for one in read.records:
        held = one.record.entry
        print(held.keys[3], KINDS.get(held.kind, ("unknown",))[0], held.leaf.hex())
    print(f"{len(read.records)} entries, {read.verified} signatures hold")


if __name__ == "__main__":
    main()
