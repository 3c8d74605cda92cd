"""Which policy is in force: the newest one that enough people have signed.

    predicate of policy/v1: {"version": n, "role": …, "text": the policy as canonical JSON, "at": s, "rationale": …}
    subject: the policy's digest

Each person says the same once. The first policy needs the threshold of the root's role `policy`; each later one the
roles that `change` of the policy before it names. A policy follows with a higher version only: an older one, signed or
sent again, changes nothing.

A policy that this version cannot read takes the place of the one before it all the same: what people have signed MUST
NOT be passed over in silence for a text that is milder, perhaps. Nothing new is admitted then (`unread`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from audit.errors import ConfigError
from audit.files import parse_json
from registry.approvals.root import POLICY_ROLE, Root, Roots
from registry.policy import Policy, parse_policy
from registry.statement import POLICY, Said, once

from .rules import Rules, SlotRules

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Unread:
    """A policy that enough people have signed, and that this version cannot read: a newer one could."""

    digest: str
    version: int
    offset: int
    why: str
    change: Mapping[str, int]
    """Who may change it: role → people; none, where that cannot be read either."""

    def words(self) -> str:
        """For people."""
        return (
            f"version {self.version} of the policy ({self.digest}) is signed, and this version of the software cannot "
            f"read it: nothing new is admitted before an upgrade ({self.why})"
        )


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy that is in force."""

    policy: Policy
    version: int
    offset: int
    """From which on."""
    before: InForce | None = None
    """The one that it took the place of."""
    unread: Unread | None = None
    """What has taken its place, and cannot be read: nothing new is admitted."""

    def as_read(self) -> InForce:
        """For what serves already, which goes on under the last policy that can be read."""
        return replace(self, unread=None)

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
    unread: Unread | None = None
    signed: dict[tuple[str, int], list[tuple[str, str, int]]] = {}
    # Each where it stands first: a signature on a policy that was given up does not come back by being sent again.
    for each in once(one for one in said if one.type == POLICY and one.holds):
        version, role, newest = each.predicate.get("version"), each.predicate.get("role"), unread or found
        if type(version) is not int or not isinstance(role, str):
            continue
        if newest is not None and version <= newest.version:
            continue
        # Of the root of that time: a policy stays in force when those who signed it have left. Who leaves before
        # enough have signed takes their signature along.
        root = roots.at(each.offset)
        person, policy = root.person(each.author, role, each.offset), _policy(each)
        if person is None or policy is None:
            continue
        wanted = _wanted(root, found) if unread is None else unread.change
        pending = signed.setdefault((each.subjects[0], version), [])
        if role in wanted:
            pending.append((each.author, role, each.offset))
        if _enough(people_of(root, pending), wanted):
            if isinstance(policy, Policy):
                found, unread = InForce(policy, version, each.offset, found), None
            else:
                unread = replace(policy, version=version, offset=each.offset)
            signed.clear()  # what was signed for a change of the policy before it is no signature for the next one
    return found if found is None else replace(found, unread=unread)


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


def _enough(people: Mapping[str, str], wanted: Mapping[str, int]) -> bool:
    roles = list(people.values())
    return bool(wanted) and all(roles.count(role) >= count for role, count in wanted.items())


def _policy(said: Said) -> Policy | Unread | None:
    """What a statement brings; None: no policy, or another one than its subject names."""
    text = said.predicate.get("text")
    policy: Policy | None = None
    why = "it is not written as policies are"
    raw = b""
    try:
        raw = text.encode() if isinstance(text, str) else raw
        policy = parse_policy(raw, "policy")
    except UnicodeEncodeError:
        return None
    except ConfigError as error:
        why = " ".join(str(error).split())[:300]
    if policy is not None and said.subjects == (policy.digest,):
        return policy
    content = _object(raw)
    if content is None or said.subjects != (f"sha256:{sha256(raw).hexdigest()}",):
        return None
    return Unread(said.subjects[0], 0, said.offset, why, _change(content))


def _object(raw: bytes) -> dict[str, Any] | None:
    """Every version of a policy is a JSON object."""
    try:
        found = parse_json(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _change(content: Mapping[str, Any]) -> dict[str, int]:
    change = content.get("change")
    roles = change.get("roles") if isinstance(change, dict) else None
    counted = isinstance(roles, dict) and all(type(each) is int and each >= 1 for each in roles.values())
    return dict(roles) if isinstance(roles, dict) and counted else {}
