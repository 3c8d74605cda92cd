"""A controller among people and false alarms, by a simulated clock: no flapping, at most N, none below approval."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.controller.act import event_of
from monitoring.controller.decide import decide
from monitoring.controller.place import MOVES
from registry.deployment import Event, encode_deployment
from tests.components.controller import DIGESTS, Town, alarm_of, burnt_of, plan_of, policy_of, shown_of

COOLDOWN, MOST, DAY = 30 * 60.0, 3, 86_400.0
USED = DIGESTS[:5]
CAUSES = ("prediction", "input", "slo")


def alarmed(town: Town, digest: str, slot: str, cause: str, mark: str, skew: float = 0.0) -> bool:
    """An alarm with evidence that carries it, whatever it says; whether it rolled back."""
    alarm = alarm_of(digest, slot=slot, cause=cause, fingerprint=mark, starts_at=town.clock // 3600)
    shown = (burnt_of if cause == "slo" else shown_of)(town, digest, slot=slot)
    ground = town.ground()
    found = decide(alarm, shown, ground, town.clock + skew)
    if found.outcome != "roll_back":
        return False
    assert found.to is not None
    if slot == "live":
        assert ground.admitted(found.to) == ()
    event = event_of(found, alarm, shown, ground, "robot", town.clock + skew)
    town.append("robot", encode_deployment(event))
    return True


def own(town: Town) -> list[Event]:
    """What the controller has done."""
    return [each for each in town.ground().deployed.counted if each.role == "controller"]


def hold(town: Town) -> None:
    """Whatever happened: cool-downs, the number a day, and no way back to what a controller has left."""
    counted = [each for each in town.ground().deployed.counted if each.content.action in MOVES]
    back = [each for each in counted if each.content.action == "rollback"]
    for before, each in pairwise(back):
        if each.role == "controller":
            assert each.logged - before.logged >= 1000 * COOLDOWN
    for place, each in enumerate(back):
        if each.role == "controller":
            recent = [one for one in back[:place] if one.logged > each.logged - 1000 * DAY]
            assert len(recent) < MOST
    left: set[str] = set()
    for before, each in pairwise(counted):
        now = each.content.live
        if each.role == "controller":
            assert now not in left, "flapping"
            if now != before.content.live:
                left.add(before.content.live)
        else:
            left.discard(now)


def test_a_day_of_alarms_about_everything() -> None:
    """Each minute one for each package, with evidence: one step back for each that drifts, and no step forward."""
    town = Town(policy_of("{causes: [prediction, input, slo], cooldown_minutes: 30, maximum_per_day: 3}"))
    town.approve(*USED)
    for digest in USED:
        town.deploy(digest)
        town.clock += 3600
    begun = town.clock
    moved = 0
    while town.clock < begun + DAY - 1:
        town.clock += 60
        minute = int(town.clock // 60)
        digest = USED[minute % len(USED)]
        moved += alarmed(town, digest, "live", CAUSES[minute // 5 % len(CAUSES)], f"m{minute}")
    assert moved == MOST
    assert [each.content.live for each in own(town)] == [USED[3], USED[2], USED[1]]
    hold(town)


@pytest.mark.parametrize("bounds", ["cooldown_minutes: 0, maximum_per_day: 1000", "maximum_per_day: 1000"])
def test_two_versions_do_not_take_turns(bounds: str) -> None:
    """Both drift, and stay drifted, for a day: the service stays where it was led once; cool-down or none."""
    town = Town(policy_of("{causes: [prediction, input, slo], " + bounds + "}"))
    town.approve(*USED[:2])
    town.deploy(USED[0])
    town.deploy(USED[1])
    begun = town.clock
    for minute in range(24 * 60):
        town.clock += 60
        for cause in CAUSES:
            alarmed(town, USED[minute % 2], "live", cause, f"m{minute}{cause}")
    assert town.clock - begun == DAY
    assert [each.content.live for each in own(town)] == [USED[0]]


digests = st.sampled_from(USED)
actions = st.one_of(
    st.tuples(
        st.just("alarm"), digests, st.sampled_from(("live", "canary", "shadow")), st.sampled_from(CAUSES),
        st.sampled_from(("f1", "f2")), st.sampled_from((0.0, 0.0, 3000.0, -1000.0)),
    ),
    st.tuples(st.just("alarm"), digests, st.just("live"), st.sampled_from(CAUSES), st.just("f3"), st.just(0.0)),
    st.tuples(st.just("deploy"), digests),
    st.tuples(st.just("canary"), digests, digests),
    st.tuples(st.just("rollback"), digests),
    st.tuples(st.just("revoke"), digests),
    st.tuples(st.just("approve"), digests),
    st.tuples(st.sampled_from(("pause", "resume"))),
    st.tuples(st.just("wait"), st.sampled_from((60.0, 1900.0, 20_000.0))),
)  # fmt: skip


def do(town: Town, action: tuple[Any, ...]) -> None:
    """One of them."""
    match action:
        case ("alarm", str(digest), slot, cause, mark, skew):
            alarmed(town, digest, slot, cause, mark, skew)
        case ("deploy" | "rollback" as verb, str(digest)):
            town.deploy(digest, verb)
        case ("canary", str(live), str(canary)) if live != canary:
            town.deploy(plan_of(live, canary=canary))
        case ("revoke", str(digest)):
            town.revoke(digest)
        case ("approve", str(digest)):
            town.approve(digest)
        case ("pause" | "resume" as verb,):
            town.pause(verb)
        case ("wait", float(seconds)):
            town.clock += seconds


@settings(max_examples=40, deadline=None)
@given(st.lists(actions, min_size=5, max_size=50))
def test_whatever_people_and_alarms_do(sequence: Iterable[tuple[Any, ...]]) -> None:
    """Of any order, with clocks that are wrong by an hour."""
    town = Town(policy_of("{causes: [prediction, input, slo], cooldown_minutes: 30, maximum_per_day: 3}"))
    town.approve(*USED)
    for digest in USED[:3]:
        town.deploy(digest)
        town.clock += 3600
    for action in sequence:
        town.clock += 1
        do(town, action)
    hold(town)
    assert all(each.content.evidence is not None for each in own(town))
