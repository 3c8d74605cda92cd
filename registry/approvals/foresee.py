"""What would not count if it were signed now: asked before a key is used, and told with the reason.

Admission has the last word; what is asked here in plain words is asked of admission as well, with the approval put
after the log's last entry. So nothing is signed here that the gateway would pass over today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from audit.errors import ConfigError
from audit.proof.people import folded
from registry.admission import compared_with_another
from registry.admission.bound import published_by, said_by
from registry.statement import APPROVAL, REJECTION, Said, encode

from .board import SLOTS, Board

MAX_RATIONALE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody is about to sign of a digest."""

    type: str
    """APPROVAL, REJECTION or REVOCATION."""
    service: str
    digest: str
    key: str
    """The key id of who signs."""
    rationale: str
    at: float
    """Seconds since 1970 UTC."""
    role: str | None = None
    """None for a revocation: any role that the service knows may revoke."""
    break_glass: bool = False
    renew: bool = False
    """Sign once more although an own approval still counts: before it ends."""

    def predicate(self, board: Board) -> dict[str, Any]:
        """What the statement says; `registry.admission.evaluate` reads it.

        `gates` is the SHA-256 of the gate results that were there: what the signer had before them. `seen`: how far
        the log was read; what was said later, a revocation among it, the signer did not know of.
        """
        said: dict[str, Any] = {
            "service": self.service, "at": self.at, "rationale": self.rationale, "seen": board.end,
        }  # fmt: skip
        if board.policy is not None:
            said["policy"] = board.policy.digest
        if self.role is not None:
            said["role"] = self.role
        if self.type == APPROVAL:
            said["break_glass"] = self.break_glass
            if (gates := board.gates(self.service, self.digest)) is not None:
                said["gates"] = f"sha256:{sha256(gates.raw).hexdigest()}"
        return said

    def statement(self, board: Board) -> bytes:
        """The bytes that are signed."""
        return encode(self.digest, self.type, self.predicate(board))


def rationale_of(text: str, option: str = "--rationale") -> str:
    """A rationale as it is signed. Raises ConfigError: it says nothing, or is over 64 KiB."""
    if not (found := text.strip()):
        raise ConfigError(f"{option} is empty: what is signed has a reason")
    if len(found.encode()) > MAX_RATIONALE:
        raise ConfigError(f"{option} is over {MAX_RATIONALE} bytes")
    return found


def refusals(board: Board, intent: Intent, *, publisher: str | None, stored: bool) -> tuple[str, ...]:
    """Why it would not count, a sentence for each; empty: it would.

    Args:
        board: the governance log now.
        intent: what would be signed.
        publisher: who published the package; None when nobody knows.
        stored: whether the store has the package.
    """
    if board.policy is None:
        return ("no policy is in force; `affiant policy propose` brings one",)
    if intent.service not in board.policy.policy.services:
        known = ", ".join(board.policy.policy.services)
        return (f"the policy has no service {intent.service!r}; it has {known}",)
    if intent.role is None:
        if board.may_revoke(intent.service, intent.key, board.end):
            return ()
        return (
            f"the key {intent.key[:16]}… has no role that may revoke for {intent.service}: {_held(board, intent)}",
        )
    found = [] if stored else ["the store does not have the package; nobody can have looked at it"]
    person = board.roots.now.person(intent.key, intent.role, board.end)
    wanted = _wanted(board, intent)
    if intent.role not in wanted:
        found.append(
            f"{_what(intent)} of {intent.service} is not asked of {intent.role}, but of {_list(wanted)}"
        )
    if person is None:
        found.append(f"the key {intent.key[:16]}… has not the role {intent.role}: {_held(board, intent)}")
    if found or intent.type != APPROVAL:
        return tuple(found)
    return tuple(_approval(board, intent, str(person), publisher))


def _approval(board: Board, intent: Intent, person: str, publisher: str | None) -> list[str]:
    found = []
    own = tuple(each for each in board.about(intent.digest) if not _passed_over(board, intent, person, each))
    board = replace(board, said=own)
    before = board.verdict(intent.service, intent.digest, "live", intent.at, publisher)
    signed = (
        board.emergency(intent.service, intent.digest, intent.at, publisher)
        if intent.break_glass
        else {who: role for role, who in before.approved_by}
    )
    who = next((each for each in signed if folded(each) == folded(person)), None)
    if who is not None:
        found.append(
            f"{who} has signed already, for {signed[who]}: nobody signs twice"
            + ("" if intent.break_glass else " (`--renew` signs again before it ends)")
        )
    rules = board.rules(intent.service, "live")
    if rules is not None and not rules.publisher_may_approve:
        if publisher is None:
            found.append(
                "nobody knows who published the package, so nobody can be shown not to be its publisher"
            )
        elif folded(person) in (folded(publisher), *published_by(board.roots, own)):
            found.append(f"{person} published the package, and may not approve it{_either(intent)}")
    if intent.break_glass:
        return found  # of an emergency, a verdict names its signers only when all are there
    # Asked whatever the gates say: a revocation that is dated ahead ends what is signed until then.
    uncounted = not found and not _counts(board, intent, person, publisher)
    return [*found, *_gates(board, intent), *(["admission would not count it"] if uncounted else [])]


def _either(intent: Intent) -> str:
    return ", not in an emergency either" if intent.break_glass else ""


def _passed_over(board: Board, intent: Intent, person: str, each: Said) -> bool:
    """Approvals of the other kind (break-glass, or not), which would hide this one; and those that it renews, by
    whatever key of the same person.
    """
    if each.type != APPROVAL:
        return False
    if (each.predicate.get("break_glass") is True) != intent.break_glass:
        return True
    if not intent.renew or intent.role is None or each.predicate.get("role") != intent.role:
        return False
    return board.roots.person(each.author, intent.role, each.offset) == person


def _gates(board: Board, intent: Intent) -> list[str]:
    """None when the gates of some slot that wants this role have passed."""
    results = board.gates(intent.service, intent.digest)
    passed, others = verdicts(results), list[str]()
    for slot in SLOTS:
        rules = board.rules(intent.service, slot)
        if rules is None or intent.role not in rules.signers:
            continue
        other = None
        if results is not None:
            other = compared_with_another(results, rules, intent.service, board.live_at)
        if other is not None:
            others.append(other)
        elif all(passed.get(gate) == "passed" for gate in rules.gates):
            return []
    if results is None:
        return ["there are no gate results under the policy in force; `affiant gate run` makes them"]
    failed = waits_for(board, intent)
    why = [f"gates that did not pass, or did not run: {', '.join(failed)}"] if failed else []
    return [*why, *dict.fromkeys(others)]


def waits_for(board: Board, intent: Intent) -> list[str]:
    """The gates of live that have not passed, when an approval counts all the same: for a milder slot."""
    rules, passed = board.rules(intent.service, "live"), verdicts(board.gates(intent.service, intent.digest))
    if rules is None or intent.type != APPROVAL or intent.break_glass:
        return []
    return [gate for gate in sorted(rules.gates) if passed.get(gate) != "passed"]


def verdicts(results: Said | None) -> dict[str, str]:
    """Gate → passed or failed, of a statement of gate results. Anything else that it says is left out."""
    told = said_by(results) if results is not None else {}
    return {name: verdict for name, verdict in told.items() if verdict in ("passed", "failed")}


def _counts(board: Board, intent: Intent, person: str, publisher: str | None) -> bool:
    """Whether admission counts it when it stands after the last entry."""
    raw = intent.statement(board)
    more = Said(
        board.end, int(intent.at * 1000), int(intent.at * 1e9), intent.key, True,
        APPROVAL, (intent.digest,), intent.predicate(board), raw,
    )  # fmt: skip
    return any(
        (intent.role, person)
        in board.verdict(intent.service, intent.digest, slot, intent.at, publisher, [more]).approved_by
        for slot in SLOTS
    )


def _wanted(board: Board, intent: Intent) -> Mapping[str, int]:
    rules = board.rules(intent.service, "live")
    if rules is None:
        return {}
    return rules.break_glass if intent.break_glass else rules.signers


def _held(board: Board, intent: Intent) -> str:
    key = board.roots.now.content.keys.get(intent.key)
    if key is None:
        return "the root does not know it"
    if key.until is not None and board.end >= key.until:
        return f"{key.person} has rotated it"
    roles = [name for name, role in board.roots.now.content.roles.items() if intent.key in role.keys]
    return f"{key.person} has {', '.join(roles) or 'no role'}"


def _what(intent: Intent) -> str:
    kind = "a rejection" if intent.type == REJECTION else "an approval"
    return "break-glass" if intent.break_glass else kind


def _list(wanted: Mapping[str, int]) -> str:
    return ", ".join(wanted) or "nobody"
