"""Receipts: the file, in one form, and what it proves."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.errors import FormatError, NotProved
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, inclusion_proof, root
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.proof.receipt import MAX_RECEIPT, Receipt, parse_receipt, verify_receipt
from tests.components.sealed import KeySigner
from tests.components.tlog import spicy_proof, spicy_verify
from tests.unit.audit.proof.cosign import TIME, cosign

ORIGIN = "example.org/log/" + "0f" * 16 + "/3"
SIGNER = KeySigner(b"\x01" * 32)
KEY = VerifierKey(ORIGIN, SIGNER.public_key)
ENTRIES = [b"entry %d" % at for at in range(13)]
NODES = LeafNodes([leaf_hash(entry) for entry in ENTRIES])
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 13, root(NODES, 13)), SIGNER)
RECEIPT = Receipt(ENTRIES[6], 6, tuple(inclusion_proof(NODES, 6, 13)), NOTE)
FILE = RECEIPT.encode()
WITNESS = VerifierKey("w2.example", KeySigner(b"\x02" * 32).public_key, COSIGNATURE)


def test_a_receipt_is_read_as_it_was_written() -> None:
    """And proves its entry."""
    assert parse_receipt(FILE) == RECEIPT
    assert verify_receipt(RECEIPT, KEY).checkpoint.size == 13


def test_the_only_entry_of_a_log_needs_no_hash() -> None:
    """The file then has no line between index and checkpoint."""
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(b"one")), SIGNER)
    receipt = Receipt(b"one", 0, (), note)
    assert parse_receipt(receipt.encode()) == receipt
    verify_receipt(receipt, KEY)


@pytest.mark.tlog
def test_spicy_verifies_our_receipts_and_refuses_changed_ones() -> None:
    """Torchwood's program, for the same entry and key."""
    assert spicy_verify(ENTRIES[6], spicy_proof(FILE), str(KEY))
    assert not spicy_verify(ENTRIES[5], spicy_proof(FILE), str(KEY))


def test_witnesses_vouch_for_the_receipt_too() -> None:
    """As they do for its checkpoint; a quorum that is not there is refused."""
    receipt = Receipt(RECEIPT.entry, 6, RECEIPT.proof, cosign(NOTE, 2))
    opened = verify_receipt(receipt, KEY, [WITNESS], 1)
    assert [(each.key, each.time) for each in opened.cosignatures] == [(WITNESS, TIME)]
    with pytest.raises(NotProved, match="witnesses"):
        verify_receipt(RECEIPT, KEY, [WITNESS], 1)


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(ENTRIES[5], 6, RECEIPT.proof, NOTE),
        Receipt(RECEIPT.entry, 5, RECEIPT.proof, NOTE),
        Receipt(RECEIPT.entry, 13, RECEIPT.proof, NOTE),
        Receipt(RECEIPT.entry, 6, RECEIPT.proof[:-1], NOTE),
        Receipt(RECEIPT.entry, 6, (*RECEIPT.proof, RECEIPT.proof[0]), NOTE),
        Receipt(RECEIPT.entry, 6, RECEIPT.proof[::-1], NOTE),
        Receipt(RECEIPT.entry, 6, RECEIPT.proof, sign_checkpoint(Checkpoint(ORIGIN, 13, b"\0" * 32), SIGNER)),
        Receipt(
            RECEIPT.entry,
            6,
            RECEIPT.proof,
            sign_checkpoint(Checkpoint(ORIGIN, 13, root(NODES, 13)), KeySigner()),
        ),
    ],
    ids=["entry", "index", "index beyond", "short", "long", "order", "root", "key"],
)
def test_a_receipt_that_does_not_hold_proves_nothing(receipt: Receipt) -> None:
    """Another entry, index, proof, root or key."""
    with pytest.raises(NotProved):
        verify_receipt(parse_receipt(receipt.encode()), KEY)


def lines(*head: str, checkpoint: bytes = NOTE) -> bytes:
    """A file of these lines."""
    return "\n".join((*head, "", "")).encode() + checkpoint


HEAD = "c2sp.org/tlog-proof@v1"
EXTRA = f"extra {base64.b64encode(ENTRIES[6]).decode()}"
HASH = base64.b64encode(RECEIPT.proof[0]).decode()
SPOILED = {
    "nothing": b"",
    "another header": lines("c2sp.org/tlog-proof@v2", EXTRA, "index 6"),
    "no header": lines(EXTRA, "index 6"),
    "no extra": lines(HEAD, "index 6", HASH),
    "extra last": lines(HEAD, "index 6", EXTRA),
    "extra twice": lines(HEAD, EXTRA, EXTRA, "index 6"),
    "index twice": lines(HEAD, EXTRA, "index 6", "index 6"),
    "extra not base64": lines(HEAD, "extra *", "index 6"),
    "extra not padded": lines(HEAD, EXTRA.rstrip("="), "index 6") if EXTRA.endswith("=") else b"",
    "a leading zero": lines(HEAD, EXTRA, "index 06"),
    "a sign": lines(HEAD, EXTRA, "index +6"),
    "a space": lines(HEAD, EXTRA, "index  6"),
    "no index": lines(HEAD, EXTRA, HASH),
    "a short hash": lines(HEAD, EXTRA, "index 6", HASH[:-4]),
    "a long hash": lines(HEAD, EXTRA, "index 6", base64.b64encode(b"7" * 33).decode()),
    "too many hashes": lines(HEAD, EXTRA, "index 6", *([HASH] * 64)),
    "CR": FILE.replace(b"\n", b"\r\n"),
    "NUL": FILE.replace(b"index 6", b"index 6\0"),
    "not ASCII": FILE.replace(b"index 6", "index ٦".encode()),
    "no empty line": FILE.replace(b"\n\n", b"\n"),
    "too long": FILE + b"\n" * MAX_RECEIPT,
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_no_receipt_is_refused(name: str) -> None:
    """One form."""
    with pytest.raises(FormatError):
        parse_receipt(SPOILED[name])


@pytest.mark.parametrize(
    "checkpoint",
    [
        NOTE + b"x",
        NOTE + b"\n",
        NOTE[:-1],
        b"",
        b"\n" + NOTE,
        NOTE + NOTE.partition(b"\n\n")[2],
        NOTE.replace(b"\n13\n", b"\n013\n"),
    ],
    ids=["surplus", "surplus newline", "cut", "none", "shifted", "the line twice", "leading zero"],
)
def test_a_receipt_with_another_checkpoint_is_refused(checkpoint: bytes) -> None:
    """Surplus bytes after it, duplicate signature lines, another spelling."""
    raw = Receipt(RECEIPT.entry, 6, RECEIPT.proof, checkpoint).encode()
    with pytest.raises((FormatError, NotProved)):
        verify_receipt(parse_receipt(raw), KEY)


@given(st.data())
def test_no_receipt_with_a_changed_byte_proves_what_it_did(data: st.DataObject) -> None:
    """Each byte counts."""
    at = data.draw(st.integers(0, len(FILE) - 1))
    changed = FILE[:at] + bytes((FILE[at] ^ data.draw(st.integers(1, 255)),)) + FILE[at + 1 :]
    with pytest.raises((FormatError, NotProved)):
        verify_receipt(parse_receipt(changed), KEY)


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_format_errors_and_nothing_else(raw: bytes) -> None:
    """Alone, and behind a header."""
    for each in (raw, HEAD.encode() + b"\n" + raw, FILE[:60] + raw + FILE[60:]):
        with suppress(FormatError, NotProved):
            verify_receipt(parse_receipt(each), KEY)
