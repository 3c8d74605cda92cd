"""What a restart of the monitor that leads goes on from, beside the panes themselves. Plain values, for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitoring.asked import Asked
from monitoring.errors import DetectError
from monitoring.inside import Scored
from monitoring.judging import Judged
from monitoring.judging.judging import Taken
from monitoring.panes import At, Of, Pane
from registry.deployment import Rollout

from .aggregate import Aggregate
from .life import Comparing

FORMAT: Final = 2


def state_of(aggregate: Aggregate) -> dict[str, Any]:
    """All that panes do not tell again."""
    return {
        "format": FORMAT,
        "topic": aggregate.topic,
        "pane_records": aggregate.pane_records,
        "next": {str(partition): number for partition, number in sorted(aggregate.next.items())},
        "lives": [
            {
                "of": list(of), "since": life.since, "judged": life.judging.judged.written(),
                "kept": [[each.partition, each.number] for each in life.kept],
                "judging": life.judging.encode(), "confirmed": sorted(life.confirmed),
                "tried": dict(sorted(life.tried.items())), "pauses": dict(sorted(life.pauses.items())),
                "asked": life.asked.written(), "scored": None if life.scored is None else life.scored.written(),
            }
            for of, life in sorted(aggregate.lives.items())
        ],
        "comparing": {
            _name(service, each.rollout): {
                "offset": each.rollout.offset, "moved": each.rollout.moved,
                "sides": {slot: side.written() for slot, side in sorted(each.sides.items())},
                "ranges": [[partition, *of] for partition, of in sorted(each.ranges.items())], "newest": each.newest,
                "reached": {str(partition): dict(of) for partition, of in sorted(each.reached.items())},
            }
            for (service, _), each in sorted(aggregate.comparing.items())
        },
        "statuses": [[*at, _texts(found)] for at, found in sorted(aggregate.statuses.items())],
    }  # fmt: skip


def restore(aggregate: Aggregate, state: Mapping[str, Any], panes: Iterable[Pane]) -> int:
    """Go on from a state. MUST come before anything was taken, and after `serve`.

    Args:
        aggregate: a new one.
        state: what `state_of` gave.
        panes: those that are kept, in their order; what the state does not cover is judged by `judge`.

    Returns:
        How many panes that figures were of are kept no more: until as many came, they are of fewer rows.

    Raises:
        DetectError: the state is of another log or other panes, or none. What it says of a life of another time is left
            out, and what cannot be read of one: that life begins anew.
        StoreUnavailable: a package cannot be had now.
    """
    try:
        if (state["format"], state["topic"], state["pane_records"]) != (
            FORMAT, aggregate.topic, aggregate.pane_records,
        ):  # fmt: skip
            raise DetectError("the state is of another log, or of other panes")
        aggregate.next.update({int(partition): int(number) for partition, number in state["next"].items()})
        places = {(pane.partition, pane.number): pane for pane in panes}
        gone = sum(_restore_life(aggregate, each, places) for each in state["lives"])
        compared = {_name(of[0], known.rollout): known for of, known in aggregate.comparing.items()}
        for name, each in state["comparing"].items():
            known = compared.get(name)
            same = (each["offset"], each["moved"])
            if known is not None and (known.rollout.offset, known.rollout.moved) == same:
                _restore_comparing(known, each)
        for service, slot, found in state["statuses"]:
            aggregate.statuses[At(service, slot)] = Counter({int(key): int(n) for key, n in found.items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DetectError(f"not a state: {error}") from error
    for pane in places.values():
        if pane.number < aggregate.next.get(pane.partition, 0):
            aggregate.remember(pane)
        else:
            aggregate.take(pane)
    return gone


def _name(service: str, rollout: Rollout) -> str:
    """Of a comparison: its service's, as ever, where the canary is alone; no service's name has an @."""
    return service if rollout.alone else f"{service}@{rollout.digest}"


def _restore_comparing(known: Comparing, content: Mapping[str, Any]) -> None:
    """What cannot be read of it (a monitor of before kept less) is begun anew: the step takes longer for it."""
    try:
        sides = {slot: Asked.read(side) for slot, side in content["sides"].items()}
        ranges = {int(partition): (int(first), int(end)) for partition, first, end in content["ranges"]}
        newest = int(content["newest"])
        reached = {int(partition): dict(of) for partition, of in content["reached"].items()}
    except (DetectError, KeyError, TypeError, ValueError, AttributeError):
        return
    if all(
        [[len(n) for n in of] for of in (side.begins, side.scores)] == [known.parts] * 2
        for side in sides.values()
    ):
        known.sides, known.ranges, known.reached, known.newest = sides, ranges, reached, newest


def _restore_life(
    aggregate: Aggregate, content: Mapping[str, Any], panes: Mapping[tuple[int, int], Pane]
) -> int:
    """By the limits that it was judged by then: those of now come with its next pane, as for who was never stopped.

    Returns how many of its panes are not there any more.
    """
    of, since = Of(*content["of"]), int(content["since"])
    if aggregate.served.get(of) != since:
        return 0
    try:
        life = aggregate.begin(of, since, Judged.read(content["judged"]))
        if life is None:
            return 0
        life.judging.restore(content["judging"])
        life.asked = Asked.read(content["asked"])
        life.scored = Scored.read(content.get("scored"))
    except DetectError:
        aggregate.lives.pop(of, None)
        return 0
    places = [(int(partition), int(number)) for partition, number in content["kept"]]
    there = [panes[place] for place in places if place in panes and of in panes[place].tallies]
    life.restore(Taken(pane.partition, pane.number, pane.time, pane.tallies[of]) for pane in there)
    life.confirmed = set(content["confirmed"])
    life.tried = {column: int(checks) for column, checks in content["tried"].items()}
    # A monitor of before kept none: it is looked at again at once.
    life.pauses = {column: int(panes) for column, panes in content.get("pauses", {}).items()}
    return len(places) - len(there)


def _texts(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(key): number for key, number in sorted(counts.items())}
