"""The verdict on one package in one slot of one service. Pure: no file, no clock, no log.

In this order:
1  there is a policy in force that can be read, and it has rules for the slot;
2  nobody's revocation is newer than what is counted below: it voids what stands before it in the log, and approvals and
   gate results that were signed before it, wherever they stand;
3  nobody who may sign for live, or for the slot, has rejected it and not approved since, by place and by the signed
   times, whoever has revoked meanwhile (`rejected.py`);
4  the gates passed, under this policy, by the word of the role `gates`, compared with what was live when they said so,
   where the policy compares; roles are asked of the root of that time and of the one in force, here and below;
5  of each role enough different people have approved this digest for this service under this policy, nobody for two
   roles (of a person's in one role the one that ends last), not the publisher, not in the future, not expired; where
   the policy binds approvals, of these gate results;
6  where the policy asks for it, somebody with the role `publish` has signed that they published it;
7  or enough people of the break-glass roles say so, not the publisher: then 3 to 6 are not asked, and the verdict
   says it;
8  after a revocation, where the slot wants nobody's signature: somebody who may sign for live has approved it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.proof.people import folded
from registry.approvals.root import GATES_ROLE, PUBLISH_ROLE, ROOT_ROLE, Roots
from registry.statement import APPROVAL, GATES, PUBLISH, REVOCATION, Said, once

from .bound import lapsed, published_by, said_by
from .policy import InForce
from .rejected import may_reject, said_why, standing
from .rules import SlotRules
from .times import SKEW, at, ended

LiveAt = Callable[[str, int], str | None]
"""Service and offset → the digest that was live before that offset of the log; None: nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may answer, and why not. `missing`: what would have to be signed."""

    admitted: bool
    reasons: tuple[str, ...] = ()
    """Why not; empty when admitted."""
    missing: Mapping[str, int] | None = None
    """Role → people still wanted; None when signatures are not the question."""
    approved_by: tuple[tuple[str, str], ...] = ()
    """(role, person) whose approvals count."""
    expires: float | None = None
    """Seconds since 1970 when the first of them ends; None: never."""
    expired: bool = False
    """Refused, and would be admitted had no approval expired."""
    break_glass: bool = False
    counted: tuple[int, ...] = ()
    """Offsets of the approvals that count."""
    rejected: tuple[int, ...] = ()
    """Offsets of the rejections that stand; not asked of a break-glass."""


@dataclass(frozen=True, slots=True)
class _Count:
    """Whose approvals count."""

    by: Mapping[str, str]
    """Person → role."""
    offsets: tuple[int, ...]
    ends: tuple[float, ...]
    remarks: tuple[str, ...]

    def missing(self, wanted: Mapping[str, int]) -> dict[str, int]:
        roles = list(self.by.values())
        return {role: n - roles.count(role) for role, n in wanted.items() if n > roles.count(role)}


def evaluate(
    roots: Roots,
    policy: InForce | None,
    said: Iterable[Said],
    *,
    service: str,
    digest: str,
    slot: str,
    now: float,
    publisher: str | None,
    live_at: LiveAt | None = None,
) -> Verdict:
    """Whether `digest` may answer in that slot of that service.

    Args:
        roots: the chain of roots, from one that is believed.
        policy: in force (`policy_in_force`).
        said: the statements of the governance log in its order, `holds` decided by `roots.public_keys()`. MUST be all
            that there are: a revocation that is held back cannot be seen here (service/admitted.py sees to that).
        service: its name.
        digest: `sha256:…`.
        slot: live, canary or shadow.
        now: seconds since 1970 UTC; MUST NOT go back between calls.
        publisher: the person who published the package; None when nobody knows.
        live_at: by the log's deployments; None: nobody knows, and where the policy compares nothing is admitted.
    """
    if policy is None:
        return Verdict(False, ("no policy is in force",))
    if policy.unread is not None:
        return Verdict(False, (policy.unread.words(),))
    whole = policy.rules(service)
    rules = None if whole is None else whole.slots.get(slot)
    if whole is None or rules is None:
        return Verdict(False, (f"the policy has no rules for {slot} of {service}",))
    about = list(once(each for each in said if each.holds and digest in each.subjects))
    revoked = [
        each
        for each in about
        if each.type == REVOCATION
        and each.predicate.get("service") == service
        and may_revoke(roots, policy, each.author, service, each.offset)
    ]
    after = revoked[-1].offset if revoked else -1
    late = [each for each in about if each.offset > after and ended(each, revoked)]
    fresh = [each for each in about if each.offset > after and not ended(each, revoked)]
    context = _Context(roots, policy, service, publisher, now, rules, live_at, published_by(roots, about))
    why = [f"revoked: {said_why(revoked[-1].predicate)}"] if revoked else []

    # A revocation is final for what stands before it, break-glass included: only new signatures count.
    emergency = context.count(fresh, rules.break_glass, rules.break_glass_seconds, glass=True)
    if rules.break_glass and not emergency.missing(rules.break_glass):
        return _admit(emergency, glass=True)
    usual = context.count(fresh, rules.signers, rules.valid_seconds)
    missing = usual.missing(rules.signers)
    rejected = standing(roots, policy, service, may_reject(whole, slot), about)
    other = list(rejected.values()) + context.gates(fresh) + context.publication(about)
    if revoked and not rules.signers:
        other += context.again(fresh, whole.slots.get("live", rules).signers)
    if not missing and not other:
        return _admit(usual)
    lasting = context.count(fresh, rules.signers, None).missing(rules.signers)
    why += other + [
        f"{count} more of {role} must approve" for role, count in missing.items()
    ] + list(usual.remarks)  # fmt: skip
    why += [f"what stands at offset {each.offset} was signed before the revocation" for each in late]
    return Verdict(
        False, tuple(why), missing, _pairs(usual), expired=bool(missing) and not lasting and not other,
        counted=usual.offsets, rejected=tuple(rejected),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Context:
    roots: Roots
    policy: InForce
    service: str
    publisher: str | None
    now: float
    rules: SlotRules
    live_at: LiveAt | None
    published: frozenset[str] = frozenset()
    """Who has signed that they published it; folded."""

    def count(
        self, said: Sequence[Said], wanted: Mapping[str, int], valid: float | None, *, glass: bool = False
    ) -> _Count:
        """Whose approvals count for these roles; of a person's, the one that ends last: to renew is to sign again."""
        by: dict[str, str] = {}
        named: dict[str, str] = {}  # two names that differ only in how they are written are one person's
        signed: dict[str, Said] = {}
        remarks = []
        for each in said:
            role = each.predicate.get("role")
            if each.type != APPROVAL or not isinstance(role, str) or role not in wanted:
                continue
            if (each.predicate.get("break_glass") is True) != glass:
                continue
            person = self.roots.person(each.author, role, each.offset)
            person = person and named.setdefault(folded(person), person)
            problem = self._problem(each, person, valid, by)
            if problem is None and valid is not None and not glass and self.rules.bound:
                problem = lapsed(each, self._results(said), self.rules.gates)
            if problem is not None or person is None:
                remarks.append(f"the approval at offset {each.offset} does not count: {problem}")
                continue
            by[person] = role
            signed[person] = max(signed.get(person, each), each, key=at)
        ends = () if valid is None else tuple(at(each) + valid for each in signed.values())
        return _Count(by, tuple(each.offset for each in signed.values()), ends, tuple(remarks))

    def _problem(  # noqa: PLR0911 — one line a reason
        self, each: Said, person: str | None, valid: float | None, by: Mapping[str, str]
    ) -> str | None:
        if person is None:
            return f"its key has not the role {each.predicate['role']}, or had it not then"
        if each.predicate.get("service") != self.service:
            return f"it is for {each.predicate.get('service')}"
        if each.predicate.get("policy") != self.policy.digest:
            return "it was given under another policy"
        signed = at(each)
        if signed > each.logged / 1000 + SKEW or signed > self.now + SKEW:
            return "it is dated in the future"
        if valid is not None and self.now >= signed + valid:
            return "it has expired"
        if by.get(person, each.predicate["role"]) != each.predicate["role"]:
            return f"{person} has signed already, as {by[person]}"
        if not self.rules.publisher_may_approve:
            if self.publisher is None:
                return "nobody knows who published the package"
            if folded(person) in (folded(self.publisher), *self.published):
                return f"{person} published the package"
        return None

    def again(self, fresh: Sequence[Said], live: Mapping[str, int]) -> list[str]:
        """Why a slot that wants nobody's signature does not come back after a revocation. Gates alone MUST NOT bring
        it back: they run every night, and a person has revoked it.
        """
        if self.count(fresh, live, self.rules.valid_seconds).by:
            return []
        return ["nobody who may sign for live has approved it since"]

    def gates(self, said: Sequence[Said]) -> list[str]:
        """What is wrong with the newest gate results under this policy."""
        if not self.rules.gates:
            return []
        own = self._results(said)
        if not own:
            return ["there are no gate results under the policy in force"]
        passed = {name for name, verdict in said_by(own[-1]).items() if verdict == "passed"}
        failed = sorted(self.rules.gates - passed)
        found = [f"gates that did not pass, or did not run: {', '.join(failed)}"] if failed else []
        other = compared_with_another(own[-1], self.rules, self.service, self.live_at)
        return found if other is None else [*found, other]

    def _results(self, said: Sequence[Said]) -> list[Said]:
        """Gate results under this policy, by the word of the role `gates`; the newest is the last."""
        return [
            each
            for each in said
            if each.type == GATES
            and self.roots.person(each.author, GATES_ROLE, each.offset) is not None
            and each.predicate.get("service") == self.service
            and each.predicate.get("policy") == self.policy.digest
        ]

    def publication(self, said: Sequence[Said]) -> list[str]:
        """What is wrong with who says that they published it."""
        if not self.rules.signed_publication or any(
            each.type == PUBLISH and self.roots.person(each.author, PUBLISH_ROLE, each.offset) is not None
            for each in said
        ):
            return []
        return [f"nobody with the role {PUBLISH_ROLE} has signed that they published it"]


def compared_with_another(
    results: Said, rules: SlotRules, service: str, live_at: LiveAt | None
) -> str | None:
    """Why gate results do not say what the policy asks for, since they name something else as live than was; None: they
    do, or it does not compare, or nothing was live.

    Held against the place where the results stand: a pipeline that could name an earlier one could choose what it is
    compared with.
    """
    if not rules.compared:
        return None
    if live_at is None:
        return "nobody knows with what the gates had to compare it"
    was, named = live_at(service, results.offset), results.predicate.get("live")
    if was is None or named == was:
        return None
    told = named if isinstance(named, str) and named else "nothing"
    return f"the gates compared it with {told}, and {was} was live: run them again"


def may_revoke(roots: Roots, policy: InForce, key: str, service: str, offset: int) -> bool:
    """Whether a revocation with that key at that offset counts for a service: of whoever may sign, or change the root.

    Asked of the root of that time, and of the policy of that time or of now: to take somebody out of either does not
    take back what they revoked.
    """
    roles = {ROOT_ROLE}
    for one in (policy, policy.at(offset)):
        rules = one.rules(service) if one is not None else None
        for slot in rules.slots.values() if rules is not None else ():
            roles.update((*slot.signers, *slot.break_glass))
    root = roots.at(offset)
    return any(root.person(key, role, offset) is not None for role in roles)


def _admit(count: _Count, *, glass: bool = False) -> Verdict:
    return Verdict(
        True, (), {}, _pairs(count), expires=min(count.ends, default=None), break_glass=glass, counted=count.offsets
    )  # fmt: skip


def _pairs(count: _Count) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((role, person) for person, role in count.by.items()))
