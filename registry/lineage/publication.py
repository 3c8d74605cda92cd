"""Who published a package, by signature: a statement in the governance log, beside what the package says of itself.

    predicate of publish/v1: {"format": 1, "at": s, "rationale": …, "seen": offset}
    subject: the package's digest

`actor` of a package's lineage is what the publishing account said of itself. This is what the holder of a key with the
role `publish` says, at a place of the log: admission asks for it where the policy does (`signed_publication`). In any
case whoever says so may not approve what they published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from registry.approvals.root import PUBLISH_ROLE, Roots
from registry.statement import PUBLISH, Said, encode, once


@dataclass(frozen=True, slots=True)
class Publication:
    """One such statement whose signature holds."""

    offset: int
    person: str
    """Whose key it is, by the root of that time."""
    may: bool
    """Whether they had the role `publish` then, or have it now."""
    at: float | None
    """Seconds since 1970 UTC, by the signer's clock; None: it says none."""
    rationale: str


def encode_publication(digest: str, at: float, rationale: str, seen: int) -> bytes:
    """The statement's bytes, to be signed and appended.

    Args:
        digest: `sha256:…` of the package.
        at: seconds since 1970 UTC.
        rationale: why it is published, for people.
        seen: up to which offset, not including, the governance log was read.

    Raises:
        FormatError: it is no digest.
    """
    predicate: dict[str, Any] = {"format": 1, "at": at, "rationale": rationale, "seen": seen}
    return encode(digest, PUBLISH, predicate)


def refusal(roots: Roots, key: str, end: int) -> str | None:
    """Why a statement of that key, at that offset, would be nobody's publication; None: it would be one."""
    if roots.now.person(key, PUBLISH_ROLE, end) is None:
        return f"the key {key[:16]}… has not the role {PUBLISH_ROLE}: nobody would count what it signs"
    return None


def publications_of(roots: Roots, said: Iterable[Said], digest: str) -> list[Publication]:
    """What was said of a package, in the log's order.

    Args:
        roots: the chain that is believed.
        said: the log's statements in its order, `holds` decided by the roots' keys.
        digest: `sha256:…`.
    """
    found = []
    for each in once(one for one in said if one.type == PUBLISH and one.holds and digest in one.subjects):
        people = [
            root.person(each.author, PUBLISH_ROLE, each.offset) for root in (roots.at(each.offset), roots.now)
        ]
        key = roots.at(each.offset).content.keys.get(each.author)
        at, why = each.predicate.get("at"), each.predicate.get("rationale")
        found.append(
            Publication(
                each.offset, key.person if key is not None else "", any(people),
                float(at) if isinstance(at, int | float) and not isinstance(at, bool) and abs(at) < 1e12 else None,
                why if isinstance(why, str) else "",
            )
        )  # fmt: skip
    return found
