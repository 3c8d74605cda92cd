"""Which policy is in force: the newest one that enough people have signed.

    predicate of policy/v1: {"version": n, "role": …, "text": the policy as canonical JSON, "at": s, "rationale": …}
    subject: the policy's digest

Each person says the same once. The first policy needs the threshold of the root's role `policy`; each later one the
roles that `change` of the policy before it names. A policy follows with a higher version only: an older one, signed or
sent again, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from audit.errors import ConfigError
from registry.approvals.root import POLICY_ROLE, Root, Roots
from registry.policy import Policy, parse_policy
from registry.statement import POLICY, Said, once

from .rules import Rules, SlotRules

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy that is in force."""

    policy: Policy
    version: int
    offset: int
    """From which on."""
    before: InForce | None = None
    """The one that it took the place of."""

    @property
    def digest(self) -> str:
        """Of the policy."""
        return self.policy.digest

    def rules(self, service: str) -> Rules | None:
        """What it wants for a service; None: it does not name that service, and nothing may answer for it."""
        return rules_of(self.policy, service)

    def at(self, offset: int) -> InForce | None:
        """The policy that was in force at that offset of the log; None: there was none."""
        found: InForce | None = self
        while found is not None and found.offset > offset:
            found = found.before
        return found


def policy_in_force(roots: Roots, said: Iterable[Said]) -> InForce | None:
    """The policy, or None when there is none that enough people have signed.

    Args:
        roots: the chain that is believed.
        said: the log's statements in its order, `holds` decided by the roots' keys.
    """
    found: InForce | None = None
    signed: dict[tuple[str, int], list[tuple[str, str, int]]] = {}
    # Each where it stands first: a signature on a policy that was given up does not come back by being sent again.
    for each in once(one for one in said if one.type == POLICY and one.holds):
        version, role = each.predicate.get("version"), each.predicate.get("role")
        if type(version) is not int or not isinstance(role, str):
            continue
        if found is not None and version <= found.version:
            continue
        # Of the root of that time: a policy stays in force when those who signed it have left. Who leaves before
        # enough have signed takes their signature along.
        root = roots.at(each.offset)
        person, policy = root.person(each.author, role, each.offset), _policy(each)
        if person is None or policy is None:
            continue
        pending = signed.setdefault((policy.digest, version), [])
        if role in _wanted(root, found):
            pending.append((each.author, role, each.offset))
        if _enough(people_of(root, pending), _wanted(root, found)):
            found = InForce(policy, version, each.offset, found)
            signed.clear()  # what was signed for a change of the policy before it is no signature for the next one
    return found


def wanted_for_change(roots: Roots, found: InForce | None) -> dict[str, int]:
    """Role → people that the next policy needs."""
    return _wanted(roots.now, found)


def rules_of(policy: Policy, service: str) -> Rules | None:
    """A service's section as admission reads it; None when there is none."""
    section = policy.services.get(service)
    if section is None:
        return None
    glass = section.break_glass
    compared = section.gates.compares
    live = SlotRules(
        gates=frozenset(section.gates.required),
        compared=compared,
        signers=MappingProxyType(dict(section.approvals.roles)),
        valid_seconds=section.approvals.valid_days * DAY,
        publisher_may_approve=section.approvals.publisher_may_approve,
        break_glass=MappingProxyType(dict(glass.roles) if glass else {}),
        break_glass_seconds=(glass.valid_hours if glass else 0) * 3600.0,
        bound=section.approvals.bound is True,
        signed_publication=section.approvals.signed_publication is True,
    )
    slots = {"live": live}
    for name, milder in (("canary", section.canary), ("shadow", section.shadow)):
        slots[name] = (
            live
            if milder is None
            else replace(
                live,
                gates=frozenset(milder.gates),
                compared=compared and "quality" in milder.gates,
                signers=MappingProxyType(dict(milder.roles)),
            )
        )
    return Rules(MappingProxyType(slots), section.approvals.on_expiry == "stop")


def _wanted(root: Root, found: InForce | None) -> dict[str, int]:
    if found is not None:
        return dict(found.policy.change.roles)
    role = root.content.roles.get(POLICY_ROLE)
    return {POLICY_ROLE: role.threshold} if role is not None else {}


def people_of(root: Root, pending: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    """Person → role, of those signatures (key, role, offset) whose keys still have their role."""
    people: dict[str, str] = {}
    for key, role, offset in pending:
        person = root.person(key, role, offset)
        if person is not None:
            people.setdefault(person, role)
    return people


def _enough(people: dict[str, str], wanted: dict[str, int]) -> bool:
    roles = list(people.values())
    return bool(wanted) and all(roles.count(role) >= count for role, count in wanted.items())


def _policy(said: Said) -> Policy | None:
    text = said.predicate.get("text")
    try:
        policy = parse_policy(text.encode(), "policy") if isinstance(text, str) else None
    except (ConfigError, UnicodeEncodeError):
        return None
    return policy if policy is not None and said.subjects == (policy.digest,) else None
