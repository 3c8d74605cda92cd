"""Writes the golden files beside it (`python -m tests.golden.proof.make`); they change with the format, never else.

- `size-N/` is the log of N labels: `checkpoint`, and its tiles and entry bundles by C2SP tlog-tiles;
- `cosigned` is the checkpoint of size 257 with a witness's signature, `receipt.tlog-proof` proves label 200 under it;
- `bundle.zip` is an evidence bundle of the records of the golden journal;
- `proof.json`: keys, roots, proofs between the sizes, and what must be found.

Keys, times and entries are fixed. Ed25519 has no random numbers, so each signature has one form.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.journal import JournalReader
from audit.proof.bundle import Bundle as EvidenceBundle
from audit.proof.bundle import Earlier, Kept, TreePart
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, consistency_proof, inclusion_proof, root
from audit.proof.note import COSIGNATURE, Signature, VerifierKey, with_signatures
from audit.proof.receipt import Receipt
from audit.proof.record import split_record
from audit.proof.tiles import Edge, bundles_of, encode_bundle

HERE: Final = Path(__file__).parent
NAME: Final = "golden.example/log"
TREE: Final = f"{NAME}/{'0f' * 16}/3"
SIZES: Final = (1, 256, 257)
LABEL: Final = 200
WITNESS_TIME: Final = 1_767_323_045


class _Signer:
    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


NOTARY: Final = _Signer(b"\x0a" * 32)
WITNESS: Final = _Signer(b"\x0b" * 32)
VKEY: Final = VerifierKey(NAME, NOTARY.public_key)
WITNESS_KEY: Final = VerifierKey("witness.example", WITNESS.public_key, COSIGNATURE)


def label(number: int) -> bytes:
    """A label's entry, another for each number."""
    return encode_entry(
        {
            Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: number.to_bytes(32, "big"), Key.PAYLOAD_LENGTH: 40,
            Key.SUITE: 0, Key.BODY_TYPE: "application/json", Key.AUTHOR: b"\x51" * 32, Key.TARGET: str(number),
            Key.TIME: 1_767_323_045_000_000_000 + number,
        }
    )  # fmt: skip


def signed(entries: list[bytes]) -> bytes:
    """The checkpoint of a tree."""
    leaves = [leaf_hash(entry) for entry in entries]
    return sign_checkpoint(Checkpoint(TREE, len(entries), root(LeafNodes(leaves), len(leaves))), NOTARY)


def log_files(size: int) -> dict[str, bytes]:
    """A log's files, by their paths."""
    entries = [label(number) for number in range(size)]
    edge = Edge(0, ())
    tiles = [*edge.append([leaf_hash(entry) for entry in entries]), *edge.partial()]
    files = {tile.path: content for tile, content in tiles}
    for bundle in bundles_of(size):
        files[bundle.path] = encode_bundle(entries[bundle.index * 256 : bundle.index * 256 + bundle.width])
    return {"checkpoint": signed(entries), **files}


def cosigned(note: bytes) -> bytes:
    """A checkpoint with the witness's line under it (C2SP tlog-cosignature)."""
    text = note.partition(b"\n\n")[0] + b"\n"
    value = WITNESS.sign(b"cosignature/v1\ntime %d\n%b" % (WITNESS_TIME, text))
    line = Signature(WITNESS_KEY.name, WITNESS_KEY.key_id, WITNESS_TIME.to_bytes(8, "big") + value)
    return with_signatures(note, [line])


def journal_records() -> list[bytes]:
    """The records of the golden journal."""
    reader = JournalReader(HERE.parent / "journal" / "whole")
    records = [each.record for each in reader.read(1 << 30)]
    reader.close()
    return records


def evidence() -> EvidenceBundle:
    """All records of the golden journal, as a range."""
    records = journal_records()
    entries = [split_record(record)[0] for record in records]
    leaves = [leaf_hash(entry) for entry in entries]
    nodes, size = LeafNodes(leaves), len(leaves)
    kept = tuple(
        Kept(offset, record, tuple(inclusion_proof(nodes, offset, size)))
        for offset, record in enumerate(records)
    )
    earlier = {5: Earlier(signed(entries[:5]), tuple(consistency_proof(nodes, 5, size)))}
    part = TreePart(TREE, cosigned(signed(entries)), kept, ((0, size),), earlier)
    selection = {"kind": "range", "value": f"3:0-{size - 1}"}
    made = {"by": "golden", "time": "2026-01-02T03:04:05Z"}
    return EvidenceBundle(selection, made, (part,), {}, b"<!doctype html><title>golden</title>\n")


def expected() -> dict[str, Any]:
    """What must be found."""
    leaves = [leaf_hash(label(number)) for number in range(SIZES[-1])]
    nodes = LeafNodes(leaves)
    pairs = [(old, new) for old in SIZES for new in SIZES if old < new]
    return {
        "vkey": str(VKEY),
        "tree vkey": str(VerifierKey(TREE, NOTARY.public_key)),
        "witness vkey": str(WITNESS_KEY),
        "roots": {str(size): root(nodes, size).hex() for size in SIZES},
        "consistency": {
            f"{old}-{new}": [each.hex() for each in consistency_proof(nodes, old, new)] for old, new in pairs
        },
        "receipt": {"index": LABEL, "entry": label(LABEL).hex(), "witness time": WITNESS_TIME},
        "bundle": {
            "records": [base64.b64encode(record).decode() for record in journal_records()],
        },
    }


def make(target: Path) -> None:
    """Write all golden files below `target`."""
    for size in SIZES:
        for path, content in log_files(size).items():
            file = target / f"size-{size}" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    note = cosigned(log_files(SIZES[-1])["checkpoint"])
    (target / "cosigned").write_bytes(note)
    leaves = [leaf_hash(label(number)) for number in range(SIZES[-1])]
    proof = tuple(inclusion_proof(LeafNodes(leaves), LABEL, len(leaves)))
    (target / "receipt.tlog-proof").write_bytes(Receipt(label(LABEL), LABEL, proof, note).encode())
    (target / "bundle.zip").write_bytes(evidence().encode())
    (target / "proof.json").write_bytes(json.dumps(expected(), indent=1, sort_keys=True).encode() + b"\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
