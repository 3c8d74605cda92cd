"""Receipts: `.tlog-proof` files (C2SP tlog-proof), each the proof that one entry is in the sealed log.

    c2sp.org/tlog-proof@v1
    extra base64(entry)
    index <decimal>
    base64(hash)                       from the leaf's sibling up
    <empty line>
    <checkpoint>

The entry itself stands in the line `extra`, so that the file is all that one has to keep.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .checkpoint import Opened, open_checkpoint, parse_number
from .errors import FormatError
from .hashing import HASH_SIZE, leaf_hash
from .merkle import verify_inclusion
from .note import VerifierKey, decode_base64

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_RECEIPT: Final = 2 << 20
_MAX_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class Receipt:
    """`entry` stands at `index`; `proof` leads from its leaf to the root in `checkpoint`, a signed note."""

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The file."""
        lines = [
            HEADER,
            f"extra {base64.b64encode(self.entry).decode()}",
            f"index {self.index}",
            *(base64.b64encode(each).decode() for each in self.proof),
            "",
            "",
        ]
        return "\n".join(lines).encode() + self.checkpoint


def parse_receipt(raw: bytes) -> Receipt:
    """Read a receipt, without verifying it.

    Raises:
        FormatError: not the format, or without its entry.
    """
    if len(raw) > MAX_RECEIPT:
        raise FormatError(f"receipt: over {MAX_RECEIPT} bytes")
    head, gap, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("receipt: not ASCII before its checkpoint") from error
    if not gap or lines[0] != HEADER:
        raise FormatError(f"receipt: does not begin with {HEADER}")
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise FormatError("receipt: want a line `extra` with the entry, then a line `index`")
    if len(lines) - 3 > _MAX_HASHES:
        raise FormatError(f"receipt: over {_MAX_HASHES} hashes")
    proof = tuple(decode_base64(line, "receipt: a hash") for line in lines[3:])
    if any(len(each) != HASH_SIZE for each in proof):
        raise FormatError(f"receipt: a hash is not {HASH_SIZE} bytes")
    return Receipt(
        decode_base64(lines[1].removeprefix("extra "), "receipt: extra"),
        parse_number(lines[2].removeprefix("index "), "receipt: index"),
        proof,
        checkpoint,
    )


def verify_receipt(
    receipt: Receipt, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Opened:
    """Check that the entry is in the log whose key is `key`; the checkpoint that says so.

    1. the checkpoint is the log's (`open_checkpoint`); 2. the entry's leaf is at the index under its root.

    Raises:
        FormatError: the checkpoint is malformed.
        NotProved: it does not hold; says which step.
    """
    opened = open_checkpoint(receipt.checkpoint, key, witnesses, quorum)
    checkpoint = opened.checkpoint
    verify_inclusion(leaf_hash(receipt.entry), receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    return opened
