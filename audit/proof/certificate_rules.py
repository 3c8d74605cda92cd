"""Whether a package may answer, by the statements of a certificate: admission's own rules, over plain JSON.

registry/admission decides for gateways and makes certificates; this module repeats its rules for people who have
nothing but the file. tests/property/test_certificate_rules.py holds the two to each other. One thing is stricter here:
the text of a policy MUST be the very bytes that its digest covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .certificate_bound import lapsed, published_by, verdicts
from .certificate_policy import InForce, SlotRules, missing, revokers, rules_of
from .certificate_rejected import may_reject, rejections
from .certificate_said import APPROVAL, GATES, PUBLISH, REVOCATION, Roots, Said, once
from .certificate_times import SKEW, ended, said_at
from .people import folded


class Judged(NamedTuple):
    """The verdict. `approvals` and `gates` are offsets of the statements that count."""

    admitted: bool
    reasons: tuple[str, ...] = ()
    approved_by: tuple[tuple[str, str], ...] = ()
    """(role, person)."""
    expires: float | None = None
    """Seconds since 1970 when the first approval ends."""
    break_glass: bool = False
    approvals: tuple[int, ...] = ()
    gates: int | None = None
    rejected: tuple[str, ...] = ()
    """What people had against it, taken back or not, in plain words."""


def judge(
    roots: Roots,
    policy: InForce | None,
    said: Iterable[Said],
    *,
    service: str,
    digest: str,
    slot: str,
    now: float,
    publisher: str | None,
) -> Judged:
    """Whether the package may answer in that slot of that service; see registry.admission.evaluate.

    Raises:
        FormatError: the policy is none.
    """
    if policy is None:
        return Judged(False, ("no policy is in force",))
    rules = rules_of(policy, service, slot)
    if rules is None:
        return Judged(False, (f"the policy has no rules for {slot} of {service}",))
    about = once(each for each in said if each.holds and digest in each.subjects)
    count = _Counting(roots, policy.digest, service, publisher, now, rules, published_by(roots, about))
    revoked = [
        each for each in about if each.type == REVOCATION and _may_revoke(roots, policy, each, service)
    ]
    fresh = [
        each
        for each in about
        if (not revoked or each.offset > revoked[-1].offset) and not ended(each, revoked)
    ]

    live = rules_of(policy, service, "live")
    rejected = rejections(roots, policy, service, may_reject(rules, live), about)
    told = tuple(each.words() for each in rejected)
    emergency = count.approvals(fresh, rules.glass, rules.glass_valid, glass=True)
    if rules.glass and not missing(rules.glass, emergency.by):
        return emergency.judged(glass=True)._replace(rejected=told)
    usual = count.approvals(fresh, rules.signers, rules.valid, glass=False)
    results, why = count.gates(fresh)
    against = [
        f"rejected by {each.person} ({each.role}) at offset {each.offset}" for each in rejected if each.stands
    ]
    why = against + why + count.publication(about)
    if revoked and not rules.signers:
        why += count.again(fresh, live)
    lacking = missing(rules.signers, usual.by)
    if not lacking and not why:
        return usual.judged(gates=results)._replace(rejected=told)
    if revoked:
        why.insert(0, f"revoked at offset {revoked[-1].offset}")
    why += [f"{number} more of {role} must approve" for role, number in lacking.items()]
    return Judged(False, (*why, *usual.remarks), gates=results)


class _Counted(NamedTuple):
    by: Mapping[str, str]
    """Person → role."""
    offsets: tuple[int, ...]
    ends: tuple[float, ...]
    remarks: tuple[str, ...]

    def judged(self, *, gates: int | None = None, glass: bool = False) -> Judged:
        pairs = tuple(sorted((role, person) for person, role in self.by.items()))
        return Judged(True, (), pairs, min(self.ends, default=None), glass, self.offsets, gates)


@dataclass(frozen=True, slots=True)
class _Counting:
    roots: Roots
    policy: str
    """Its digest."""
    service: str
    publisher: str | None
    now: float
    rules: SlotRules
    published: frozenset[str]
    """Who has signed that they published it; folded."""

    def approvals(
        self, said: Sequence[Said], wanted: Mapping[str, int], valid: float, *, glass: bool
    ) -> _Counted:
        """Whose approvals count for these roles."""
        by: dict[str, str] = {}
        named: dict[str, str] = {}  # two names that differ only in how they are written are one person's
        ends: dict[str, float] = {}
        offsets, remarks = [], []
        for each in said:
            role = each.predicate.get("role")
            if each.type != APPROVAL or not isinstance(role, str) or role not in wanted:
                continue
            if (each.predicate.get("break_glass") is True) != glass:
                continue
            person = self.roots.person(each.author, role, each.offset)
            person = person and named.setdefault(folded(person), person)
            problem = self._problem(each, role, person, valid, by)
            if problem is None and not glass and self.rules.bound:
                problem = lapsed(each, self._results(said), self.rules.gates)
            if problem is not None or person is None:
                remarks.append(f"the approval at offset {each.offset} does not count: {problem}")
                continue
            if person not in by:
                # The first is the evidence that the table names, also of certificates that were made before the last of
                # a person's approvals was the one that ends.
                offsets.append(each.offset)
            by[person] = role
            ends[person] = max(ends.get(person, 0.0), said_at(each) + valid)
        return _Counted(by, tuple(offsets), tuple(ends.values()), tuple(remarks))

    def _problem(  # noqa: PLR0911 — one line a reason
        self, each: Said, role: str, person: str | None, valid: float, by: Mapping[str, str]
    ) -> str | None:
        at = said_at(each)
        if person is None:
            return f"its key has not the role {role}, or had it not then"
        if each.predicate.get("service") != self.service:
            return "it is for another service"
        if each.predicate.get("policy") != self.policy:
            return "it was given under another policy"
        if at > each.logged / 1000 + SKEW or at > self.now + SKEW:
            return "it is dated in the future"
        if self.now >= at + valid:
            return "it has expired"
        if by.get(person, role) != role:
            return f"{person} has signed already, as {by[person]}"
        if self.rules.publisher:
            return None
        if self.publisher is None:
            return "nobody knows who published the package"
        published = folded(person) in (folded(self.publisher), *self.published)
        return f"{person} published the package" if published else None

    def again(self, fresh: Sequence[Said], live: SlotRules | None) -> list[str]:
        """Why a slot that wants nobody's signature does not come back after a revocation."""
        signers = live.signers if live is not None else {}
        if self.approvals(fresh, signers, self.rules.valid, glass=False).by:
            return []
        return ["nobody who may sign for live has approved it since"]

    def gates(self, said: Sequence[Said]) -> tuple[int | None, list[str]]:
        """Where the newest gate results under this policy are, and what is wrong with them."""
        own = self._results(said)
        if not own:
            return None, ["there are no gate results under the policy in force"] if self.rules.gates else []
        failed = sorted(self.rules.gates - frozenset(passed(own[-1])))
        return own[-1].offset, [
            f"gates that did not pass, or did not run: {', '.join(failed)}"
        ] if failed else []

    def _results(self, said: Sequence[Said]) -> list[Said]:
        return [
            each
            for each in said
            if each.type == GATES
            and self.roots.person(each.author, "gates", each.offset) is not None
            and each.predicate.get("service") == self.service
            and each.predicate.get("policy") == self.policy
        ]

    def publication(self, said: Sequence[Said]) -> list[str]:
        """What is wrong with who says that they published it."""
        if not self.rules.published or any(
            each.type == PUBLISH and self.roots.person(each.author, "publish", each.offset) is not None
            for each in said
        ):
            return []
        return ["nobody with the role publish has signed that they published it"]


def publisher_of(actor: object) -> str | None:
    """Who published a package, by the `actor` of its lineage; None: nobody knows. An account without a name says so."""
    return actor if isinstance(actor, str) and folded(actor) not in ("", "unknown") else None


def passed(said: Said) -> list[str]:
    """The gates that passed, by a statement of gate results."""
    return [name for name, verdict in verdicts(said).items() if verdict == "passed"]


def _may_revoke(roots: Roots, policy: InForce, each: Said, service: str) -> bool:
    """Asked of the root of that time, and of the policy of that time or of now: who has left has revoked it still."""
    root = roots.at(each.offset)
    return each.predicate.get("service") == service and any(
        root.person(each.author, role, each.offset) is not None
        for role in (*revokers(policy, service, each.offset), "root")
    )
