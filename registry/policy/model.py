"""The policy: one section a service, and who may change it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from registry.manifest import canonical_json

from .base import Count, Name, Part, Share, later
from .behaviour import Drift, LiveFairness, Performance, Rollout, Slo
from .gates import GATES, GatesPolicy

Roles = Annotated[Mapping[Name, Count], Field(min_length=1)]
"""Role of a signer → number of people. Nobody is counted twice, whatever roles they have."""


class Approvals(Part):
    """Who must have signed before a digest is live."""

    roles: Roles
    """Role → number of people."""
    publisher_may_approve: bool = False
    """Whether the person who published the package counts as a signer, of break-glass too."""
    valid_days: Annotated[int, Field(ge=1, le=3650)] = 365
    """An approval counts for so many days after it was signed."""
    on_expiry: Literal["alarm", "stop"] = "alarm"
    """What is live when its approval ends: alarm lets it answer and refuses new deployments; stop ends it."""
    bound: bool | None = later()
    """Whether an approval is of the gate results that its signer saw, and ends, as by expiry, when newer ones are of
    other data or say otherwise. It must then say how far its signer had read the log. Absent: it is of the package."""
    signed_publication: bool | None = later()
    """Whether somebody with the role `publish` must have signed that they published the package. Absent: its own
    lineage says who did."""


class BreakGlass(Part):
    """A deployment without the approvals, in an emergency: its own signers, loudly recorded."""

    roles: Roles
    """Role → number of people."""
    valid_hours: Annotated[float, Field(gt=0, le=720)] = 24
    """How long it may be live."""


class _Milder(Part):
    """Rules of a slot whose answers are few or unused; both are parts of what live needs."""

    gates: tuple[str, ...] = ()
    """The gates that must have passed, among those of the service. Absent or empty: none."""
    roles: Mapping[Name, Count] = Field(default_factory=dict)
    """Role → number of people. Absent or empty: nobody."""


class Canary(_Milder):
    """A share of live traffic. Its answers are used. `affiant policy propose` signs none that does not say both `gates`
    and `roles`: absent, they are none of live's.
    """

    maximum_weight: Share = 0.1
    """Largest share of the requests that a plan may give, to all canaries together. A rollout's last step makes one
    live, which needs all that live needs."""
    rollout: Rollout | None = later()
    """Absent: a canary's share moves when somebody says so."""


class Shadow(_Milder):
    """Answers that nobody is given."""


class ServicePolicy(Part):
    """What a service's traffic needs."""

    purpose: str = ""
    """For people: what it decides, and under which law."""
    gates: GatesPolicy
    """The gates that must pass before a digest is live."""
    approvals: Approvals
    """The signers that live traffic needs."""
    break_glass: BreakGlass | None = None
    """Absent: there is none."""
    canary: Canary | None = None
    """Absent: a canary needs what live needs. Without `gates` and `roles` in it, a canary needs nothing."""
    shadow: Shadow | None = None
    """Absent: a shadow needs what live needs. Without `gates` and `roles` in it, a shadow needs nothing."""
    drift: Drift = Drift()
    """Limits of the monitor."""
    slo: Slo = Slo()
    """Limits of the answers."""
    performance: Performance | None = later()
    """Limits of what labels say."""
    live_fairness: LiveFairness | None = later()
    """Limits of decisions by group."""

    @model_validator(mode="after")
    def _milder(self) -> Self:
        required = self.gates.required
        if not required:
            raise ValueError("gates: at least one gate is needed; known: " + ", ".join(GATES))
        for slot, rules in (("canary", self.canary), ("shadow", self.shadow)):
            if rules is None:
                continue
            for gate in rules.gates:
                if gate not in required:
                    raise ValueError(f"{slot}.gates: {gate!r} is none of the service's gates")
            for role, people in rules.roles.items():
                if people > self.approvals.roles.get(role, 0):
                    raise ValueError(f"{slot}.roles: {role!r} needs more people than live does")
        return self


class Change(Part):
    """Who must have signed before this policy takes the place of the one before."""

    roles: Roles
    """Role → number of people. Those of the policy that is in force count, not those of the new one."""


class Policy(Part):
    """policy.yaml."""

    format: Literal[1]
    """Of this file."""
    change: Change
    """Who may change it."""
    services: Mapping[Name, ServicePolicy] = Field(min_length=1)
    """By the service's name. A service that is not here has no policy, and nothing may be live for it."""

    def canonical(self) -> bytes:
        """Canonical JSON with every default written out: a new default in the code is another policy.

        A key that came after format 1 is not there while it is absent (behaviour.py): old policies keep their digests.

        `parse_policy` reads it back to the same policy.
        """
        content: dict[str, Any] = self.model_dump(mode="json")
        return canonical_json(content)

    @cached_property
    def digest(self) -> str:
        """sha256:… of `canonical()`: comments and the order of keys do not count."""
        return f"sha256:{sha256(self.canonical()).hexdigest()}"
