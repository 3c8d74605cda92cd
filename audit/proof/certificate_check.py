"""What a certificate shows, by nothing but the first root's digest and the notary's key.

1  members      each is what certificate.json says
2  root         the first root is the one that is believed; each later one follows the one before it
3  statements   each is a record of the governance log with its payload, about this package (or a root, or a policy),
                signed by a key of the chain; a deployment by somebody who might deploy
4  policy       policy.json is the policy in force after these statements
5  package      the manifest is what the digest names, and each part is what the manifest names
6  admission    at the time of making, by admission's rules, the package may answer in that slot
7  seal         with a key: the checkpoint is signed by it, and each statement below its size is under its root
8  table        each requirement names the evidence that is there, no more and no less
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from .certificate import CHECKPOINT, POLICY_FILE, ROOT_FILE, Certificate, Kept, parse_certificate
from .certificate_found import Certified, Signed
from .certificate_policy import InForce, policy_in_force
from .certificate_rows import Contents, rows_of
from .certificate_rules import Judged, judge, passed, publisher_of
from .certificate_said import (
    DEPLOYMENT,
    KINDS,
    POLICY,
    PUBLISH,
    ROOT,
    Root,
    Roots,
    Said,
    fold_roots,
    load,
    parse_root,
    parse_said,
)
from .checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from .errors import FormatError, NotProved
from .evidence import key_of
from .flaws import Flaw
from .hashing import leaf_hash
from .merkle import verify_inclusion
from .note import VerifierKey, parse_note
from .record import Record, parse_record

_TITLE: Final = "org.opencontainers.image.title"


def verify_certificate(
    raw: bytes,
    root_digest: str,
    key: VerifierKey | None = None,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
) -> Certified:
    """Verify a certificate.

    Args:
        raw: the file.
        root_digest: of the first root, from another place than the file.
        key: the notary's, or its tree's; None: proofs are not looked at.
        witnesses: those that are believed.
        quorum: how many of them must vouch for the checkpoint.

    Raises:
        FormatError: not a certificate in its one form. What is well-formed and wrong is a flaw of the result.
    """
    certificate, changed = parse_certificate(raw)
    check = _Check(certificate)
    for name in changed:
        check.flaw("member", "is not what certificate.json says", name)
    check.run(root_digest, key, witnesses, quorum)
    return check.found


class _Check:
    """One verification; steps that need what a failed one would have given are left out."""

    def __init__(self, certificate: Certificate) -> None:
        self.of = certificate
        self.found = Certified(
            certificate.digest, certificate.service, certificate.slot, certificate.made_by, certificate.made_at,
            has_checkpoint=certificate.checkpoint is not None,
        )  # fmt: skip
        self.proved: set[int] = set()

    def flaw(self, what: str, message: str, path: str | None = None) -> None:
        self.found.flaws.append(Flaw(what, message, path=path))

    def run(
        self, root_digest: str, key: VerifierKey | None, witnesses: Sequence[VerifierKey], quorum: int
    ) -> None:
        records = self._records()
        first = self._root(root_digest)
        publisher = self._package()
        if key is not None:
            self._seal(records, key, witnesses, quorum)
        if first is None:
            return
        said, roots = self._statements(records, first)
        policy = self._policy(roots, said)
        judged = self._judge(roots, policy, said, publisher)
        self._people(roots, said)
        if judged is not None:
            self._rows(said, judged)

    def _records(self) -> list[tuple[Kept, Record]]:
        found = []
        for kept in self.of.statements:
            try:
                found.append((kept, parse_record(kept.record)))
            except FormatError as error:
                self.flaw("statement", str(error), f"statements/{kept.offset}")
        return found

    def _root(self, root_digest: str) -> Root | None:
        try:
            first = parse_root(self.of.root)
            if first.digest != root_digest:
                self.flaw("root", f"is {first.digest}, not the one that is believed", ROOT_FILE)
                return None
            first.check(None)
        except (FormatError, NotProved) as error:
            self.flaw("root", str(error), ROOT_FILE)
            return None
        return first

    def _statements(self, records: Sequence[tuple[Kept, Record]], first: Root) -> tuple[list[Said], Roots]:
        roots, left = fold_roots(first, self._said(records, {}, quiet=True))
        for offset in left:
            self.flaw("root", "does not follow the root before it", f"statements/{offset}")
        self.found.root = roots.now.digest
        said = self._said(records, roots.keys())
        for each in said:
            if each.type == ROOT:
                continue  # it brings its own signatures: who appended it does not matter
            if problem := _problem(each, roots, self.of.digest, self.of.service):
                self.flaw("statement", problem, f"statements/{each.offset}")
        return said, roots

    def _said(
        self, records: Sequence[tuple[Kept, Record]], keys: Mapping[str, bytes], *, quiet: bool = False
    ) -> list[Said]:
        found = []
        for kept, record in records:
            try:
                found.append(parse_said(record, kept.offset, kept.logged, keys))
            except FormatError as error:
                if not quiet:
                    self.flaw("statement", str(error), f"statements/{kept.offset}")
        return found

    def _policy(self, roots: Roots, said: Sequence[Said]) -> InForce | None:
        policy = policy_in_force(roots, said)
        if policy is None:
            self.flaw("policy", "enough people have signed none", POLICY_FILE)
            return None
        if policy.text != self.of.policy:
            self.flaw("policy", f"is not the one that is in force, {policy.digest}", POLICY_FILE)
        self.found.policy, self.found.policy_version = policy.digest, policy.version
        return policy

    def _package(self) -> str | None:
        """Who published it."""
        manifest = self.of.package["manifest.json"]
        if f"sha256:{sha256(manifest).hexdigest()}" != self.of.digest:
            self.flaw("package", "is not what the digest names", "package/manifest.json")
            return None
        try:
            layers = _layers(manifest)
            actor = load(self.of.package["lineage.json"], "lineage.json").get("actor")
        except FormatError as error:
            self.flaw("package", str(error), "package/manifest.json")
            return None
        for name, content in self.of.package.items():
            if name != "manifest.json" and layers.get(name) != f"sha256:{sha256(content).hexdigest()}":
                self.flaw("package", "is not what the manifest names", f"package/{name}")
        return publisher_of(actor)

    def _judge(
        self, roots: Roots, policy: InForce | None, said: Sequence[Said], publisher: str | None
    ) -> Judged | None:
        if policy is None:
            return None
        try:
            judged = judge(
                roots, policy, said, service=self.of.service, digest=self.of.digest, slot=self.of.slot,
                now=float(self.of.made_at), publisher=publisher,
            )  # fmt: skip
        except FormatError as error:
            self.flaw("policy", str(error), POLICY_FILE)
            return None
        if not judged.admitted:
            self.flaw("admission", "; ".join(judged.reasons))
        self.found.approved_by, self.found.expires = judged.approved_by, judged.expires
        self.found.break_glass, self.found.rejected = judged.break_glass, judged.rejected
        return judged

    def _seal(
        self,
        records: Sequence[tuple[Kept, Record]],
        key: VerifierKey,
        witnesses: Sequence[VerifierKey],
        quorum: int,
    ) -> None:
        if self.of.checkpoint is None:
            self.flaw("checkpoint", "is not there: a key was given, and it is not sealed", CHECKPOINT)
            return
        try:
            origin = parse_checkpoint(parse_note(self.of.checkpoint).text).origin
            opened = open_checkpoint(self.of.checkpoint, key_of(key, origin), witnesses, quorum)
        except (FormatError, NotProved) as error:
            self.flaw("checkpoint", str(error), CHECKPOINT)
            return
        self.found.origin, self.found.witnesses = origin, len(opened.cosignatures)
        for kept, record in records:
            self._proof(kept, record, opened.checkpoint)

    def _proof(self, kept: Kept, record: Record, head: Checkpoint) -> None:
        if kept.proof is None and kept.offset >= head.size:
            return  # newer than the checkpoint: it is said how many are
        try:
            leaf = leaf_hash(record.entry.raw)
            verify_inclusion(leaf, kept.offset, head.size, kept.proof or (), head.root)
        except NotProved as error:
            self.flaw("proof", str(error), f"proofs/{kept.offset}")
        else:
            self.proved.add(kept.offset)

    def _people(self, roots: Roots, said: Sequence[Said]) -> None:
        for each in said:
            known = roots.at(each.offset).keys.get(each.author)
            self.found.statements.append(
                Signed(
                    each.offset, KINDS[each.type], known.person if known else "", _role(each),
                    each.offset in self.proved,
                )
            )  # fmt: skip

    def _rows(self, said: Sequence[Said], judged: Judged) -> None:
        """Its own proofs, not what was verified, decide what the table may name: it is the same without a key."""
        self.found.rows = rows_of(contents_of(self.of.statements, said, judged))
        if self.found.rows != self.of.rows:
            self.flaw("table", "does not name the evidence that is there", "certificate.json")


def contents_of(kept: Sequence[Kept], said: Sequence[Said], judged: Judged) -> Contents:
    """What there is for the requirements."""
    gates = next((each for each in said if each.offset == judged.gates), None)
    return Contents(
        judged.approvals,
        judged.gates,
        gates is not None and "explanation" in passed(gates),
        tuple(each.offset for each in said if each.type == DEPLOYMENT),
        min((each.offset for each in said), default=None),
        bool(kept) and all(each.proof is not None for each in kept),
    )


def _problem(each: Said, roots: Roots, digest: str, service: str) -> str | None:
    """Why a statement does not belong in the certificate; None: it does."""
    if not each.holds:
        return "is not signed by a key of the roots"
    if each.type == POLICY:
        return None
    if digest not in each.subjects or (each.type != PUBLISH and each.predicate.get("service") != service):
        return "is about another package or service"
    if each.type == DEPLOYMENT:
        root = roots.at(each.offset)
        if not any(root.person(each.author, role, each.offset) for role in ("deploy", "controller")):
            return "is a deployment by somebody who might not deploy"
    return None


def _layers(manifest: bytes) -> dict[str, str]:
    """Title → digest of a manifest's layers. Raises FormatError."""
    layers = load(manifest, "manifest.json").get("layers")
    found: dict[str, str] = {}
    for each in layers if isinstance(layers, list) else []:
        notes: Any = each.get("annotations") if isinstance(each, dict) else None
        title = notes.get(_TITLE) if isinstance(notes, dict) else None
        if not isinstance(title, str) or not isinstance(each.get("digest"), str) or title in found:
            raise FormatError("manifest.json: its layers are not those of a package")
        found[title] = each["digest"]
    return found


def _role(said: Said) -> str:
    role = said.predicate.get("role")
    return role if isinstance(role, str) else ""
