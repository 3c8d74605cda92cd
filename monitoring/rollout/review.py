"""Whether a rollout's step, or its way back, was right: counted and compared again from the record log.

What a monitor told was believed (`mover`). Here it is not, but for what nobody can know later: the design effect, which
is of its whole life; how many panes waited then; and that a canary's drift did not page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from audit.log.base import LogEntry, LogReader, Topic
from audit.proof.errors import FormatError
from monitoring.batch import panes_of
from monitoring.close import TOLERANCE, same
from monitoring.controller.base import Ground
from monitoring.controller.evidence import computing, held, time_of
from monitoring.controller.ground import Grounds, Publisher
from monitoring.controller.review import Check, standing
from monitoring.errors import DetectError, EvidenceWrong, MonitoringError
from monitoring.figures import Range
from monitoring.leading.life import Comparing
from monitoring.leading.scores import coarse_cuts, cuts_of, single_parts
from monitoring.panes import Of
from monitoring.read import External, Packages
from registry.approvals.root import Root
from registry.deployment import Event, Placed, Rollout
from registry.deployment.change import stepped

from .compare import Comparison, Question, compare, concluded
from .mover import SECONDS, limits_of, overdue, plan_without
from .questions import Found
from .told import Told, side_of

KIND: Final = "rollout"
LATE: Final = 60.0
"""Seconds after a step's beginning from which its records are missed: a monitor hears of it a moment later."""
_SIDES: Final = ("canary", "live")
_VERDICTS: Final = {"step": "move", "rollback": "back"}


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["rollout"]
    policy: str | None
    governance_end: Annotated[int, Field(ge=0)]
    comparison: Mapping[str, Any]
    questions: tuple[Mapping[str, Any], ...]
    given_up: Literal[True] | None = None
    """Of a canary that goes back because its step was waited for too long."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What an auditor is told of such an event."""

    event: Event
    told: Told
    signed: tuple[Mapping[str, Any], ...]
    """The questions, as the event has them …"""
    computed: tuple[Mapping[str, Any], ...]
    """… and as they are now."""
    checks: tuple[Check, ...]

    @property
    def right(self) -> bool:
        """Whether every check holds."""
        return all(each.holds for each in self.checks)


def is_rollout(event: Event) -> bool:
    """Whether an event was decided by a comparison."""
    return (event.content.evidence or {}).get("kind") == KIND


def review(
    entries: Sequence[LogEntry],
    first: Root,
    publisher: Publisher,
    event: Event,
    topic: Topic,
    reader: LogReader,
    packages: Packages,
    external: External | None = None,
) -> Reviewed:
    """Decide about an event once more.

    Args:
        entries: the whole governance log.
        first: the root that is believed.
        publisher: of packages.
        event: one of it (`is_rollout`).
        topic: of the record log.
        reader: of the record log, or of its archive.
        packages: where profiles are had.
        external: what the object store has under a digest.

    Raises:
        FormatError: its evidence is not what it should be.
        EvidenceWrong: its evidence is of another log, or of ranges that are no panes.
        EvidenceGone: neither the log nor the archive has its ranges any more.
        EvidenceUnavailable: they cannot be read now.
    """
    content = event.content
    said, told = _parsed(event)
    if told.topic != topic.id.hex():
        raise EvidenceWrong(f"the evidence is of the topic {told.topic}, and this is {topic.id.hex()}")
    grounds = Grounds(first, publisher)
    grounds.take(entries[: min(said.governance_end, event.offset)])
    ground = grounds.ground(content.service, content.at)
    canary = _canary(ground, said)
    policy = None if ground.policy is None else ground.policy.digest
    with computing():
        held((Range(partition=at, first=begin, end=end) for at, begin, end in told.ranges), reader)
        early = [
            partition
            for partition, begin, _ in told.ranges
            if begin and time_of(reader, partition, begin - 1) > canary.moved / 1000 + LATE
        ]
        again = _counted(ground, canary, told, reader, packages, external)
    came_of, held_, why = _compared(again, ground, canary, told, content.at, said.questions)
    counts = {slot: again.side(slot).written() for slot in _SIDES}
    signed = {slot: dict(said.comparison["sides"])[slot] for slot in _SIDES}
    alone = None if told.coarse else again.single
    whose = tuple(said.comparison.get(key) for key in ("digest", "offset", "moved"))
    gave_up = content.action == "rollback" and said.given_up is not None
    decided = _decided(ground, canary, told, content.at, came_of, why)
    right = decided == ("give up" if gave_up else _VERDICTS.get(content.action))
    checks = (
        *standing(event, said.governance_end),
        Check(
            "of this step", whose == (canary.digest, canary.offset, canary.moved), "digest, event and time"
        ),
        Check(
            "of the whole step",
            bool(told.ranges) and not early,
            f"partitions that begin later: {early}" if early else f"but for its first {LATE:.0f} s, at most",
        ),
        Check(
            "counts",
            (counts, again.newest, alone) == (signed, told.newest, said.comparison.get("single")),
            _differences(signed, counts),
        ),
        Check("policy of that time", said.policy == policy, str(policy)),
        Check("figures", held_.alike, held_.how),
        Check(
            "decided the same again",
            right and list(content.plan) == _plan(ground, content.action, canary),
            ": ".join(each for each in (decided, "; ".join(why)) if each),
        ),
    )
    return Reviewed(event, told, said.questions, held_.computed, checks)


def _parsed(event: Event) -> tuple[_Evidence, Told]:
    try:
        said = _Evidence.model_validate(event.content.evidence)
        return said, Told.read(said.comparison)
    except ValidationError as error:
        raise FormatError(
            f"evidence of the event at offset {event.offset}: {first_problem(error)}"
        ) from error
    except DetectError as error:
        raise FormatError(f"evidence of the event at offset {event.offset}: {error}") from error


def _canary(ground: Ground, said: _Evidence) -> Rollout:
    """Which one it is about: the one that stood then; of several, the one that it names."""
    digest = said.comparison.get("digest")
    named = [each for each in ground.deployed.canaries if each.alone or each.digest == digest]
    if not named:
        raise EvidenceWrong("no such canary stood beside live then: there is nothing to compare")
    return named[0]


def _counted(
    ground: Ground,
    canary: Rollout,
    told: Told,
    reader: LogReader,
    packages: Packages,
    external: External | None,
) -> Comparing:
    """Both sides, from the log. Raises ValueError: ranges that are no panes."""
    service = ground.deployed.service
    live = next(each.digest for each in ground.deployed.plan if each.slot == "live")
    profile = packages.get(service, live)
    columns = () if profile is None else profile.reference.scores
    cuts = tuple(map(coarse_cuts, columns)) if told.coarse else cuts_of(columns)
    found, size = Comparing(canary, cuts, coarse=told.coarse), told.pane_records

    def get(of: Of) -> Any:
        return packages.get(of.service, of.digest)

    if len({partition for partition, _, _ in told.ranges}) != len(told.ranges):
        raise ValueError("a partition is there twice")
    for partition, begin, end in told.ranges:
        if begin % size or end % size or begin >= end:
            raise ValueError(f"partition {partition}: {begin} to {end} are no panes of {size} records")
        reached = {
            bytes.fromhex(journal): sequence
            for journal, sequence in told.reached.get(str(partition), {}).items()
        }
        for pane in panes_of(reader, partition, begin, end, packages, reached, size=size, external=external):
            found.add(service, pane, get)
    return found


@dataclass(frozen=True, slots=True)
class _Held:
    """The signed questions, held to those that were computed again."""

    computed: tuple[Mapping[str, Any], ...]
    alike: bool
    how: str


def _compared(
    again: Comparing,
    ground: Ground,
    canary: Rollout,
    told: Told,
    at: float,
    signed: tuple[Mapping[str, Any], ...],
) -> tuple[Comparison | None, _Held, tuple[str, ...]]:
    """What comes of it; the figures; and why nothing would have been done then.

    Signed figures that are borne out decide as they did: computed anew, one might lie beyond a tolerance by rounding.
    """
    # A controller of before looked at the parts' ends alone, of whatever the monitor told it.
    within = any(each.get("within") for each in signed)
    single = tuple(map(single_parts, again.cuts)) if within else ()
    sides = side_of(again.side("canary"), single), side_of(again.side("live"), single)
    due = canary.due(int(at * 1000))
    try:
        limits = limits_of(ground)
        came_of, *beside = (
            compare(*sides, limits, SECONDS, due=due, effect=told.effect * by)
            for by in (1, 1 - TOLERANCE, 1 + TOLERANCE)
        )
    except MonitoringError as error:
        return None, _Held((), not signed, "0 questions"), (str(error),)
    found = _held_to(signed, came_of, beside)
    if found.alike:
        asked = map(_as_signed, came_of.questions, signed)
        came_of = concluded(tuple(asked), came_of.waits, came_of.missed)
    if came_of.verdict == "back":
        return came_of, found, ()
    return came_of, found, (*_steps(ground, canary), *told.waits(at), *came_of.reasons)


def _decided(
    ground: Ground, canary: Rollout, told: Told, at: float, came_of: Comparison | None, why: tuple[str, ...]
) -> Literal["move", "back", "give up", ""]:
    """What was to be done then; empty: nothing."""
    if came_of is None or came_of.verdict == "back":
        return "" if came_of is None else "back"
    if not why:
        return "move"
    return "give up" if overdue(told, canary, limits_of(ground), at) else ""


def _held_to(
    signed: tuple[Mapping[str, Any], ...], came_of: Comparison, beside: Sequence[Comparison]
) -> _Held:
    """`beside`: of a design effect that is more, and less, by the tolerance. A quantile jumps from the edge of a bin to
    the next where a bound lies on it: then it is as one of them says.
    """
    computed, *others = (tuple(each.written() for each in one.questions) for one in (came_of, *beside))
    many = f"{len(computed)} questions"
    if signed == computed:
        return _Held(computed, True, f"{many}, equal to the bit")
    if same(signed, computed):
        return _Held(computed, True, f"{many}, equal but for rounding (within {TOLERANCE:g})")
    if len(signed) != len(computed):
        return _Held(computed, False, f"{len(signed)} questions, and {len(computed)} when computed again")
    unlike = [
        str(each[0]["what"])
        for each in zip(computed, signed, *others, strict=True)
        if not any(same(each[1], one) for one in (each[0], *each[2:]))
    ]
    if unlike:
        return _Held(computed, False, f"others: {', '.join(unlike)}")
    return _Held(computed, True, f"{many}, at a threshold, where rounding decides; what was decided stands")


def _as_signed(question: Question, signed: Mapping[str, Any]) -> Question:
    most = signed["at_most"]
    found = Found(signed["at_least"], float("inf") if most is None else most)
    return replace(question, found=found, allowed=signed["allowed"], shown=signed["shown"])


def _steps(ground: Ground, canary: Rollout) -> Iterator[str]:
    if not canary.left:
        yield "no step was left"
    elif canary.left[0] == 1:
        yield from ground.admitted(canary.digest)


def _plan(ground: Ground, action: str, canary: Rollout) -> list[Placed] | None:
    """What is to answer after such an event; None: none does anything else."""
    deployed = ground.deployed
    if action == "step":
        return stepped(deployed) if deployed.rollout is not None else None
    return plan_without(deployed, canary)


def _differences(signed: Mapping[str, Any], computed: Mapping[str, Any]) -> str:
    found = [
        f"{slot}.{key}"
        for slot in _SIDES
        for key in computed[slot]
        if signed[slot].get(key) != computed[slot][key]
    ]
    return f"others: {', '.join(found)}" if found else "equal, to the bit"
