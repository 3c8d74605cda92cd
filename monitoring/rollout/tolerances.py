"""What a policy lets a canary be worse by, with what holds where it does not say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from monitoring.slo import Objective, objectives, rates
from registry.policy import Rollout, Slo

FALSE_MOVE: Final = 0.05
REFUSALS: Final = 0.02
P99: Final = 2.5
UNSURE: Final = 0.10
GIVE_UP: Final = 168.0
"""Where the policy has no such key: keys that came later MUST NOT make another policy of an old one."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Resolved: nothing is absent but what is not asked."""

    errors: float
    refusals: float
    median: float
    p99: float
    scores: float
    unsure: float
    false_stop: float
    false_move: float
    minimum_requests: int
    sure: Objective | None = None
    """Which predictions are sure; None: the policy does not say, and it is not asked."""
    objectives: tuple[Objective, ...] = ()
    """Of the service: a canary that misses one so fast that it pages is not moved on, and goes back where live keeps
    it."""
    factor: float = 1.0
    """By which a budget is spent too fast, at least, when it pages."""
    give_up: float = 3600 * GIVE_UP
    """Seconds that a step whose time has come is waited for."""

    @classmethod
    def of(cls, rollout: Rollout, slo: Slo | None = None) -> Self:
        """Of a service's policy."""
        promised = () if slo is None else objectives(slo)
        return cls(
            errors=rollout.errors_worse_by,
            refusals=REFUSALS if rollout.refusals_worse_by is None else rollout.refusals_worse_by,
            median=rollout.slower_by,
            p99=P99 if rollout.p99_slower_by is None else rollout.p99_slower_by,
            scores=rollout.ks,
            unsure=UNSURE if rollout.unsure_worse_by is None else rollout.unsure_worse_by,
            false_stop=rollout.false_stop,
            false_move=FALSE_MOVE if rollout.false_move is None else rollout.false_move,
            minimum_requests=rollout.minimum_requests,
            sure=next((each for each in promised if each.name == "confidence"), None),
            # A canary's scores are compared with live's: since its last step they are counted in bins of both alone.
            objectives=tuple(each for each in promised if each.name != "scores"),
            factor=1.0 if slo is None else min(rate.factor for rate in rates(slo) if rate.severity == "page"),
            give_up=3600 * (GIVE_UP if rollout.give_up_after_hours is None else rollout.give_up_after_hours),
        )
