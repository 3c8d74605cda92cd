"""Entries: kinds, keys and strict parsing (docs/record-format.md, sections 3 to 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import cbor
from .errors import FormatError
from .usual import Usual

MAX_ENTRY: Final = 65_535
FIRST_FREE_KEY: Final = 64
JOURNAL_CONTEXT: Final = b"affiant-journal-v1\n"


class Kind(IntEnum):
    """What an entry tells. Unknown kinds are kept by readers."""

    INFERENCE = 1
    ABORTED = 2
    NOT_RELEASED = 3
    OPENING = 4
    CLOSING = 5
    HEARTBEAT = 6
    HOLE = 7
    SHIPPER = 8
    LABEL = 9
    GOVERNANCE = 10
    ERASURE = 11
    LABELLED = 12


class Slot(IntEnum):
    """Where in the deployment plan the model stood that answered."""

    LIVE = 0
    CANARY = 1
    SHADOW = 2


class Protocol(IntEnum):
    """The shape of the exchange."""

    V1_PREDICT = 1
    V1_EXPLAIN = 2
    V2_INFER = 3
    V2_INFER_BINARY = 4


class Key(IntEnum):
    """Integer keys of the entry map; section 3 of the format says what each holds."""

    KIND = 0
    JOURNAL = 1
    EPOCH = 2
    SEQUENCE = 3
    CHAIN = 4
    COMMITTING = 5
    ARRIVED = 6
    SERVICE = 7
    DIGEST = 8
    SLOT = 9
    STATUS = 10
    CALLER = 11
    SUBJECT = 12
    REQUEST_ID = 13
    BATCH = 14
    PAYLOAD_DIGEST = 15
    PAYLOAD_LENGTH = 16
    SUITE = 17
    KEY_ID = 18
    PROTOCOL = 19
    EXTERNAL = 20
    UNKNOWN = 21
    TICKET = 22
    REASON = 23
    RELEASED = 24
    PUBLIC_KEY = 32
    TOPIC = 33
    VERSIONS = 34
    DEVICE = 35
    THREADS = 36
    RELEASE = 37
    HEARTBEAT = 38
    RECOVERED = 39
    COUNTED = 40
    COUNTED_SINCE = 41
    SIGNATURE = 42
    PARTITION = 48
    OFFSET = 49
    VALUE_HASH = 50
    SHIPPER = 51
    BODY_TYPE = 52
    AUTHOR = 53
    TARGET = 54
    TIME = 55


JOURNAL_KINDS: Final = frozenset(
    {
        Kind.INFERENCE, Kind.ABORTED, Kind.NOT_RELEASED, Kind.OPENING, Kind.CLOSING, Kind.HEARTBEAT,
        Kind.LABELLED,
    }
)  # fmt: skip
SIGNED_KINDS: Final = frozenset({Kind.OPENING, Kind.CLOSING, Kind.HEARTBEAT})

_JOURNAL = frozenset(range(6))
_PAYLOAD = frozenset({Key.PAYLOAD_DIGEST, Key.PAYLOAD_LENGTH, Key.SUITE})

# Section 4: keys that must, and keys that may, be there.
_KEYS: Final[Mapping[int, tuple[frozenset[int], frozenset[int]]]] = {
    Kind.INFERENCE: (
        _JOURNAL | _PAYLOAD | {Key.ARRIVED, Key.SERVICE, Key.STATUS, Key.TICKET},
        frozenset({8, 9, 11, 12, 13, 14, 18, 19, 20, 21, 23}),
    ),
    Kind.ABORTED: (
        _JOURNAL | _PAYLOAD | {Key.ARRIVED, Key.TICKET, Key.REASON},
        frozenset({7, 11, 12, 13, 18, 19, 20}),
    ),
    Kind.NOT_RELEASED: (_JOURNAL | {Key.REASON, Key.RELEASED}, frozenset()),
    Kind.OPENING: (
        _JOURNAL | {Key.PUBLIC_KEY, *range(34, 40), Key.SIGNATURE},
        frozenset({Key.TOPIC, Key.COUNTED, Key.COUNTED_SINCE}),
    ),
    Kind.CLOSING: (_JOURNAL | {Key.COUNTED, Key.COUNTED_SINCE, Key.SIGNATURE}, frozenset()),
    Kind.HEARTBEAT: (_JOURNAL | {Key.COUNTED, Key.COUNTED_SINCE, Key.SIGNATURE}, frozenset()),
    Kind.HOLE: (
        frozenset({Key.KIND, Key.TOPIC, Key.PARTITION, Key.OFFSET, Key.REASON}),
        frozenset({Key.VALUE_HASH}),
    ),
    Kind.SHIPPER: (frozenset({Key.KIND, Key.SHIPPER, Key.TIME}), frozenset({Key.REASON})),
    Kind.LABEL: (_PAYLOAD | {0, 52, 53, 54, 55}, frozenset({7, 18, 20})),
    Kind.GOVERNANCE: (_PAYLOAD | {0, 52, 53, 55}, frozenset({7, 8, 18, 20})),
    Kind.ERASURE: (frozenset({0, 53, 54, 55}), frozenset({15, 16, 17, 23, 52})),
    Kind.LABELLED: (
        _JOURNAL | _PAYLOAD | {Key.ARRIVED, Key.SERVICE, Key.BODY_TYPE, Key.TARGET},
        frozenset({11, 12, 18, 20, 53}),
    ),
}

_BYTES: Final = {1: 16, 4: 32, 8: 32, 11: 16, 12: 16, 15: 32, 18: 16, 32: 32, 42: 64, 50: 32, 51: 16, 53: 32}
_TEXT: Final = {7: 128, 13: 128, 23: 512, 35: 128, 37: 16, 52: 128, 54: 256}
_UINT: Final = frozenset({0, 2, 3, 5, 6, 9, 10, 16, 17, 19, 21, 22, 24, 36, 38, 41, 48, 49, 55})
_RECOVERED: Final = frozenset({"groups", "torn", "aborted"})
_USUAL: Final = Usual(_KEYS, _BYTES, _TEXT, _UINT, Key.BATCH)


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry: `fields` by integer key (unknown ones of 64 and above kept), and their bytes."""

    fields: Mapping[int, Any]
    raw: bytes

    @property
    def kind(self) -> int:
        """The kind, a `Kind` when it is a known one."""
        return int(self.fields[Key.KIND])

    @property
    def record_id(self) -> str:
        """`hex(journal id)-sequence`; only entries of a journal have one."""
        return record_id(self.fields[Key.JOURNAL], self.fields[Key.SEQUENCE])

    def get(self, key: Key) -> Any:
        """The field's value, or None."""
        return self.fields.get(key)


def record_id(journal: bytes, sequence: int) -> str:
    """The name of a journal's entry: `hex(journal id)-decimal(sequence)`."""
    return f"{journal.hex()}-{sequence}"


def parse_record_id(text: str) -> tuple[bytes, int]:
    """The journal id and the sequence of a record id.

    Raises:
        FormatError: the text is not one.
    """
    journal, _, sequence = text.partition("-")
    canonical = (
        len(sequence) <= 20 and sequence.isascii() and sequence.isdigit() and str(int(sequence)) == sequence
    )
    if (
        len(journal) != 32
        or not canonical
        or set(journal) - set("0123456789abcdef")
        or int(sequence) >= 2**64
    ):
        raise FormatError("record id: want 32 lower-case hex digits, a dash and a decimal number")
    return bytes.fromhex(journal), int(sequence)


def encode_entry(fields: Mapping[int, object]) -> bytes:
    """Encode an entry and check it as a reader would.

    Raises:
        FormatError: a key is missing, not allowed or of the wrong type; or the entry is over 65,535 bytes.
    """
    raw = cbor.encode(
        {int(key): int(value) if isinstance(value, IntEnum) else value for key, value in fields.items()}
    )
    parse_entry(raw)
    return raw


def parse_entry(raw: bytes) -> Entry:
    """Parse and check one entry.

    MUST accept unknown kinds and unknown keys of 64 and above, and refuse everything else that
    sections 3 and 4 do not have.

    Raises:
        FormatError: says which key and why.
    """
    if len(raw) > MAX_ENTRY:
        raise FormatError(f"entry: {len(raw)} bytes, at most {MAX_ENTRY}")
    usual = _USUAL.read(raw)
    return _parse(raw) if usual is None else Entry(usual, raw)


def _parse(raw: bytes) -> Entry:
    """`parse_entry` step by step, with what is wrong."""
    fields = cbor.decode(raw, "entry")
    if not isinstance(fields, dict) or not all(isinstance(key, int) for key in fields):
        raise FormatError("entry: not a map with integer keys")
    kind = fields.get(Key.KIND)
    if not isinstance(kind, int) or isinstance(kind, bool):
        raise FormatError("entry: has no kind")
    if kind in _KEYS:
        _check_keys(kind, frozenset(fields))
        for key, value in fields.items():
            if key < FIRST_FREE_KEY:
                _check_value(key, value)
    return Entry(fields, raw)


def _check_keys(kind: int, keys: frozenset[int]) -> None:
    must, may = _KEYS[kind]
    if missing := must - keys:
        raise FormatError(f"{Kind(kind).name.lower()} entry: without {Key(min(missing)).name.lower()}")
    if surplus := {key for key in keys - must - may if key < FIRST_FREE_KEY}:
        raise FormatError(f"{Kind(kind).name.lower()} entry: has key {min(surplus)}, which it may not have")


def _check_value(key: int, value: object) -> None:
    name = Key(key).name.lower()
    if (size := _BYTES.get(key)) is not None:
        if not isinstance(value, bytes) or len(value) != size:
            raise FormatError(f"entry: {name} is not {size} bytes")
    elif (limit := _TEXT.get(key)) is not None:
        if not isinstance(value, str) or len(value.encode()) > limit:
            raise FormatError(f"entry: {name} is not text of at most {limit} bytes")
    elif key in _UINT:
        if not _is_uint(value):
            raise FormatError(f"entry: {name} is not an unsigned integer")
    elif not _SHAPES[key](value):
        raise FormatError(f"entry: {name} is not of the form that the format gives")


def _is_uint(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_batch(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_uint, value))


def _is_topic(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"backend", "name", "id", "partition"}
        and isinstance(value["backend"], str)
        and isinstance(value["name"], str)
        and isinstance(value["id"], bytes)
        and len(value["id"]) == 16
        and _is_uint(value["partition"])
    )


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    )


def _is_count_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and _is_uint(v) for k, v in value.items())


def _is_recovered(value: object) -> bool:
    return _is_count_map(value) and set(value) == _RECOVERED  # type: ignore[call-overload]


_SHAPES: Final = {
    14: _is_batch,
    20: lambda value: value is True,
    33: _is_topic,
    34: _is_text_map,
    39: _is_recovered,
    40: _is_count_map,
}


def signing_message(fields: Mapping[int, Any]) -> bytes:
    """What the journal's key signs in an opening, heartbeat or closing entry (section 5)."""
    body = cbor.encode({int(key): value for key, value in fields.items() if key != Key.SIGNATURE})
    return b"".join(
        (
            JOURNAL_CONTEXT,
            int(fields[Key.KIND]).to_bytes(1, "big"),
            fields[Key.JOURNAL],
            int(fields[Key.EPOCH]).to_bytes(8, "big"),
            int(fields[Key.SEQUENCE]).to_bytes(8, "big"),
            fields[Key.CHAIN],
            sha256(body).digest(),
        )
    )


def signature_holds(entry: Entry, public_key: bytes) -> bool:
    """Whether an opening, heartbeat or closing entry is signed by the journal's key (32 bytes, Ed25519)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            entry.fields[Key.SIGNATURE], signing_message(entry.fields)
        )
    except InvalidSignature:
        return False
    return True
