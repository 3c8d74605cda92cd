"""Policies that some have signed and that are not in force, or are: who has, and who is missing.

It counts as `registry.admission.policy` does: by the root of that time and of now, each person once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from audit.errors import ConfigError
from registry.admission import InForce
from registry.admission.policy import people_of, wanted_for_change
from registry.policy import Policy, parse_policy
from registry.statement import POLICY, Said, once

from .root import Roots


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy that some have signed."""

    policy: Policy
    version: int
    offset: int
    """Of its first signature."""
    signed: Mapping[str, str]
    """Person → role."""
    missing: Mapping[str, int]
    """Role → people still wanted."""


def proposals_of(roots: Roots, said: Iterable[Said], found: InForce | None) -> list[Proposal]:
    """Policies of a higher version than `found` that somebody has signed after it.

    Args:
        roots: the chain that is believed.
        said: the log's statements in its order, `holds` decided by the roots' keys.
        found: the policy in force; None: there is none yet.
    """
    after = found.offset if found is not None else -1
    kept: dict[tuple[str, int], Proposal] = {}
    pending: dict[tuple[str, int], list[tuple[str, str, int]]] = {}
    for each in once(one for one in said if one.type == POLICY and one.holds):
        version, role = each.predicate.get("version"), each.predicate.get("role")
        if each.offset <= after:
            continue
        if (
            type(version) is not int
            or not isinstance(role, str)
            or (found is not None and version <= found.version)
        ):
            continue
        then = Roots(tuple(one for one in roots.chain if one[0] <= each.offset))
        person, policy = then.now.person(each.author, role, each.offset), _policy(each)
        wanted = wanted_for_change(then, found)
        if person is None or policy is None or role not in wanted:
            continue
        key = policy.digest, version
        pending.setdefault(key, []).append((each.author, role, each.offset))
        signed = people_of(roots.now, pending[key])
        kept[key] = Proposal(policy, version, pending[key][0][2], signed, missing(wanted, signed))
    return [one for one in kept.values() if one.signed]


def missing(wanted: Mapping[str, int], signed: Mapping[str, str]) -> dict[str, int]:
    """Role → people that are wanted and have not signed. `signed`: person → role."""
    have = list(signed.values())
    return {role: count - have.count(role) for role, count in wanted.items() if count > have.count(role)}


def _policy(said: Said) -> Policy | None:
    text: Any = said.predicate.get("text")
    policy = _parsed(text) if isinstance(text, str) else None
    return policy if policy is not None and said.subjects == (policy.digest,) else None


@lru_cache(maxsize=64)
def _parsed(text: str) -> Policy | None:
    """Each signature on a policy brings its text, and YAML is slow."""
    try:
        return parse_policy(text.encode(), "policy")
    except (ConfigError, UnicodeEncodeError):
        return None
