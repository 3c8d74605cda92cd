"""What a policy wants of each slot, for people who are asked to sign it: a canary's rules are read as live's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.admission.policy import rules_of
from registry.policy import Policy, ServicePolicy

from . import alone

_WRITTEN: Final = ("gates", "roles")


@dataclass(frozen=True, slots=True)
class SlotNeeds:
    """What must be there before a package may be in a slot of a service."""

    service: str
    slot: str
    gates: tuple[str, ...]
    """In the order in which they run."""
    signers: Mapping[str, int]
    """Role → people."""
    share: float | None
    """The largest share of the requests that the plan may give it; None: any."""

    @property
    def open(self) -> bool:
        """Whether anything at all may answer there, once somebody deploys it: a shadow answers nobody."""
        return not self.gates and self.unsigned

    @property
    def unsigned(self) -> bool:
        """Whether something may answer there for which nobody has signed: a shadow answers nobody."""
        return not self.signers and self.slot != "shadow"

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "service": self.service, "slot": self.slot, "gates": list(self.gates), "signers": dict(self.signers),
            "share": self.share,
        }  # fmt: skip


def needs_of(policy: Policy) -> tuple[SlotNeeds, ...]:
    """Every slot of every service, as admission reads the policy."""
    found = []
    for name, section in policy.services.items():
        rules = rules_of(policy, name)
        for slot, each in rules.slots.items() if rules is not None else ():
            gates = tuple(gate for gate in section.gates.required if gate in each.gates)
            most = section.canary.maximum_weight if slot == "canary" and section.canary is not None else None
            found.append(SlotNeeds(name, slot, gates, each.signers, most))
    return tuple(found)


def unwritten(policy: Policy) -> tuple[str, ...]:
    """Why a policy is not to be signed as it was written, a sentence for each canary; empty: it may be.

    A section `canary` without `gates` or `roles` wants none, and whoever adds one for a rollout MUST NOT take all gates
    and signers off unawares. What was signed before means what it meant: only what people write is asked.
    """
    found = []
    for name, section in policy.services.items():
        absent = [
            key
            for key in _WRITTEN
            if section.canary is not None and key not in section.canary.model_fields_set
        ]
        if absent:
            found.append(
                f"services.{name}.canary does not say {' and '.join(absent)}, and would want none: live wants "
                f"{as_live(section)}; write that, or less of it (`gates: []`, `roles: {{}}`: a canary needs nothing)"
            )
    return tuple(found)


def as_live(section: ServicePolicy) -> str:
    """What live wants, as a canary's section would say it."""
    roles = ", ".join(f"{role}: {count}" for role, count in section.approvals.roles.items())
    return f"gates: [{', '.join(section.gates.required)}], roles: {{{roles}}}"


def warnings(policy: Policy) -> tuple[str, ...]:
    """What people should know before they sign: canaries for which nobody signs, and what one person may do alone."""
    return (*(_unsigned(each) for each in needs_of(policy) if each.unsigned), *alone.of_policy(policy))


def _unsigned(needs: SlotNeeds) -> str:
    """A canary for which nobody signs."""
    wanted = "no gate and nobody's signature" if needs.open else "nobody's signature"
    what = "any package" if needs.open else f"what has passed {', '.join(needs.gates)}"
    return (
        f"{needs.service}: a canary needs {wanted}: whoever deploys may give {what} up to "
        f"{1 if needs.share is None else needs.share:.1%} of the requests"
    )
