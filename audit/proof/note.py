"""Signed notes (C2SP signed-note): a text and lines of signatures under it, and cosignatures of witnesses.

    text, ending in a newline
    <empty line>
    — <key name> base64(key id:4 ‖ signature)          one or more

Ed25519 (0x01) signs the text. A witness (0x04, C2SP tlog-cosignature) signs `cosignature/v1`, the time and the
text, and its signature is time:u64 ‖ 64 bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import FormatError, NotProved

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MAX_NOTE: Final = 1 << 20
MAX_SIGNATURES: Final = 64
_KEY_SIZE: Final = 32
_SIGNATURE_SIZE: Final = 64
_MARK: Final = "— "


class SignerUnavailable(Exception):  # noqa: N818 — says what happened
    """A key that is elsewhere does not sign now; asking again may help. The message says which and why."""


class Signer(Protocol):
    """A key that signs: a file's, or one in a KMS."""

    @property
    def public_key(self) -> bytes:
        """Its form (keys.py). Of who signs notes: Ed25519, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature, as keys.py has it of that key. Of who signs notes: 64 bytes by RFC 8032.

        Raises:
            SignerUnavailable: it does not answer, or refuses. MUST NOT be raised for a signature that was given.
        """
        ...


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures are believed: a name, and an Ed25519 key for one kind of signature."""

    name: str
    public_key: bytes
    algorithm: int = ED25519

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ algorithm ‖ key)[:4]."""
        return sha256(b"%b\n%c%b" % (self.name.encode(), self.algorithm, self.public_key)).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """A vkey: `name+hex(key id)+base64(algorithm ‖ key)`, as Go's sumdb/note reads it.

        Raises:
            FormatError: says which part is wrong.
        """
        name, plus, rest = text.partition("+")
        key_id, second, encoded = rest.partition("+")
        if not plus or not second:
            raise FormatError("vkey: want name+key id+key")
        check_name(name)
        material = decode_base64(encoded, "vkey")
        if len(material) != 1 + _KEY_SIZE or material[0] not in (ED25519, COSIGNATURE):
            raise FormatError("vkey: neither an Ed25519 key nor an Ed25519 witness's")
        key = cls(name, material[1:], material[0])
        if key_id != key.key_id.hex():
            raise FormatError("vkey: the key id is not that of its name and key")
        return key

    def __str__(self) -> str:
        material = base64.b64encode(bytes((self.algorithm,)) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"


class Signature(NamedTuple):
    """One line of signatures, undecided."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note, split and not verified. `text` has its final newline."""

    text: str
    signatures: tuple[Signature, ...]


class Verified(NamedTuple):
    """A signature that holds; `time` of a cosignature in seconds since 1970 UTC."""

    key: VerifierKey
    time: int | None


def check_name(name: str) -> None:
    """Key names and origins. Raises FormatError."""
    if not name or any(letter.isspace() or letter == "+" or ord(letter) < 32 for letter in name):
        raise FormatError("key name: empty, or with a space, a plus or a control character")


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 in its one form: padded, without other characters or stray bits.

    Raises:
        FormatError: `what` is not that.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{what}: not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise FormatError(f"{what}: not base64 in its one form")
    return raw


def parse_note(raw: bytes) -> Note:
    """Split a note.

    Raises:
        FormatError: over 1 MiB, not UTF-8, a control character, no signatures or over 64, a malformed or a
            duplicate signature line.
    """
    if len(raw) > MAX_NOTE:
        raise FormatError(f"note: over {MAX_NOTE} bytes")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise FormatError("note: not UTF-8") from error
    if any(ord(letter) < 32 and letter != "\n" for letter in whole):
        raise FormatError("note: a control character")
    body, gap, tail = whole.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise FormatError("note: not a text, an empty line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError(f"note: over {MAX_SIGNATURES} signatures")
    signatures = tuple(map(parse_signature, lines))
    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):
        raise FormatError("note: two signature lines of one key")
    return Note(body + "\n", signatures)


def parse_signature(line: str) -> Signature:
    """One signature line, without its newline. Raises FormatError."""
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space:
        raise FormatError("note: a malformed signature line")
    check_name(name)
    blob = decode_base64(encoded, "note: a signature")
    if len(blob) < 5:
        raise FormatError("note: a signature without a key id")
    return Signature(name, blob[:4], blob[4:])


def signature_line(name: str, key_id: bytes, value: bytes) -> str:
    """The line, with its newline."""
    return f"{_MARK}{name} {base64.b64encode(key_id + value).decode()}\n"


def sign_note(text: str, signer: Signer, name: str) -> bytes:
    """A note with one Ed25519 signature.

    Raises:
        FormatError: the text cannot be a note's.
    """
    if not text.endswith("\n") or any(ord(letter) < 32 and letter != "\n" for letter in text):
        raise FormatError("note: a text without a final newline, or with a control character")
    check_name(name)
    key = VerifierKey(name, signer.public_key)
    return (text + "\n" + signature_line(name, key.key_id, signer.sign(text.encode()))).encode()


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[Verified]:
    """The signatures of known keys, all of which hold; empty when there is none of them.

    Signatures of unknown keys are passed over, as the specification says.

    Raises:
        NotProved: a signature of a known key does not hold.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: list[Verified] = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            found.append(Verified(key, _verify(note.text, signature, key)))
    return found


def _verify(text: str, signature: Signature, key: VerifierKey) -> int | None:
    message, value, time = text.encode(), signature.value, None
    if key.algorithm == COSIGNATURE:
        time, value = int.from_bytes(value[:8], "big"), value[8:]
        message = b"cosignature/v1\ntime %d\n%b" % (time, message)
    if len(value) != _SIGNATURE_SIZE:
        raise NotProved(f"the signature of {key.name} has not the length of one")
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(value, message)
    except InvalidSignature as error:
        raise NotProved(f"the signature of {key.name} does not hold") from error
    return time


def with_signatures(raw: bytes, lines: Sequence[Signature]) -> bytes:
    """A note with more signature lines under it; one of a key that is there already is not added."""
    there = {(each.name, each.key_id) for each in parse_note(raw).signatures}
    added = [each for each in lines if (each.name, each.key_id) not in there]
    return raw + "".join(signature_line(*each) for each in added).encode()
