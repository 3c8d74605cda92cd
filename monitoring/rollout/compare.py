"""Whether a canary may go on: its requests held against those that live answered meanwhile. Pure.

Does it fail more, is it refused more, is it slower (at the median, at the 99th percentile), does it answer otherwise,
is it less sure? Each question has a tolerance, and bounds of the difference (`questions`).

1. It is taken back when of one question the lower bound is beyond its tolerance. The questions, steps and slots share
   the policy's `false_stop` evenly: so likely, at most, a canary within all tolerances is ever taken back.
   Or when it is shown that it misses an objective so fast that it pages, and that live does not: the objectives share
   as much again, so likely is that of one which does not, or beside a live that does.
2. It is moved on when of each question the upper bound is within its tolerance, it is time, enough was seen, and none
   of its objectives pages. For one that is beyond a tolerance that very question's bound has to be wrong: so the steps
   and slots alone share `false_move`, the questions do not.
3. Else it waits, and says what for.

Requests that came together are not independent: `effect` divides the counts of rows, and those of requests by as much
as their rows do not already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import DetectError
from monitoring.slo import MINIMUM_BAD, Counted, Objective, burn_limit, of_confidence, of_latency

from .questions import NOTHING, Counts, Found, Levels, Parts, apart, distance, resolution, share, slower
from .sequence import bounds
from .tolerances import Tolerances

_SLOTS: Final = 2
_STEPS: Final = 17
"""Shares that a canary has at most, one after another: each is compared by itself, and all of them share the
probability."""
_QUESTIONS: Final = 6


@dataclass(frozen=True, slots=True)
class Side:
    """What one slot was asked and has answered since the rollout's last step.

    Attributes:
        requests: that reached the slot's package.
        failed: of them, those that got no answer through a fault of ours (status 5xx, or none).
        refused: further ones, refused for what they ask (status 4xx).
        rows: that were answered.
        latency: [bounds + 1] answered requests by their time; the last beyond all bounds.
        confidence: [bins] rows by their largest class probability; none of a regression.
        scores: of each score [parts] rows, in parts that both sides share, by that in which a row's bin ends.
        begins: the same by the part in which it begins; none in a comparison of before.
        single: of each score [parts], which of them hold one value alone; none in a comparison of before.
    """

    requests: int
    failed: int
    refused: int
    rows: int
    latency: Counts
    confidence: Counts
    scores: tuple[Counts, ...]
    begins: tuple[Counts, ...] = ()
    single: tuple[NDArray[np.bool_], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One of them, answered as far as can be."""

    what: str
    found: Found
    allowed: float
    """Beyond which it goes back …"""
    shown: float
    """… and within which it moves on: the same, but of times, which are known to their bins alone."""
    times: bool = False
    """Whether it is a ratio, not a difference."""
    within: bool = False
    """Whether `at_most` counts what may lie within a part of the scores."""

    @property
    def bad(self) -> bool:
        """Whether it is shown to be beyond."""
        return self.found.at_least > self.allowed

    @property
    def good(self) -> bool:
        """Whether it is shown to be within."""
        return self.found.at_most <= self.shown

    def says(self, end: float, bound: str, limit: float) -> str:
        """For people."""
        much = f"{end:.3g} times live's" if self.times else f"{end:.3g} more than live's"
        return f"{self.what}: {bound} {much}, {limit:.3g} is allowed"

    def written(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: null."""
        most = self.found.at_most
        return {
            "what": self.what, "at_least": self.found.at_least, "at_most": None if most == float("inf") else most,
            "allowed": self.allowed, "shown": self.shown,
        } | ({"within": True} if self.within else {})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it."""

    verdict: Literal["hold", "move", "back"]
    reasons: tuple[str, ...]
    """Why back, or what is still waited for."""
    questions: tuple[Question, ...]
    waits: tuple[str, ...] = ()
    """What is waited for besides the questions, whatever they say."""
    missed: tuple[str, ...] = ()
    """Objectives for which it goes back, whatever they say."""


def compare(
    canary: Side,
    live: Side,
    limits: Tolerances,
    seconds: tuple[float, ...],
    *,
    due: bool,
    effect: float = 1.0,
) -> Comparison:
    """Hold a canary against live.

    Args:
        canary: its side.
        live: the side of what is live.
        limits: the policy's.
        seconds: upper bounds of the latency bins, ascending.
        due: whether the next step's time has come.
        effect: by which rows are fewer than they seem, ≥ 1.

    Raises:
        DetectError: sides of other bins.
    """
    shapes = [
        (len(side.latency), len(side.confidence), [len(each) for each in side.scores], _parts(side))
        for side in (canary, live)
    ]
    if shapes[0] != shapes[1] or shapes[0][0] != len(seconds) + 1:
        raise DetectError("a canary and live whose bins differ cannot be compared")
    if canary.single and not (_parts(canary) == [[len(each) for each in canary.scores]] * 2):
        raise DetectError("scores whose parts are not all known cannot be compared")
    asked = tuple(_questions(canary, live, limits, seconds, effect))
    missed = tuple(_missed(canary, live, limits, seconds, effect))
    return concluded(asked, tuple(_waits(canary, live, limits, seconds, due=due)), missed)


def concluded(asked: tuple[Question, ...], waits: tuple[str, ...], missed: tuple[str, ...]) -> Comparison:
    """What comes of the questions, of what is waited for besides, and of objectives that are missed."""
    back = tuple(each.says(each.found.at_least, "at least", each.allowed) for each in asked if each.bad)
    if back or missed:
        return Comparison("back", back + missed, asked, waits, missed)
    reasons = waits + tuple(
        each.says(each.found.at_most, "not shown yet, at most", each.shown) for each in asked if not each.good
    )
    return Comparison("hold" if reasons else "move", reasons, asked, waits)


def _questions(
    canary: Side, live: Side, limits: Tolerances, seconds: tuple[float, ...], effect: float
) -> Iterator[Question]:
    levels = Levels(
        back=limits.false_stop / _STEPS / _QUESTIONS / _SLOTS, move=limits.false_move / _STEPS / _SLOTS
    )
    fewer = _of_requests(canary, live, effect)

    def shares(hits: tuple[int, int], of: tuple[int, int], by: float) -> Found:
        return share((hits[0] / by, hits[1] / by), (of[0] / by, of[1] / by), levels)

    reached = (canary.requests, live.requests)
    refused = (canary.refused, live.refused)
    failed = shares((canary.failed, live.failed), reached, fewer)
    yield Question("share of failed requests", failed, limits.errors, limits.errors)
    all_of_them = (reached[0] + refused[0], reached[1] + refused[1])
    yield Question(
        "share of refused requests", shares(refused, all_of_them, fewer), limits.refusals, limits.refusals
    )
    for what, quantile, allowed in (
        ("median time", 0.5, limits.median),
        ("99th percentile of time", 0.99, limits.p99),
    ):
        found = slower(canary.latency, live.latency, seconds, quantile, fewer, levels)
        yield Question(what, found, allowed, max(allowed, resolution(seconds)), times=True)
    if limits.sure is not None and canary.confidence.any() | live.confidence.any():
        one, other = (of_confidence(limits.sure, side.confidence.tolist()) for side in (canary, live))
        found = shares((one.bad, other.bad), (one.requests, other.requests), effect)
        yield Question("share of unsure predictions", found, limits.unsure, limits.unsure)
    yield from _of_scores(canary, live, limits.scores, effect, levels)


def _of_scores(canary: Side, live: Side, allowed: float, effect: float, levels: Levels) -> Iterator[Question]:
    columns, within = len(canary.scores), bool(canary.single)
    for place, pair in enumerate(zip(canary.scores, live.scores, strict=True)):
        what = "distance of scores" if columns == 1 else f"distance of scores {place}"
        if within:
            one, other = (Parts(side.begins[place], side.scores[place]) for side in (canary, live))
            found = apart(one, other, canary.single[place], effect, levels, columns)
        else:
            found = distance(*pair, effect, levels, columns)
        yield Question(what, found, allowed, allowed, within=within)
    if not columns:
        yield Question("distance of scores", NOTHING, allowed, allowed)


def _parts(side: Side) -> list[list[int]]:
    return [[len(each) for each in known] for known in (side.begins, side.single)]


def _of_requests(canary: Side, live: Side, effect: float) -> float:
    """The design effect of requests, of that of rows: independent requests are no more than independent rows."""
    rows, answered = canary.rows + live.rows, int(canary.latency.sum() + live.latency.sum())
    return max(1.0, effect * answered / rows) if rows else max(1.0, effect)


def _waits(
    canary: Side, live: Side, limits: Tolerances, seconds: tuple[float, ...], *, due: bool
) -> Iterator[str]:
    """What has nothing to do with bounds."""
    if not due:
        yield "the next step's time has not come"
    elif not canary.requests and live.requests >= limits.minimum_requests:
        yield (
            f"the canary has answered nothing, and live {live.requests} requests: it may be that it kills its "
            "workers, or that no gateway serves it"
        )
    if canary.requests < limits.minimum_requests:
        yield f"{canary.requests} requests of the canary were seen; {limits.minimum_requests} are needed"
    for objective in limits.objectives:
        counted = _objective(objective, canary, seconds)
        burnt = burn_limit(objective.budget, limits.factor)
        if counted.bad >= MINIMUM_BAD and counted.bad > burnt * counted.requests:
            yield (
                f"the canary misses its objective of {objective.name}: {counted.bad} of {counted.requests} are bad, "
                f"and {burnt:.3g} of them page"
            )


def _missed(
    canary: Side, live: Side, limits: Tolerances, seconds: tuple[float, ...], effect: float
) -> Iterator[str]:
    """Objectives that the canary is shown to miss so fast that it pages, and live not to."""
    fewer = _of_requests(canary, live, effect)
    for objective in limits.objectives:
        one, other = (_objective(objective, side, seconds) for side in (canary, live))
        by = effect if objective.name == "confidence" else fewer
        level = limits.false_stop / _STEPS / len(limits.objectives) / _SLOTS
        hits, trials = (one.bad / by, other.bad / by), (one.requests / by, other.requests / by)
        (least, _), (_, most) = bounds(hits, trials, level)
        burnt = burn_limit(objective.budget, limits.factor)
        if one.bad >= MINIMUM_BAD and least > burnt > most:
            yield (
                f"objective of {objective.name}: at least {least:.3g} of the canary's are bad and at most {most:.3g} "
                f"of live's; {burnt:.3g} page"
            )


def _objective(objective: Objective, side: Side, seconds: tuple[float, ...]) -> Counted:
    if objective.name == "latency":
        return of_latency(objective, seconds, side.latency.tolist())
    if objective.name == "confidence":
        return of_confidence(objective, side.confidence.tolist())
    return Counted(side.failed if objective.name == "errors" else side.refused, side.requests + side.refused)
