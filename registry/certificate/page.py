"""The certificate for people: one HTML page with nothing in it from elsewhere, and no proof of anything by itself."""

from __future__ import annotations

from audit.proof.certificate_found import Certified
from audit.proof.certificate_rows import REQUIREMENTS
from registry.approvals.board import Board
from registry.cards.render import html
from registry.package import Package


def page(found: Certified, package: Package, board: Board) -> bytes:
    """The page. `found`: what the verifier makes of the certificate."""
    rationales = {each.offset: each.predicate.get("rationale") for each in board.said}
    return html(
        "registry.certificate",
        "certificate.html.j2",
        {
            "found": found,
            "name": package.name,
            "root": board.roots.chain[0][1].digest,
            "rows": [(REQUIREMENTS[row.requirement], row.evidence) for row in found.rows],
            "statements": [(each, rationales.get(each.offset)) for each in found.statements],
        },
    )
