"""Checkpoints (C2SP tlog-checkpoint): a signed note that says how large a tree is and what its root is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .errors import FormatError, NotProved
from .hashing import HASH_SIZE
from .merkle import MAX_SIZE
from .note import (
    Note,
    Signer,
    Verified,
    VerifierKey,
    check_name,
    decode_base64,
    parse_note,
    sign_note,
    verify_note,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` names the log, `size` counts its leaves, `root` is their RFC 6962 hash of 32 bytes."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose signature holds, and the witnesses that vouch for it."""

    checkpoint: Checkpoint
    cosignatures: tuple[Verified, ...]


def parse_number(text: str, what: str) -> int:
    """A decimal number without leading zeroes, below 2^63. Raises FormatError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or str(int(text)) != text:
        raise FormatError(f"{what}: not a decimal number in its one form")
    if int(text) >= MAX_SIZE:
        raise FormatError(f"{what}: too large")
    return int(text)


def parse_checkpoint(text: str) -> Checkpoint:
    """The text of a checkpoint's note; extension lines are passed over, as opaque.

    Raises:
        FormatError: says which line is wrong.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not text.endswith("\n") or "" in lines:
        raise FormatError("checkpoint: not three lines or more, none of them empty")
    check_name(lines[0])
    size = parse_number(lines[1], "checkpoint: size")
    root = decode_base64(lines[2], "checkpoint: root")
    if len(root) != HASH_SIZE:
        raise FormatError(f"checkpoint: the root is not {HASH_SIZE} bytes")
    return Checkpoint(lines[0], size, root)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The checkpoint as a note, signed under its origin's name."""
    return sign_note(checkpoint.text, signer, checkpoint.origin)


UNWITNESSED: Final = "that nobody was shown another log: no witness that was named vouches for it"
"""What a checkpoint without cosignatures does not show."""


def open_checkpoint(
    raw: bytes, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Opened:
    """Verify a checkpoint.

    1. the note is well-formed; 2. its text is a checkpoint of the origin that `key` is named for;
    3. the log's signature holds; 4. those of `witnesses` that are there hold, and there are `quorum` of them.

    Raises:
        FormatError: malformed.
        NotProved: another log's, not signed by `key`, a signature that does not hold, too few witnesses.
    """
    note: Note = parse_note(raw)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise NotProved(f"checkpoint: of {checkpoint.origin}, the key is of {key.name}")
    verified = verify_note(note, (key, *witnesses))
    if not any(each.key == key for each in verified):
        raise NotProved(f"checkpoint: not signed by {key}")
    cosignatures = tuple(each for each in verified if each.key != key)
    if len(cosignatures) < quorum:
        raise NotProved(
            f"checkpoint: {len(cosignatures)} of the known witnesses vouch for it, wanted {quorum}"
        )
    return Opened(checkpoint, cosignatures)
