"""What stands in the governance log now: the roots, the policy in force, what is proposed, what gates have said.

For people who sign and who look. It decides nothing: `registry.admission` does, and the gateway asks it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from audit.config import Config
from audit.errors import ConfigError
from audit.governance import PARTITION
from audit.log.base import Log, LogEntry
from audit.proof.people import folded
from audit.show import walk
from registry.admission import InForce, SlotRules, Verdict, evaluate, may_revoke, policy_in_force
from registry.admission.bound import published_by
from registry.admission.times import SKEW, ended
from registry.deployment import Fold
from registry.errors import NotAdmitted
from registry.settings import GovernanceSettings
from registry.statement import (
    APPROVAL,
    GATES,
    PREDICATES,
    PUBLISH,
    REJECTION,
    REVOCATION,
    Said,
    once,
    said_in,
)  # fmt: skip

from .draft import read_root_file
from .proposals import Proposal, proposals_of
from .root import GATES_ROLE, Root, Roots, fold_roots

SLOTS: Final = ("live", "canary", "shadow")
_ABOUT: Final = frozenset({GATES, APPROVAL, REJECTION, REVOCATION, PUBLISH})
_WAITS: Final = frozenset({GATES, APPROVAL})
_STEP: Final = 1000
"""Entries between two words about the progress."""


class Lives:
    """What was live, and when, by the log's deployments; they are folded when somebody asks."""

    def __init__(self, roots: Roots, said: Callable[[], Iterable[Said]]) -> None:
        """`said`: gives the deployments among the log's statements, `holds` decided by the roots' keys."""
        self._roots: Final = roots
        self._said: Final = said
        self._fold: Fold | None = None

    def at(self, service: str, offset: int) -> str | None:
        """See `registry.admission.LiveAt`."""
        if self._fold is None:
            self._fold = Fold()
            self._fold.take(self._roots, self._said())
        return self._fold.live_at(service, offset)


@dataclass(frozen=True, slots=True)
class Board:
    """The governance log as it was read: up to, not including, `end`. `said`: statements, their signatures checked.
    `lives`: of `said`, when not given; who leaves out some of that MUST keep it.
    """

    roots: Roots
    policy: InForce | None
    said: tuple[Said, ...]
    end: int
    lives: Lives | None = None
    _of: Mapping[str, tuple[Said, ...]] = field(init=False, repr=False, compare=False)
    """Digest → what people and pipelines of the root have said of it, in the log's order."""

    def __post_init__(self) -> None:
        found: dict[str, list[Said]] = {}
        for each in self.said:
            if each.holds and each.type in _ABOUT:
                for digest in dict.fromkeys(each.subjects):
                    found.setdefault(digest, []).append(each)
        if self.lives is None:
            said = self.said
            object.__setattr__(self, "lives", Lives(self.roots, lambda: said))
        object.__setattr__(self, "_of", {digest: tuple(said) for digest, said in found.items()})

    def verdict(
        self,
        service: str,
        digest: str,
        slot: str,
        now: float,
        publisher: str | None,
        more: Iterable[Said] = (),
    ) -> Verdict:
        """What admission says of a digest, were `more` in the log as well."""
        said = [*self._of.get(digest, ()), *more]
        return evaluate(
            self.roots,
            self.policy,
            said,
            service=service,
            digest=digest,
            slot=slot,
            now=now,
            publisher=publisher,
            live_at=self.live_at,
        )

    def live_at(self, service: str, offset: int) -> str | None:
        """See `registry.admission.LiveAt`."""
        assert self.lives is not None
        return self.lives.at(service, offset)

    def rules(self, service: str, slot: str) -> SlotRules | None:
        """What the policy in force wants; None: it has no such service, or slot."""
        rules = self.policy.rules(service) if self.policy is not None else None
        return rules.slots.get(slot) if rules is not None else None

    def about(self, digest: str, types: Collection[str] | None = None) -> list[Said]:
        """What people and pipelines of the root have said of a digest, in the log's order."""
        return [each for each in self._of.get(digest, ()) if types is None or each.type in types]

    def digests(self, service: str) -> list[str]:
        """Digests that something was said of for a service, in the order of the first word."""
        return [
            digest
            for digest, said in self._of.items()
            if any(each.type in _WAITS and each.predicate.get("service") == service for each in said)
        ]

    def speaker(self, said: Said) -> str:
        """Who said it, for people: by the root of that time."""
        key = self.roots.at(said.offset).content.keys.get(said.author)
        return key.person if key is not None else f"the unknown key {said.author[:16]}…"

    def gates(self, service: str, digest: str) -> Said | None:
        """The gate results that admission looks at: the newest of the role `gates` under the policy in force, and
        after the last revocation.
        """
        revoked = self._revocations(service, digest)
        own = [
            each
            for each in self._under_policy(service, digest, GATES)
            if not _over(each, revoked)
            and self.roots.person(each.author, GATES_ROLE, each.offset) is not None
        ]
        return own[-1] if own else None

    def revoked(self, service: str, digest: str) -> Said | None:
        """The last revocation of somebody who may."""
        own = self._revocations(service, digest)
        return own[-1] if own else None

    def over(self, service: str, digest: str, said: Said) -> bool:
        """Whether a revocation has ended it: by their places in the log, or by the times that were signed."""
        return _over(said, self._revocations(service, digest))

    def _revocations(self, service: str, digest: str) -> list[Said]:
        return [
            each
            for each in once(self.about(digest, (REVOCATION,)))
            if each.predicate.get("service") == service and self.may_revoke(service, each.author, each.offset)
        ]

    def emergency(self, service: str, digest: str, now: float, publisher: str | None) -> dict[str, str]:
        """Person → role of the break-glass approvals that count now; a verdict shows them only when all are there.

        `publisher`: of the package, who may be none of them unless the policy lets publishers approve.
        """
        rules, revoked = self.rules(service, "live"), self._revocations(service, digest)
        found: dict[str, str] = {}
        own = published_by(self.roots, self.about(digest))
        for each in self._under_policy(service, digest, APPROVAL):
            role, at = each.predicate.get("role"), each.predicate.get("at")
            if rules is None or not isinstance(role, str) or not isinstance(at, int | float):
                continue
            person = self.roots.person(each.author, role, each.offset)
            if not rules.publisher_may_approve and (
                publisher is None or (person is not None and folded(person) in (folded(publisher), *own))
            ):
                continue
            if (
                person is not None
                and role in rules.break_glass
                and each.predicate.get("break_glass") is True
                and not _over(each, revoked)
                and now - rules.break_glass_seconds < at <= min(now, each.logged / 1000) + SKEW
            ):
                found.setdefault(next((one for one in found if folded(one) == folded(person)), person), role)
        return found

    def _under_policy(self, service: str, digest: str, type_: str) -> list[Said]:
        return [
            each
            for each in once(self.about(digest, (type_,)))
            if self.policy is not None
            and each.predicate.get("service") == service
            and each.predicate.get("policy") == self.policy.digest
        ]

    def may_revoke(self, service: str, key: str, offset: int) -> bool:
        """Whether a key of the root of that time revokes for a service: whoever signs for it, or for the root."""
        policy = self.policy
        if policy is None or policy.rules(service) is None:
            return False
        return may_revoke(self.roots, policy, key, service, offset)

    def under(self, policy: str | None) -> Board | None:
        """The board as it will be once a proposed policy is in force; None: nobody has proposed it.

        What is signed under a policy before it is in force counts from then on, so that a change of policy need not
        take off what is live.
        """
        if policy is None or (self.policy is not None and self.policy.digest == policy):
            return self
        found = [each for each in self.proposals() if each.policy.digest == policy]
        if not found:
            return None
        following = InForce(found[-1].policy, found[-1].version, self.end, self.policy)
        return replace(self, policy=following)

    def proposals(self) -> list[Proposal]:
        """Policies of a higher version than the one in force that somebody has signed since."""
        return proposals_of(self.roots, self.said, self.policy)

    def passed(self) -> Proposal | None:
        """Who signed the policy that is in force."""
        now = self.policy
        if now is None:
            return None
        roots = Roots(tuple(each for each in self.roots.chain if each[0] <= now.offset))
        said = [each for each in self.said if each.offset <= now.offset]
        before = policy_in_force(roots, said[:-1])
        own = [
            each
            for each in proposals_of(roots, said, before)
            if (each.policy.digest, each.version) == (now.digest, now.version)
        ]
        return own[0] if own else Proposal(now.policy, now.version, now.offset, {}, {})


def _over(said: Said, revoked: Sequence[Said]) -> bool:
    return bool(revoked) and (said.offset <= revoked[-1].offset or ended(said, revoked))


def read_board(log: Log, first: Root, progress: Callable[[int, int], None] = lambda _, __: None) -> Board:
    """Read the whole governance log.

    Args:
        log: the governance log.
        first: the first root, which is believed.
        progress: told now and then how many entries are read, of how many.

    Raises:
        NotAdmitted: the log's beginning is gone, or it has a gap: what is missing may be a revocation.
        NotProved: `first` is not signed by its own people.
        LogUnavailable: the log does not answer.
    """
    roots, entries = fold_roots(first, ()), list[LogEntry]()
    reader = log.reader()
    try:
        start, end = reader.bounds(PARTITION)
        if start != 0:
            raise NotAdmitted(f"the governance log begins at offset {start}: its beginning is gone")

        def read() -> Iterator[LogEntry]:
            for entry in walk(reader, PARTITION, 0, end, name="governance log"):
                if entry.offset != len(entries):
                    raise NotAdmitted(f"the governance log has no offset {len(entries)}")
                entries.append(entry)
                if len(entries) % _STEP == 0:
                    progress(len(entries), end)
                yield entry

        said = _ours(read(), roots)
    finally:
        reader.close()
    roots = fold_roots(first, said)
    if len(roots.chain) > 1:
        # What other keys signed is looked at again, now that they are known.
        said = _ours(entries, roots)
    return Board(roots, policy_in_force(roots, said), said, end)


def _ours(entries: Iterable[LogEntry], roots: Roots) -> tuple[Said, ...]:
    return tuple(each for each in said_in(entries, roots.public_keys()) if each.type in PREDICATES)


def first_root_of(config: Config) -> Root:
    """The first root that the settings name. Raises ConfigError: they name none, or it has no signature yet."""
    path = config.section("governance", GovernanceSettings).root
    if path is None:
        raise ConfigError(
            f"{config.path.name}: [governance] root is not set: nobody is believed; `affiant roles init` begins one"
        )
    found = read_root_file(config.resolve(path))
    if not isinstance(found, Root):
        raise ConfigError(f"{path} is not signed yet; `affiant roles sign` does")
    return found
