"""Payloads of suite 1: what was asked, answered and given to the model, encrypted (docs/record-format.md, section 6).

The header stays readable: it says how the rest is encrypted, and with the tag over both nobody can change it unseen.
Entries, chains, trees and proofs are about the bytes as they are stored, and need no key; neither does whoever ships,
seals, archives or verifies them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from . import cbor
from .entry import Entry, Key
from .errors import FormatError, NotProved
from .record import SALT_SIZE, Header, header_of
from .xaes import KEY_SIZE, NONCE_SIZE, TAG_SIZE, Xaes

PLAIN: Final = 0
ENCRYPTED: Final = 1
KEY_ID_SIZE: Final = 16
_DIGESTS: Final = b"affiant-oversize-v1"


class NoKey(NotProved):
    """The payload key is not among those that are known: whoever destroyed it has erased what it hid."""

    def __init__(self, name: bytes) -> None:
        """`name`: of the key."""
        super().__init__(f"its payload key {name.hex()} is not known")
        self.name = name


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """A key of payloads, and its random name, which is no part of it."""

    id: bytes
    cipher: Xaes = field(repr=False, compare=False)
    digests: bytes = field(repr=False)
    """Key of the digests that stand in the header."""

    @classmethod
    def of(cls, id_: bytes, key: bytes) -> PayloadKey:
        """Raises ValueError: another size than 16 and 32 bytes."""
        if len(id_) != KEY_ID_SIZE or len(key) != KEY_SIZE:
            raise ValueError(f"a payload key has a name of {KEY_ID_SIZE} bytes and {KEY_SIZE} bytes itself")
        return cls(id_, Xaes(key), hmac.digest(key, _DIGESTS, "sha256"))

    def digest(self, sha256: bytes) -> bytes:
        """What stands for a body that is not recorded, in the header that everybody reads: a bare hash of a small one
        could be guessed, and would outlive the key. `sha256`: the body's.
        """
        return hmac.digest(self.digests, sha256, "sha256")

    def header(self, nonce: bytes) -> dict[int, object]:
        """What a payload's header says of its encryption."""
        return {Header.NONCE: nonce, Header.KEY_ID: self.id}

    def encrypt(self, header: bytes, nonce: bytes, *parts: bytes) -> bytes:
        """The parts of a payload, hidden. `header`: its bytes, with this key's name and the nonce in it."""
        return self.cipher.encrypt(nonce, b"".join(parts), header)


@dataclass(frozen=True, slots=True)
class PayloadKeys:
    """Keys by their names. For one thread at a time."""

    keys: Mapping[bytes, PayloadKey] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Iterable[PayloadKey]) -> PayloadKeys:
        """All of them."""
        return cls({key.id: key for key in keys})

    def plain(self, entry: Entry, payload: bytes) -> bytes:
        """The payload as `parse_payload` takes it.

        Args:
            entry: the record's.
            payload: as stored; MUST be what the entry's digest covers.

        Raises:
            NoKey: the key is not known.
            NotProved: it was encrypted with another key than the one of that name.
            FormatError: it is no payload, or of a suite that this version does not know.
        """
        suite = entry.get(Key.SUITE)
        if suite == PLAIN:
            return payload
        if suite != ENCRYPTED:
            raise FormatError(f"payload: of suite {suite}, which this version does not know")
        return _decrypted(payload, check_encrypted(payload, entry.get(Key.KEY_ID)), self)


NO_KEYS: Final = PayloadKeys()


def parse_keys(raw: bytes) -> PayloadKeys:
    """Keys from their file: `{"format": 1, "keys": [{"id": hex, "key": hex, …}, …]}`.

    Raises:
        FormatError: it is none. MUST NOT say anything of its content.
    """
    try:
        said = json.loads(raw)
        if said["format"] != 1:
            raise FormatError("payload keys: of a format that this version does not know")
        keys = [PayloadKey.of(bytes.fromhex(each["id"]), bytes.fromhex(each["key"])) for each in said["keys"]]
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FormatError("payload keys: not a file of them") from None
    if len({key.id for key in keys}) != len(keys):
        raise FormatError("payload keys: two keys have one id")
    return PayloadKeys.of(keys)


def encrypt_payload(
    salt: bytes,
    header: Mapping[int, object],
    key: PayloadKey,
    nonce: bytes,
    request: bytes,
    response: bytes = b"",
    model_input: bytes = b"",
) -> bytes:
    """Join the parts as `record.encode_payload` does, encrypted.

    Raises:
        FormatError: the salt is not 32 bytes, or the header is malformed.
    """
    if len(salt) != SALT_SIZE:
        raise FormatError("payload: the salt is not 32 bytes")
    lengths = [len(request), len(response), len(model_input)]
    said = {Header.COMPRESSION: 0, **header, **key.header(nonce), Header.LENGTHS: lengths}
    head = cbor.encode(said)
    return b"".join(
        (salt, len(head).to_bytes(4, "big"), head, key.encrypt(head, nonce, request, response, model_input))
    )


def decrypted(payload: bytes, keys: PayloadKeys) -> bytes:
    """A payload of suite 1 as one of suite 0 with the same salt and header. Raises as `PayloadKeys.plain`."""
    return _decrypted(payload, _seen(payload), keys)


def _decrypted(payload: bytes, seen: Seen, keys: PayloadKeys) -> bytes:
    key = keys.keys.get(seen.name)
    if key is None:
        raise NoKey(seen.name)
    start = SALT_SIZE + 4 + len(seen.head)
    return payload[:start] + key.cipher.decrypt(seen.nonce, payload[start:], seen.head)


class Seen(NamedTuple):
    """What can be seen of a payload of suite 1 without its key."""

    head: bytes
    """The header, as it is."""
    nonce: bytes
    name: bytes
    """The key id."""


def check_encrypted(payload: bytes, name: object) -> Seen:
    """What can be seen of a payload of suite 1 without its key. `name`: the key id that the entry says.

    Raises:
        FormatError: it is no such payload, or names another key.
    """
    seen = _seen(payload)
    if seen.name != name:
        raise FormatError("payload header: names another payload key than the entry")
    return seen


def _seen(payload: bytes) -> Seen:
    head, said = header_of(payload)
    nonce, name = encryption_of(said)
    if sum(said[Header.LENGTHS]) + TAG_SIZE != len(payload) - SALT_SIZE - 4 - len(head):
        raise FormatError("payload: its parts do not fill it exactly")
    return Seen(head, nonce, name)


def encryption_of(header: Mapping[int, Any]) -> tuple[bytes, bytes]:
    """Nonce and key id of a payload header of suite 1. Raises FormatError: it has none."""
    nonce, name = header.get(Header.NONCE), header.get(Header.KEY_ID)
    if not isinstance(nonce, bytes) or len(nonce) != NONCE_SIZE:
        raise FormatError(f"payload header: of an encrypted payload, without a nonce of {NONCE_SIZE} bytes")
    if not isinstance(name, bytes) or len(name) != KEY_ID_SIZE:
        raise FormatError(f"payload header: of an encrypted payload, without a key id of {KEY_ID_SIZE} bytes")
    return nonce, name


__all__ = [
    "ENCRYPTED",
    "NO_KEYS",
    "PLAIN",
    "NoKey",
    "PayloadKey",
    "PayloadKeys",
    "Seen",
    "check_encrypted",
    "decrypted",
    "encrypt_payload",
    "encryption_of",
    "parse_keys",
]
