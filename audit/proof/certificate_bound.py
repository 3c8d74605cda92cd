"""What an approval is of, how far its signer had read, and who says that they published: registry.admission.bound, over
plain JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from .certificate_said import PUBLISH, Roots, Said
from .people import folded


def unseen(said: Said, offset: int) -> bool:
    """Whether it says that its signer had not read the log up to what stands there; what is no offset is 0."""
    found = said.predicate.get("seen")
    if "seen" not in said.predicate:
        return False
    return not (type(found) is int and found > offset)


def lapsed(approval: Said, results: Sequence[Said], gates: frozenset[str]) -> str | None:
    """Why an approval is not of the newest of these results; None: it is. See registry.admission.bound."""
    if "seen" not in approval.predicate:
        return "it does not say how far its signer had read the log"
    if not gates or not results:
        return None
    named = approval.predicate.get("gates")
    was = next((each for each in results if named == f"sha256:{sha256(each.raw).hexdigest()}"), None)
    if was is None:
        return "it names none of the gate results that are there"
    if _data(was) != _data(results[-1]):
        return "newer gate results are of other data than its signer saw"
    told, now = verdicts(was), verdicts(results[-1])
    changed = any(told.get(gate) != now.get(gate) for gate in gates)
    return "newer gate results say otherwise than its signer saw" if changed else None


def _data(results: Said) -> dict[str, str]:
    found = results.predicate.get("data")
    return _texts(found) if isinstance(found, dict) else {}


def verdicts(results: Said) -> dict[str, str]:
    """Gate → verdict; one that is there twice has passed where all of it has, else it is what did not pass first."""
    found = results.predicate.get("results")
    told: dict[object, object] = {}
    for each in found if isinstance(found, list) else []:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            name, verdict = each["name"], each.get("verdict")
            told[name] = verdict if told.get(name, "passed") == "passed" else told[name]
    return _texts(told)


def _texts(found: Mapping[object, object]) -> dict[str, str]:
    return {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, str)}


def published_by(roots: Roots, said: Iterable[Said]) -> frozenset[str]:
    """Who has signed that they published it, their names folded: by the root of that time, or of now."""
    return frozenset(
        folded(person)
        for each in said
        if each.type == PUBLISH
        for root in (roots.at(each.offset), roots.now)
        if (person := root.person(each.author, "publish", each.offset)) is not None
    )
