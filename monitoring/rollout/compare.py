"""Whether a canary may go on: its requests held against those that live answered meanwhile. Pure.

Three questions, each by bounds that hold at every moment (`sequence`), which share the policy's probability of a false
stop evenly: does the canary fail more, does it answer otherwise, is it slower? It is taken back when the bounds of the
two slots say so; it moves on when its time has come, enough of its requests were seen, and nothing says that it should
not. Requests that came together are not independent: `effect` divides the counts of scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import DetectError
from registry.policy import Rollout

from .sequence import bounds

Counts = NDArray[np.int64]
_QUESTIONS: Final = 3
_SIDES: Final = 2
_STEPS: Final = 16
"""That a rollout has at most: each step is compared by itself, and all of them share the probability."""
_MEDIAN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Side:
    """What one slot was asked and has answered since the rollout's last step.

    Attributes:
        requests: that reached the slot's package.
        failed: of them, those that got no answer through a fault of ours (status 5xx).
        latency: [bounds + 1] answered requests by their time; the last beyond all bounds.
        scores: [bins] rows by score, in bins that both sides share.
    """

    requests: int
    failed: int
    latency: Counts
    scores: Counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it."""

    verdict: Literal["hold", "move", "back"]
    reasons: tuple[str, ...]
    """Why back, or what is still waited for."""
    figures: dict[str, float]


def compare(
    canary: Side, live: Side, limits: Rollout, seconds: tuple[float, ...], *, due: bool, effect: float = 1.0
) -> Comparison:
    """Hold a canary against live.

    Args:
        canary: its side.
        live: the side of what is live.
        limits: the policy's.
        seconds: upper bounds of the latency bins, ascending.
        due: whether the next step's time has come.
        effect: by which rows of scores are fewer than they seem, ≥ 1.

    Raises:
        DetectError: sides of other bins.
    """
    if len(canary.scores) != len(live.scores) or not (
        len(canary.latency) == len(live.latency) == len(seconds) + 1
    ):
        raise DetectError("a canary and live whose bins differ cannot be compared")
    alpha = limits.false_stop / _STEPS / _QUESTIONS / _SIDES
    errors = _errors(canary, live, alpha)
    scores = _scores(canary, live, alpha, effect)
    slower = _slower(canary, live, seconds, alpha)
    figures = {
        "errors_worse_by": errors,
        "ks": scores,
        "slower_by": slower,
        "requests": float(canary.requests),
    }
    why = [
        f"{what}: at least {found:.3g} more than live's, {limit:g} is allowed"
        for what, found, limit in (
            ("share of failed requests", errors, limits.errors_worse_by),
            ("distance of scores", scores, limits.ks),
        )
        if found > limit
    ]
    if slower > limits.slower_by:
        why.append(f"median time: at least {slower:.3g} times live's, {limits.slower_by:g} is allowed")
    if why:
        return Comparison("back", tuple(why), figures)
    waits = [] if due else ["the next step's time has not come"]
    if canary.requests < limits.minimum_requests:
        waits.append(
            f"{canary.requests} requests of the canary were seen; {limits.minimum_requests} are needed"
        )
    return Comparison("hold" if waits else "move", tuple(waits), figures)


def _errors(canary: Side, live: Side, alpha: float) -> float:
    """By how much its share of failed requests is larger, at least."""
    lower, upper = bounds([canary.failed, live.failed], [canary.requests, live.requests], alpha)
    return max(0.0, float(lower[0] - upper[1]))


def _scores(canary: Side, live: Side, alpha: float, effect: float) -> float:
    """The distance of the two distributions of scores at the bins' edges, at least."""
    cuts = len(canary.scores) - 1
    if cuts < 1:
        return 0.0
    sides = np.stack([np.cumsum(canary.scores)[:-1], np.cumsum(live.scores)[:-1]]) / effect
    rows = np.array([[canary.scores.sum()], [live.scores.sum()]]) / effect
    lower, upper = bounds(sides, rows, alpha / cuts)
    return max(0.0, float((lower[0] - upper[1]).max()), float((lower[1] - upper[0]).max()))


def _slower(canary: Side, live: Side, seconds: tuple[float, ...], alpha: float) -> float:
    """How many times live's median its own is, at least: by the edges of the bins that they are in; 0: not known."""
    sides = np.stack([np.cumsum(canary.latency)[:-1], np.cumsum(live.latency)[:-1]])
    rows = np.array([[canary.latency.sum()], [live.latency.sum()]])
    lower, upper = bounds(sides, rows, alpha / len(seconds))
    at_most = np.flatnonzero(lower[1] >= _MEDIAN)
    if not len(at_most):
        return 0.0
    # The canary's median is beyond each bound below which less than half lies, whatever is still to come.
    beyond = np.flatnonzero(upper[0] < _MEDIAN)
    return seconds[beyond[-1]] / seconds[at_most[0]] if len(beyond) else 0.0
