"""Writes the golden files beside it (`python -m tests.golden.certificate.make`); they change with the format alone.

- `certificate.zip`: two roots, two policies, gate results, a rejection that was taken back, approvals, a
  deployment, all sealed but the last entry;
- `ecdsa.zip`: the same, said by people of whom three have ECDSA keys (`certificate.zip` has Ed25519 alone);
- `certificate.json`, `ecdsa.json`: the root's digest, the notary's key, and what must be found.

ECDSA signs here without random numbers (RFC 6979), so that each signature has one form; a verifier asks no such thing.
Keys, times, salts and texts are fixed; only how a member is deflated is zlib's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from audit.governance import Governance
from audit.log.local import LocalLog
from audit.proof.certificate import Certificate, Kept
from audit.proof.certificate_check import verify_certificate
from audit.proof.certificate_told import certificate_json
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.dsse import key_id
from audit.proof.hashing import leaf_hash
from audit.proof.keys import form_of
from audit.proof.merkle import LeafNodes, inclusion_proof, root
from audit.proof.note import Signer as AnySigner
from audit.proof.note import VerifierKey
from audit.proof.record import split_record
from registry.approvals.root import KeyModel, RoleModel, Root, RootModel, root_predicate, sign_root
from registry.policy import Policy, parse_policy
from registry.statement import (
    APPROVAL,
    DEPLOYMENT,
    GATES,
    PAYLOAD_TYPE,
    POLICY,
    REJECTION,
    ROOT,
    encode,
)

HERE: Final = Path(__file__).parent
NAME: Final = "golden.example/log"
TREE: Final = f"{NAME}/{'0e' * 16}/0"
NOW: Final = 1_767_323_045
PARTS: Final = {
    "signature.json": b'{"format":1}',
    "lineage.json": b'{"actor":"zoe","format":1}',
    "card.md": "# Größe\n".encode(),
}
PAGE: Final = b"<!doctype html><title>golden</title>"
MAY: Final = {
    "root": ["ann", "bob"], "policy": ["cyd"], "gates": ["pipeline"], "legal": ["ann", "dan"], "compliance": ["bob"],
    "deploy": ["dan"],
}  # fmt: skip
TEXT: Final = """
format: 1
change: {roles: {legal: 1}}
services:
  credit:
    gates: {documentation: {}, explanation: {}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: %d}
"""


class Signer:
    """A person's key by its seed."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `Signer.sign`."""
        return self._key.sign(message)


class PointSigner:
    """A person's key on a curve, by its number."""

    def __init__(self, number: int, curve: ec.EllipticCurve, hashed: HashAlgorithm) -> None:
        self._key = ec.derive_private_key(number, curve)
        self._scheme = ec.ECDSA(hashed, deterministic_signing=True)
        self.public_key = form_of(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """See `Signer.sign`."""
        return self._key.sign(message, self._scheme)


People = Mapping[str, AnySigner]
PEOPLE: Final[People] = {
    name: Signer(seed) for seed, name in enumerate(("ann", "bob", "cyd", "dan", "pipeline"), 1)
}
MIXED: Final[People] = {
    **PEOPLE,
    "bob": PointSigner(2, ec.SECP384R1(), SHA384()),
    "dan": PointSigner(4, ec.SECP256R1(), SHA256()),
    "pipeline": PointSigner(5, ec.SECP256R1(), SHA256()),
}
NOTARY: Final = Signer(10)
VKEY: Final = VerifierKey(NAME, NOTARY.public_key)


def the_root(previous: Root | None = None, rotated: str | None = None, people: People = PEOPLE) -> Root:
    """The first root, or the second, in which a key was rotated at offset 1."""
    ids = {name: key_id(key.public_key) for name, key in people.items()}
    keys = {
        ids[name]: KeyModel(public=key.public_key.hex(), person=name, until=1 if name == rotated else None)
        for name, key in people.items()
    }
    roles = {
        role: RoleModel(keys=[ids[name] for name in names], threshold=2 if role == "root" else 1)
        for role, names in MAY.items()
    }
    content = RootModel(
        version=2 if previous else 1, previous=previous.digest if previous else None, keys=keys,
        roles={**roles, "policy": RoleModel(keys=[ids["cyd"], ids["dan"]], threshold=1)},
    )  # fmt: skip
    return sign_root(content, [people["ann"], people["bob"]])


def manifest() -> bytes:
    """Of the package: what a certificate reads of it."""
    layers = [
        {
            "annotations": {"org.opencontainers.image.title": name},
            "digest": f"sha256:{sha256(part).hexdigest()}",
            "mediaType": "application/octet-stream",
            "size": len(part),
        }
        for name, part in PARTS.items()
    ]
    return json.dumps({"layers": layers, "schemaVersion": 2}, sort_keys=True, separators=(",", ":")).encode()


def statements(digest: str, first: Root, people: People) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Who says what: person, subject, type, predicate."""
    policies = [parse_policy((TEXT % days).encode()) for days in (10, 20)]
    second = the_root(first, "cyd", people)

    def policy(each: Policy, version: int, role: str) -> dict[str, Any]:
        return {"version": version, "role": role, "text": each.canonical().decode(), "at": NOW}

    about = {"service": "credit", "policy": policies[1].digest, "at": NOW + 5, "rationale": "geprüft"}
    results = [{"name": name, "verdict": "passed", "reason": ""} for name in ("documentation", "explanation")]
    plan = [{"digest": digest, "slot": "live", "weight": 1.0}]
    return [
        ("cyd", policies[0].digest, POLICY, policy(policies[0], 1, "policy")),
        ("dan", second.digest, ROOT, root_predicate(second)),
        ("dan", policies[1].digest, POLICY, policy(policies[1], 2, "legal")),
        ("pipeline", digest, GATES, about | {"results": results}),
        ("dan", digest, REJECTION, about | {"role": "legal", "rationale": "the data sheet is missing"}),
        ("dan", digest, APPROVAL, about | {"role": "legal"}),
        ("bob", digest, APPROVAL, about | {"role": "compliance"}),
        ("dan", digest, DEPLOYMENT, {"service": "credit", "action": "deploy", "plan": plan, "at": NOW + 7}),
    ]


def record(signer: AnySigner, offset: int, statement: bytes) -> bytes:
    """The entry of a statement; its salt is its offset."""
    governance = Governance(
        LocalLog(HERE / "nowhere", "governance", create=False),
        signer,
        clock=lambda: (NOW + offset) * 10**9,
        random=lambda size: bytes([offset]) * size,
    )
    return governance.record(PAYLOAD_TYPE, statement)


def certificate(people: People = PEOPLE) -> Certificate:
    """The certificate."""
    whole = manifest()
    digest = f"sha256:{sha256(whole).hexdigest()}"
    first = the_root(people=people)
    records = [
        record(people[person], offset, encode(subject, type_, predicate))
        for offset, (person, subject, type_, predicate) in enumerate(statements(digest, first, people))
    ]
    leaves = [leaf_hash(split_record(record)[0]) for record in records]
    size = len(leaves) - 1
    nodes = LeafNodes(leaves[:size])
    kept = tuple(
        Kept(
            offset, (NOW + offset) * 1000, record,
            tuple(inclusion_proof(nodes, offset, size)) if offset < size else None,
        )
        for offset, record in enumerate(records)
    )  # fmt: skip
    made = Certificate(
        digest, "credit", "live", "golden", NOW + 60, first.envelope.encode(),
        parse_policy((TEXT % 20).encode()).canonical(), {"manifest.json": whole, **PARTS}, kept,
        sign_checkpoint(Checkpoint(TREE, size, root(nodes, size)), NOTARY), page=PAGE,
    )  # fmt: skip
    rows = verify_certificate(made.encode(), first.digest).rows
    return Certificate(**{name: getattr(made, name) for name in made.__slots__} | {"rows": rows})


def expected(raw: bytes, people: People) -> dict[str, Any]:
    """What must be found."""
    root_digest = the_root(people=people).digest
    found = verify_certificate(raw, root_digest, VKEY)
    assert not found.flaws, found.flaws
    return {"root": root_digest, "key": str(VKEY), "found": certificate_json(found, float(NOW + 60))}


GOLDEN: Final[Mapping[str, People]] = {"certificate": PEOPLE, "ecdsa": MIXED}
"""File → whose word is in it."""

if __name__ == "__main__":
    for kind, people in GOLDEN.items():
        content = certificate(people).encode()
        (HERE / f"{kind}.zip").write_bytes(content)
        text = json.dumps(expected(content, people), indent=1, ensure_ascii=False, sort_keys=True)
        (HERE / f"{kind}.json").write_text(f"{text}\n", encoding="utf-8")
