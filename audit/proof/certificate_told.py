"""What the command says of a certificate, as JSON has it; `told.lines` makes lines for people of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .certificate_found import Certified
from .certificate_rows import REQUIREMENTS


def certificate_json(found: Certified, now: float) -> dict[str, Any]:
    """What it shows; where there is a flaw, what it is about alone. `now`: seconds since 1970 UTC."""
    about: dict[str, Any] = {
        "digest": found.digest,
        "service": found.service,
        "slot": found.slot,
        "made_by": found.made_by,
        "made": _time(found.made_at),
    }
    if found.flaws:
        return about
    # Where nobody has rejected it, what is told is what it was before this was told.
    rejected = {"rejections": list(found.rejected)} if found.rejected else {}
    return (
        about
        | rejected
        | {
            "break_glass": found.break_glass,
            "approved_by": [f"{person} ({role})" for role, person in found.approved_by],
            "first_approval_ends": None if found.expires is None else _time(found.expires),
            "expired_since": found.expires is not None and now >= found.expires,
            "policy": found.policy,
            "policy_version": found.policy_version,
            "root": found.root,
            "sealed_by": found.origin or ("not looked at: no key" if found.has_checkpoint else "not sealed"),
            "witnesses": found.witnesses,
            "statements": [
                f"{each.offset} {each.kind} by {each.person or 'nobody that is known'}"
                + (f" ({each.role})" if each.role else "")
                + (", sealed" if each.sealed else "")
                for each in found.statements
            ],
            "requirements": {
                REQUIREMENTS[row.requirement].name: list(row.evidence) or "not covered" for row in found.rows
            },
            "not_shown": found.not_shown(),
        }
    )


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return "no date"
