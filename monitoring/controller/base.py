"""What a decision is made of, and what it says. Frozen; times are seconds since 1970 UTC unless a name says `ms`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from monitoring.burns import Burns
from monitoring.figures import Evidence
from registry.admission import InForce
from registry.deployment import Deployed, Placed
from registry.policy import ServicePolicy

Outcome = Literal["roll_back", "dry_run", "wait", "refuse", "pass"]
"""roll_back: to be signed. dry_run: it would be. wait: it may be later. refuse: people decide. pass: there is nothing
to decide about, or not any more; people have nothing to do."""
OUTCOMES: Final[tuple[Outcome, ...]] = ("roll_back", "dry_run", "wait", "refuse", "pass")


@dataclass(frozen=True, slots=True)
class Ground:
    """What the governance log says of one service, as far as it was read."""

    deployed: Deployed
    policy: InForce | None
    """In force; None: there is none."""
    admitted: Callable[[str], tuple[str, ...]]
    """A digest → why it may not be live now; empty: it may. MUST give the same whenever it is asked."""
    end: int
    """Entries that were read."""
    newest: float
    """The log's newest time; 0 when it is empty."""

    @property
    def section(self) -> ServicePolicy | None:
        """The policy's section of the service; None: it has none."""
        return self.policy.policy.services.get(self.deployed.service) if self.policy is not None else None


@dataclass(frozen=True, slots=True)
class Shown:
    """Evidence, as it was computed again from the log under the policy in force, and when it is of."""

    evidence: Evidence | Burns
    """Of drift, or of the cause `slo`."""
    begun: float
    """The log's time at the end of the oldest pane: what was recorded before is in no later one."""
    ended: float
    """The same of the newest pane."""
    newest: float
    """The log's time at its end now."""
    behind: int
    """Records that its partition has after the newest pane; of burn rates, the most of any partition."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about an alarm. `why` is for people, and goes into the signed event."""

    outcome: Outcome
    why: str
    service: str
    digest: str
    """Whole where the service has it, else as the alarm says it."""
    slot: str
    cause: str
    to: str | None = None
    """What answers in its place: what is live then."""
    plan: tuple[Placed, ...] = ()
    after: int | None = None
    """The event that it follows."""
    again: float | None = None
    """wait: when it may be otherwise; None: nobody knows."""
