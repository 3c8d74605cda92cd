"""Makes a certificate: what admission counted, out of the governance log, and verifies it as any reader will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.governance import PARTITION
from audit.log.base import Log, LogEntry, Topic
from audit.proof.certificate import Certificate, Kept
from audit.proof.certificate_check import verify_certificate
from audit.proof.certificate_found import Certified
from audit.show import walk
from registry.approvals.board import Board
from registry.deployment import CONTROLLER_ROLE, DEPLOY_ROLE
from registry.errors import NotAdmitted
from registry.package import Package
from registry.statement import (
    APPROVAL,
    DEPLOYMENT,
    GATES,
    POLICY,
    PUBLISH,
    REJECTION,
    REVOCATION,
    Said,
    once,
)

from .page import page
from .seal import Seal

_ABOUT = frozenset({APPROVAL, GATES, REJECTION, REVOCATION, PUBLISH})


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate that verifies."""

    raw: bytes
    found: Certified


def entries_of(log: Log, end: int) -> tuple[Topic, list[LogEntry]]:
    """The governance log's first entries. Raises LogUnavailable."""
    reader = log.reader()
    try:
        return log.topic(), list(walk(reader, PARTITION, 0, end, name="governance log"))
    finally:
        reader.close()


def make_certificate(
    package: Package,
    board: Board,
    entries: Sequence[LogEntry],
    seal: Seal | None,
    *,
    service: str,
    slot: str,
    now: int,
    by: str,
    publisher: str | None,
) -> Made:
    """A certificate of a package that may answer.

    Args:
        package: whole and verified.
        board: the governance log, as it was read.
        entries: its entries, by offset.
        seal: of the notary; None: it is not sealed.
        service: for which it may answer.
        slot: live, canary or shadow.
        now: seconds since 1970 UTC.
        by: who makes it, for people.
        publisher: of the package.

    Raises:
        NotAdmitted: it may not, or what was made does not verify; says why.
        FormatError: too much for one certificate.
    """
    verdict = board.verdict(service, package.digest, slot, float(now), publisher)
    if not verdict.admitted or board.policy is None:
        raise NotAdmitted(f"{package.digest} may not be {slot} of {service}: {'; '.join(verdict.reasons)}")
    first = board.roots.chain[0][1]
    certificate = Certificate(
        package.digest, service, slot, by, now, first.envelope.encode(), board.policy.policy.canonical(),
        {"manifest.json": package.manifest, **_parts(package)},
        tuple(
            Kept(offset, entries[offset].timestamp, entries[offset].value or b"", _proof(seal, offset))
            for offset in wanted(board, package.digest, service)
        ),
        None if seal is None else seal.checkpoint,
    )  # fmt: skip
    key = None if seal is None else seal.key
    # What the table may name is for the reader's own rules to say: asked first without one.
    draft = verify_certificate(certificate.encode(), first.digest, key)
    whole = replace(certificate, rows=draft.rows, page=page(draft, package, board)).encode()
    found = verify_certificate(whole, first.digest, key)
    if found.flaws:
        raise NotAdmitted(f"the certificate would not hold: {'; '.join(map(str, found.flaws[:3]))}")
    return Made(whole, found)


def wanted(board: Board, digest: str, service: str) -> list[int]:
    """Offsets of what admission looks at: the roots of the chain, every policy, and what was said of the package."""
    offsets = {offset for offset, _ in board.roots.chain if offset >= 0}
    for each in once(one for one in board.said if one.holds):
        own = digest in each.subjects and (each.type == PUBLISH or each.predicate.get("service") == service)
        if each.type == POLICY or (own and (each.type in _ABOUT or _deployed(board, each))):
            offsets.add(each.offset)
    return sorted(offsets)


def _deployed(board: Board, said: Said) -> bool:
    root = board.roots.at(said.offset)
    return said.type == DEPLOYMENT and any(
        root.person(said.author, role, said.offset) is not None for role in (DEPLOY_ROLE, CONTROLLER_ROLE)
    )


def _proof(seal: Seal | None, offset: int) -> tuple[bytes, ...] | None:
    return None if seal is None else seal.proof(offset)


def _parts(package: Package) -> Mapping[str, bytes]:
    return {
        "signature.json": package.part("signature"),
        "lineage.json": package.part("lineage"),
        "card.md": package.part("card"),
    }
