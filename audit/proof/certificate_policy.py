"""The policy of a certificate: which one is in force, and what it wants; admission's rules, over plain JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from .certificate_said import POLICY, Root, Roots, Said, load, once
from .errors import FormatError

SLOTS: Final = ("live", "canary", "shadow")
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy that enough people have signed."""

    text: bytes
    version: int
    offset: int
    """From which on."""
    before: InForce | None = None
    """The one that it took the place of."""

    @property
    def digest(self) -> str:
        """Of its text."""
        return f"sha256:{sha256(self.text).hexdigest()}"

    def at(self, offset: int) -> InForce | None:
        """The policy that was in force at that offset of the log; None: there was none."""
        found: InForce | None = self
        while found is not None and found.offset > offset:
            found = found.before
        return found


class SlotRules(NamedTuple):
    """What one slot of one service wants."""

    gates: frozenset[str]
    signers: Mapping[str, int]
    """Role → people."""
    valid: float
    """Seconds that an approval counts."""
    publisher: bool
    """Whether who published it may approve."""
    glass: Mapping[str, int]
    """Role → people of a break-glass deployment; empty: there is none."""
    glass_valid: float
    bound: bool = False
    """Whether approvals are of the gate results that were seen."""
    published: bool = False
    """Whether somebody must have signed that they published it."""


def policy_in_force(roots: Roots, said: Iterable[Said]) -> InForce | None:
    """The newest policy that enough people have signed; None: there is none.

    Each by the root of their time, and by that of the last who was wanted.
    """
    found: InForce | None = None
    signed: dict[tuple[str, int], list[tuple[str, str, int]]] = {}
    for each in once(one for one in said if one.type == POLICY and one.holds):
        version, role = each.predicate.get("version"), each.predicate.get("role")
        if type(version) is not int or not isinstance(role, str):
            continue
        if found is not None and version <= found.version:
            continue
        root = roots.at(each.offset)
        person, text = root.person(each.author, role, each.offset), policy_text(each)
        if person is None or text is None:
            continue
        wanted = _wanted(root, found)
        pending = signed.setdefault((each.subjects[0], version), [])
        if role in wanted:
            pending.append((each.author, role, each.offset))
        if wanted and not missing(wanted, _people(root, pending)):
            found = InForce(text, version, each.offset, found)
            signed.clear()
    return found


def policy_text(said: Said) -> bytes | None:
    """The policy that a statement brings; None when its text is not what its subject names, or no policy."""
    text = said.predicate.get("text")
    try:
        raw = text.encode() if isinstance(text, str) else b""
        load(raw, "policy")
    except (UnicodeEncodeError, FormatError):
        return None
    return raw if said.subjects == (f"sha256:{sha256(raw).hexdigest()}",) else None


def rules_of(policy: InForce, service: str, slot: str) -> SlotRules | None:
    """What the policy wants for a slot; None: it does not name that service.

    Raises:
        FormatError: a part is not what a policy has there.
    """
    services = _object(load(policy.text, "policy"), "services")
    if service not in services or slot not in SLOTS:
        return None
    section = _object(services, service)
    approvals, glass = _object(section, "approvals"), section.get("break_glass")
    gates = frozenset(name for name, limits in _object(section, "gates").items() if limits is not None)
    signers = _counts(approvals, "roles")
    glass_roles = _counts(_object(section, "break_glass"), "roles") if glass is not None else {}
    milder = section.get(slot) if slot != "live" else None
    wanted = gates, signers
    if milder is not None:
        named = _object(section, slot).get("gates")
        if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
            raise FormatError(f"policy: {slot}.gates is no list of names")
        wanted = frozenset(named), _counts(_object(section, slot), "roles")
    return SlotRules(
        wanted[0],
        wanted[1],
        _number(approvals, "valid_days") * _DAY,
        approvals.get("publisher_may_approve") is True,
        glass_roles,
        _number(_object(section, "break_glass"), "valid_hours") * 3600.0 if glass is not None else 0.0,
        approvals.get("bound") is True,
        approvals.get("signed_publication") is True,
    )


def revokers(policy: InForce, service: str, offset: int) -> frozenset[str]:
    """The roles that may revoke for a service at an offset, besides `root`: by the policy of that time, or of now.

    Raises:
        FormatError: as `rules_of`.
    """
    found: set[str] = set()
    for one in (policy, policy.at(offset)):
        # The roles of milder slots are among those of live.
        rules = rules_of(one, service, "live") if one is not None else None
        found.update((*rules.signers, *rules.glass) if rules is not None else ())
    return frozenset(found)


def _wanted(root: Root, found: InForce | None) -> Mapping[str, int]:
    if found is not None:
        try:
            return _counts(_object(load(found.text, "policy"), "change"), "roles")
        except FormatError:
            return {"": 1}  # nobody can change what says nobody may
    role = root.roles.get("policy")
    return {"policy": role.threshold} if role is not None else {"": 1}


def _people(root: Root, pending: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    """Person → role, of those signatures (key, role, offset) whose keys still have their role."""
    people: dict[str, str] = {}
    for key, role, offset in pending:
        person = root.person(key, role, offset)
        if person is not None:
            people.setdefault(person, role)
    return people


def missing(wanted: Mapping[str, int], by: Mapping[str, str]) -> dict[str, int]:
    """Role → people that are wanted and are not there. `by`: person → role."""
    roles = list(by.values())
    return {role: count - roles.count(role) for role, count in wanted.items() if count > roles.count(role)}


def _object(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    if not isinstance(found, dict):
        raise FormatError(f"policy: {name} is not what a policy has there")
    return found


def _counts(content: Mapping[str, Any], name: str) -> dict[str, int]:
    found = _object(content, name)
    if not all(type(each) is int and each >= 1 for each in found.values()):
        raise FormatError(f"policy: {name} does not count people")
    return found


def _number(content: Mapping[str, Any], name: str) -> float:
    found = content.get(name)
    try:
        number = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan
    except OverflowError:  # JSON has integers of any size
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise FormatError(f"policy: {name} is no number")
    return number
