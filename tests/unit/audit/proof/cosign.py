"""Witnesses for the tests of checkpoints and receipts."""

from __future__ import annotations

from audit.proof.note import COSIGNATURE, Signature, VerifierKey, with_signatures
from tests.components.sealed import KeySigner

TIME = 1_767_323_045


def cosign(note: bytes, witness: int) -> bytes:
    """The note with the line of `w<witness>.example` (C2SP tlog-cosignature)."""
    signer = KeySigner(bytes((witness,)) * 32)
    key = VerifierKey(f"w{witness}.example", signer.public_key, COSIGNATURE)
    text = note.partition(b"\n\n")[0] + b"\n"
    value = signer.sign(b"cosignature/v1\ntime %d\n%b" % (TIME, text))
    return with_signatures(note, [Signature(key.name, key.key_id, TIME.to_bytes(8, "big") + value)])
