"""Certificates: what shows that a package may answer for a service, in one file (docs/certificate.md).

    certificate.json        what it is about, the SHA-256 of every other member, and which evidence each requirement has
    certificate.html        for people
    root.json               the first root, which the reader believes by its digest
    policy.json             the policy in force, as canonical JSON
    package/manifest.json   the package's; and signature.json, lineage.json, card.md as the manifest names them
    statements/<offset>     records of the governance log: roots, policies, gate results, approvals, …
    proofs/<offset>         count × 32 bytes: the record's inclusion proof, where a notary has sealed it
    checkpoint              the signed note under which the proofs hold

This module has the format; what a certificate shows is for `certificate_check.verify_certificate` to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from .certificate_policy import SLOTS
from .checkpoint import parse_number
from .errors import FormatError
from .hashing import HASH_SIZE
from .members import Members, encode_members
from .merkle import MAX_SIZE
from .note import MAX_NOTE

FORMAT: Final = 1
ABOUT: Final = "certificate.json"
PAGE: Final = "certificate.html"
ROOT_FILE: Final = "root.json"
POLICY_FILE: Final = "policy.json"
CHECKPOINT: Final = "checkpoint"
PARTS: Final = ("manifest.json", "signature.json", "lineage.json", "card.md")
"""Of the package; the model itself and its numbers are not in a certificate."""
MAX_CERTIFICATE: Final = 64 << 20
"""Bytes of the file, and of all its members."""
MAX_STATEMENTS: Final = 4096
MAX_HASHES: Final = 63
_MOST: Final[Mapping[str, int]] = {
    ABOUT: 4 << 20, PAGE: 16 << 20, ROOT_FILE: 1 << 20, POLICY_FILE: 1 << 20, CHECKPOINT: MAX_NOTE,
    "package/manifest.json": 64 << 10, "package/signature.json": 16 << 20, "package/lineage.json": 4 << 20,
    "package/card.md": 4 << 20,
}  # fmt: skip
_MAX_RECORD: Final = 4 << 20
_NUMBERED: Final = re.compile(r"(statements|proofs)/(0|[1-9][0-9]{0,18})")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class Kept(NamedTuple):
    """A record of the governance log."""

    offset: int
    logged: int
    """By the log's clock, ms since 1970 UTC: neither signed nor sealed."""
    record: bytes
    proof: tuple[bytes, ...] | None = None
    """Hashes from the leaf's sibling up to the checkpoint's root; None: not sealed."""


class Row(NamedTuple):
    """A requirement, and the names of what is in the certificate about it."""

    requirement: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, parsed and not verified."""

    digest: str
    """The package's, `sha256:…`."""
    service: str
    slot: str
    made_by: str
    made_at: int
    """Seconds since 1970 UTC. Both are the maker's word."""
    root: bytes
    policy: bytes
    package: Mapping[str, bytes]
    """By the names of PARTS."""
    statements: tuple[Kept, ...]
    """By offset."""
    checkpoint: bytes | None
    """None: not sealed."""
    rows: tuple[Row, ...] = ()
    page: bytes = b""

    def encode(self) -> bytes:
        """The file. Raises FormatError: a part that the format does not have, or too large."""
        members = {PAGE: self.page, ROOT_FILE: self.root, POLICY_FILE: self.policy}
        members |= {f"package/{name}": content for name, content in self.package.items()}
        if self.checkpoint is not None:
            members[CHECKPOINT] = self.checkpoint
        for kept in self.statements:
            members[f"statements/{kept.offset}"] = kept.record
            if kept.proof is not None:
                members[f"proofs/{kept.offset}"] = b"".join(kept.proof)
        about = {
            "format": FORMAT,
            "made": {"at": self.made_at, "by": self.made_by},
            "members": {name: sha256(content).hexdigest() for name, content in members.items()},
            "requirements": [{"evidence": list(row.evidence), "id": row.requirement} for row in self.rows],
            "statements": [{"logged": kept.logged, "offset": kept.offset} for kept in self.statements],
            "subject": {"digest": self.digest, "service": self.service, "slot": self.slot},
        }
        members[ABOUT] = _json(about)
        _check_sizes((name, len(content)) for name, content in members.items())
        return encode_members(members)


def is_digest(text: str) -> bool:
    """Whether it is `sha256:` and 64 lower-case hex digits."""
    return _DIGEST.fullmatch(text) is not None


def parse_certificate(raw: bytes) -> tuple[Certificate, tuple[str, ...]]:
    """Read a certificate; with the members whose SHA-256 is not the one that certificate.json says.

    Raises:
        FormatError: not a certificate in its one form: surplus, missing or malformed members.
    """
    if len(raw) > MAX_CERTIFICATE:
        raise FormatError(f"certificate: over {MAX_CERTIFICATE} bytes")
    members = Members(raw)
    _check_sizes((name, members.size(name)) for name in members)
    about = _read_about(members)
    listed = about["members"]
    if set(members) != {ABOUT, *listed} or ABOUT in listed:
        raise FormatError("certificate: its members are not those that it lists")
    contents = {name: members[name] for name in listed}
    offsets = [each["offset"] for each in about["statements"]]
    wanted = {PAGE, ROOT_FILE, POLICY_FILE, *(f"package/{name}" for name in PARTS)}
    wanted |= {f"statements/{offset}" for offset in offsets}
    may = {CHECKPOINT, *(f"proofs/{offset}" for offset in offsets)}
    if absent := wanted - set(contents):
        raise FormatError(f"certificate: {min(absent)} is not there")
    if surplus := set(contents) - wanted - may:
        raise FormatError(f"certificate: has {min(surplus)}, which belongs to nothing in it")
    if CHECKPOINT not in contents and any(name.startswith("proofs/") for name in contents):
        raise FormatError("certificate: proofs without a checkpoint")
    changed = tuple(name for name, content in contents.items() if sha256(content).hexdigest() != listed[name])
    subject, made = about["subject"], about["made"]
    return Certificate(
        subject["digest"],
        subject["service"],
        subject["slot"],
        made["by"],
        made["at"],
        contents[ROOT_FILE],
        contents[POLICY_FILE],
        {name: contents[f"package/{name}"] for name in PARTS},
        tuple(_read_kept(each, contents) for each in about["statements"]),
        contents.get(CHECKPOINT),
        tuple(Row(each["id"], tuple(each["evidence"])) for each in about["requirements"]),
        contents[PAGE],
    ), changed


def _json(value: object) -> bytes:
    """The one form of certificate.json."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _check_sizes(sizes: Iterable[tuple[str, int]]) -> None:
    total = 0
    for name, size in sizes:
        found = _NUMBERED.fullmatch(name)
        most = (
            _MOST.get(name, 0)
            if found is None
            else _MAX_RECORD
            if found[1] == "statements"
            else MAX_HASHES * HASH_SIZE
        )
        if name not in _MOST and found is None:
            raise FormatError(f"certificate: has {name[:60]}, which the format does not have")
        total += size
        if size > most or total > MAX_CERTIFICATE:
            raise FormatError(f"certificate: {name} is too large, or all members together are")


def _read_kept(about: Mapping[str, int], contents: Mapping[str, bytes]) -> Kept:
    offset = about["offset"]
    proof = contents.get(f"proofs/{offset}")
    if proof is not None and len(proof) % HASH_SIZE:
        raise FormatError(f"certificate: proofs/{offset} is no list of hashes")
    hashes = None if proof is None else tuple(
        proof[at : at + HASH_SIZE] for at in range(0, len(proof), HASH_SIZE)
    )  # fmt: skip
    return Kept(offset, about["logged"], contents[f"statements/{offset}"], hashes)


def _read_about(members: Members) -> dict[str, Any]:
    if ABOUT not in members:
        raise FormatError(f"certificate: has no {ABOUT}")
    raw = members[ABOUT]
    try:
        about = json.loads(raw)
        same = _json(about) == raw
    except (ValueError, RecursionError) as error:  # json's error and Unicode's are both ValueError
        raise FormatError(f"certificate: {ABOUT} is not JSON") from error
    if not same or not isinstance(about, dict):
        raise FormatError(f"certificate: {ABOUT} is not in its one form")
    if type(about.get("format")) is not int or about["format"] != FORMAT:  # 1.0 and true are equal to 1
        raise FormatError(f"certificate: not of format {FORMAT}, which this reader knows")
    if set(about) != {"format", "made", "members", "requirements", "statements", "subject"}:
        raise FormatError(f"certificate: {ABOUT} has not exactly the keys of its format")
    _check_about(about)
    return about


def _check_about(about: Mapping[str, Any]) -> None:
    made, subject = about["made"], about["subject"]
    if not _has(made, at=int, by=str) or not 0 <= made["at"] < MAX_SIZE:
        raise FormatError(f"certificate: {ABOUT}: made is not at and by")
    if not _has(subject, digest=str, service=str, slot=str) or not is_digest(subject["digest"]):
        raise FormatError(f"certificate: {ABOUT}: subject is not digest, service and slot")
    if subject["slot"] not in SLOTS:
        raise FormatError(f"certificate: {ABOUT}: there is no such slot")
    if not isinstance(about["members"], dict) or not all(
        isinstance(each, str) for each in about["members"].values()
    ):
        raise FormatError(f"certificate: {ABOUT}: members is not a map of texts")
    statements, rows = about["statements"], about["requirements"]
    if not isinstance(statements, list) or len(statements) > MAX_STATEMENTS:
        raise FormatError(f"certificate: {ABOUT}: statements is no list, or over {MAX_STATEMENTS}")
    before = -1
    for each in statements:
        if (
            not _has(each, logged=int, offset=int)
            or not before < each["offset"] < MAX_SIZE
            or not 0 <= each["logged"] < MAX_SIZE
        ):
            raise FormatError(f"certificate: {ABOUT}: statements are not offsets that rise, with their times")
        before = parse_number(str(each["offset"]), "certificate: offset")
    if not isinstance(rows, list) or not all(_has(row, id=str, evidence=list) for row in rows):
        raise FormatError(f"certificate: {ABOUT}: requirements are not ids with evidence")
    if not all(isinstance(name, str) for row in rows for name in row["evidence"]):
        raise FormatError(f"certificate: {ABOUT}: evidence is not names")


def _has(value: object, **kinds: type) -> bool:
    """Exactly these keys, each of exactly its type: a boolean is no integer."""
    return (
        isinstance(value, dict)
        and set(value) == set(kinds)
        and all(type(value[name]) is kind for name, kind in kinds.items())
    )
