"""Canaries on their way: what a deployment lets a controller do, and what comes next.

Who deploys a canary with steps signs them all in advance. Each move is an event of its own, `step`, that a controller
signs once its comparison with live holds; it counts only when it is the next of those steps, and not too soon. A canary
that has no steps (any more) is on its way for as long as it stands: it can be taken back. Of several at once each is on
its way by itself, and none has steps: a share that moves would have to be taken from somebody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .event import Placed

if TYPE_CHECKING:
    from .event import Deployment

FULL = 1.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A canary on its way."""

    digest: str
    """The canary's."""
    left: tuple[float, ...]
    """Shares still to come; the last one may be 1: live, alone. Empty: it moves no further by itself."""
    seconds: float
    """Between two moves, at least; 0 where there never were any."""
    moved: int
    """When the last one was logged, ms since 1970 UTC."""
    since: int
    """When it began."""
    offset: int
    """Of the event that began it."""
    alone: bool = True
    """Whether it is its plan's only canary."""

    def due(self, now: int) -> bool:
        """Whether there is a next step, and it may be taken at `now`, ms of the log's clock."""
        return bool(self.left) and now >= self.moved + 1000 * self.seconds


def begun(content: Deployment, logged: int, offset: int) -> tuple[Rollout, ...]:
    """The rollouts that a deployment begins, one for each canary of its plan."""
    canaries = [each.digest for each in content.plan if each.slot == "canary"]
    left, seconds = (
        ((), 0.0) if content.steps is None else (tuple(content.steps.shares), content.steps.seconds)
    )
    alone = len(canaries) == 1
    return tuple(Rollout(each, left, seconds, logged, logged, offset, alone) for each in canaries)


def next_plan(rollout: Rollout, plan: tuple[Placed, ...]) -> list[Placed]:
    """The plan after the next step, of the plan before it; `rollout.left` MUST NOT be empty."""
    share = rollout.left[0]
    if share == FULL:
        return [Placed(digest=rollout.digest)]
    live = next(each.digest for each in plan if each.slot == "live")
    return [
        Placed(digest=live, weight=FULL - share),
        Placed(digest=rollout.digest, slot="canary", weight=share),
        *(each for each in plan if each.slot == "shadow"),
    ]


def moved(rollout: Rollout, logged: int) -> Rollout | None:
    """The rollout after a step; None: that has made it live."""
    return None if rollout.left[:1] == (FULL,) else replace(rollout, left=rollout.left[1:], moved=logged)


def why_not(
    content: Deployment, logged: int, rollout: Rollout | None, plan: tuple[Placed, ...]
) -> str | None:
    """Why a `step` counts for nothing; None: it is the next one, and it is time."""
    if rollout is None:
        return "no rollout is under way"
    if content.plan != next_plan(rollout, plan):
        return "it is not the next of the steps that were signed"
    if not rollout.due(logged):
        return f"the steps are {rollout.seconds:g} s apart, and it comes {(logged - rollout.moved) / 1000:g} s after"
    return None
