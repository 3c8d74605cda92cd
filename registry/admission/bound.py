"""What an approval is of: the gate results that its signer had before them. And who says that they published.

`gates` of an approval is the SHA-256 of the results' statement. The approval is of their substance: on which data the
gates ran, and what each of them said. Gates that run again on the same data and say the same change nothing,
whatever milliseconds they took.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256

from audit.proof.people import folded
from registry.approvals.root import PUBLISH_ROLE, Roots
from registry.statement import PUBLISH, Said

from .times import seen


def lapsed(approval: Said, results: Sequence[Said], gates: Collection[str]) -> str | None:
    """Why an approval does not count for the newest of these results; None: it does.

    Args:
        approval: its signature and role are somebody else's question.
        results: that count, in the log's order.
        gates: those that the slot wants; without any, an approval is bound to none.
    """
    if seen(approval) is None:
        return "it does not say how far its signer had read the log"
    if not gates or not results:
        return None
    named = approval.predicate.get("gates")
    was = next((each for each in results if named == f"sha256:{sha256(each.raw).hexdigest()}"), None)
    if was is None:
        return "it names none of the gate results that are there"
    if data_of(was) != data_of(results[-1]):
        return "newer gate results are of other data than its signer saw"
    told, now = said_by(was), said_by(results[-1])
    changed = sorted(gate for gate in gates if told.get(gate) != now.get(gate))
    return f"newer gate results say otherwise than its signer saw: {', '.join(changed)}" if changed else None


def data_of(results: Said) -> dict[str, str]:
    """Name of the data → digest, of those that are text."""
    found = results.predicate.get("data")
    return _texts(found) if isinstance(found, dict) else {}


def said_by(results: Said) -> dict[str, str]:
    """Gate → verdict; one that is there twice has passed where all of it has, else it is what did not pass first."""
    found = results.predicate.get("results")
    told: dict[object, object] = {}
    for each in found if isinstance(found, list) else []:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            name, verdict = each["name"], each.get("verdict")
            told[name] = verdict if told.get(name, "passed") == "passed" else told[name]
    return _texts(told)


def published_by(roots: Roots, said: Iterable[Said]) -> frozenset[str]:
    """Who has signed that they published it, their names folded: by the root of that time, or of now. Who has left
    did it all the same.
    """
    return frozenset(
        folded(person)
        for each in said
        if each.type == PUBLISH
        for root in (roots.at(each.offset), roots.now)
        if (person := root.person(each.author, PUBLISH_ROLE, each.offset)) is not None
    )


def _texts(found: Mapping[object, object]) -> dict[str, str]:
    return {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, str)}
