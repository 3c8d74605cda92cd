"""What one person could do alone under a root and a policy, for those who sign them: told, and nowhere refused.

A house of one may be meant, so there is one sentence for a root, and one for all that a policy leaves to one person.
Whoever signs MUST be told: these rules are all that stands between a person and what answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from registry.policy import Policy, ServicePolicy

from .root import GATES_ROLE, POLICY_ROLE, PUBLISH_ROLE, ROOT_ROLE, RootModel

RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        GATES_ROLE: "signs gate results",
        # Not their names in registry.deployment: that room imports this one, and a test holds them equal.
        "deploy": "deploys",
        "controller": "rolls back by itself",
        PUBLISH_ROLE: "says who published",
        POLICY_ROLE: "signs the first policy",
    }
)
"""Roles with a work of their own → that work: who does it looks at no package for anybody else."""


def of_policy(policy: Policy) -> tuple[str, ...]:
    """What one person may do alone under a policy, in one sentence; then each reserved role that approves packages.

    The number of signatures decides, since nobody is counted twice, whatever roles they have. A canary's signers are
    asked of elsewhere (`slots.warnings`): what they let answer is a share.
    """
    live, glass = (
        _services(policy, lambda section: section.approvals.roles),
        _services(policy, lambda section: section.break_glass.roles if section.break_glass else {}),
    )
    found = [
        *([f"change the policy ({role})"] if (role := _single(policy.change.roles)) else []),
        *([f"approve what is live for {live}"] if live else []),
        *([f"let anything answer, by break-glass, for {glass}"] if glass else []),
    ]
    alone = [f"{_alone(found)}; two people, or two roles, would be a second look"] if found else []
    return (*alone, *_reserved(policy))


def of_root(root: RootModel, *, first_policy: bool) -> tuple[str, ...]:
    """What a root lacks that every house needs, and what one person may do alone under it; a sentence for each.

    `first_policy`: whether the first policy may still be to come; the role `policy` is for nothing else.
    """
    wanted = {GATES_ROLE: "no gate results will count"}
    if first_policy:
        wanted = {POLICY_ROLE: "nobody can sign the first policy"} | wanted
    found = [
        f"the root has nobody in the role {role}: {why}"
        for role, why in wanted.items()
        if not holders(root, role)
    ]
    counted = {ROOT_ROLE: "sign the next root, and with it all roles"}
    if first_policy:
        counted[POLICY_ROLE] = "sign the first policy"
    alone = [
        f"{what} ({_either(holders(root, role))})"
        for role, what in counted.items()
        if holders(root, role) and root.roles[role].threshold == 1
    ]
    if alone:
        found.append(f"{_alone(alone)}; a threshold of 2 (`--role root=2:…`) would be a second look")
    return tuple(found)


def holders(root: RootModel, role: str) -> set[str]:
    """Who has a role, by a key that was not rotated."""
    has = root.roles.get(role)
    keys = [root.keys[each] for each in has.keys] if has is not None else []
    return {key.person for key in keys if key.until is None}


def _reserved(policy: Policy) -> Iterable[str]:
    for name, section in policy.services.items():
        asked = {
            "live": section.approvals.roles,
            "break-glass": section.break_glass.roles if section.break_glass else {},
        }
        for what, roles in asked.items():
            for role in roles:
                if role in RESERVED:
                    yield (
                        f"{name}: {what} asks for {role}, the role that {RESERVED[role]}: "
                        "give those who look at the package a role of their own"
                    )


def _services(policy: Policy, roles: Callable[[ServicePolicy], Mapping[str, int]]) -> str:
    """The services for which one signature is enough, each with its role."""
    found = {name: _single(roles(section)) for name, section in policy.services.items()}
    return ", ".join(f"{name} ({role})" for name, role in found.items() if role is not None)


def _single(roles: Mapping[str, int]) -> str | None:
    """The role of the one signature that is enough; None: there are more, or none."""
    return next(iter(roles)) if sum(roles.values()) == 1 else None


def _alone(what: list[str]) -> str:
    return f"one person alone may {'; '.join(what)}"


def _either(people: Iterable[str]) -> str:
    return " or ".join(sorted(people))
