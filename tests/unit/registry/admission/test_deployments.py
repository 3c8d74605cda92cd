"""Which deployment events count: whoever can write to the broker can append anything."""

from __future__ import annotations

from typing import Any

import pytest

from registry.deployment import Deployed, Deployment, Placed
from registry.deployment.change import left_behind, placed, promoted, rolled_back, stepped
from registry.errors import DeploymentRefused

GOOD, OTHER, THIRD = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32, "sha256:" + "ef" * 32


def live(deployed: Deployed) -> str | None:
    """What the events leave live."""
    return None if deployed.last is None else deployed.last.content.live


def why(deployed: Deployed) -> str:
    """Why the newest event is void."""
    return deployed.events[-1].void or ""


def test_events_follow_each_other(world: Any) -> None:
    """The newest is what is served."""
    first = world.deploy()
    assert live(world.deployed()) == GOOD
    world.deploy("cyd", OTHER)
    assert live(world.deployed()) == OTHER
    assert [each.person for each in world.deployed().counted] == ["dan", "cyd"]
    assert world.deployed().events[1].content.after == first


@pytest.mark.parametrize(
    ("who", "changed", "reason"),
    [
        ("ann", {}, "has not the role deploy"),
        ("pipeline", {}, "may only roll back"),
        ("dan", {"after": None}, "it follows no event"),
        ("dan", {"after": 7777}, "it follows that at offset 7777"),
        ("dan", {"at": 1_700_000_000.0 - 3601}, "an hour or more"),
        ("dan", {"at": 1_700_000_000.0 + 3601}, "an hour or more"),
        ("dan", {"action": "pause"}, "must leave the plan as it is"),
    ],
)
def test_what_does_not_count_changes_nothing(
    world: Any, who: str, changed: dict[str, Any], reason: str
) -> None:
    """And says why."""
    world.deploy()
    world.deploy(who, OTHER, **changed)
    assert live(world.deployed()) == GOOD
    assert reason in why(world.deployed())


def test_a_stranger_is_not_even_named(world: Any) -> None:
    """Nor is an event that is none."""
    world.deploy("eve")
    world.deploy("dan", plan=[{"digest": GOOD, "slot": "live", "weight": 0.5}])
    world.deploy("dan", plan=[{"digest": GOOD, "slot": "canary", "weight": 1.0}])
    assert world.deployed() == Deployed("credit", ())


def test_a_key_that_left_keeps_its_deployments_and_makes_no_new_ones(world: Any) -> None:
    """What is served does not change because somebody goes."""
    world.deploy("cyd")
    keys = {key: each for key, each in world.content().keys.items() if each.person != "cyd"}
    roles = {
        name: each.model_copy(update={"keys": [key for key in each.keys if key in keys]})
        for name, each in world.content().roles.items()
        if name != "policy"
    }
    world.change_root(world.root(version=2, previous=world.first.digest, keys=keys, roles=roles))
    world.deploy("cyd", OTHER)
    assert live(world.deployed()) == GOOD


def test_of_two_at_once_one_counts(world: Any) -> None:
    """Both decided on what they saw; the log orders them."""
    seen = world.deploy()
    world.deploy("dan", OTHER, after=seen)
    world.deploy("cyd", THIRD, after=seen)
    assert live(world.deployed()) == OTHER
    assert "the newest was that at offset" in why(world.deployed())


def test_an_event_sent_again_changes_nothing(world: Any) -> None:
    """The very bytes, signature and all."""
    first = world.deploy()
    world.deploy("dan", OTHER)
    world.replay(first, first + 1)
    assert live(world.deployed()) == OTHER
    assert len(world.deployed().events) == 2


def test_paused_nothing_moves_but_a_person_rolling_back(world: Any) -> None:
    """A controller waits; `resume` lets it go on."""
    world.deploy("dan", OTHER)
    world.deploy("dan", GOOD)
    world.deploy("dan", GOOD, "pause")
    assert world.deployed().paused
    world.deploy("dan", OTHER)
    assert why(world.deployed()) == "the service is paused"
    world.deploy("pipeline", OTHER, "rollback")
    assert why(world.deployed()) == "the service is paused"
    world.deploy("dan", OTHER, "rollback")
    assert live(world.deployed()) == OTHER
    assert world.deployed().paused
    world.deploy("dan", OTHER, "resume")
    world.deploy("dan", GOOD)
    world.deploy("pipeline", OTHER, "rollback")
    assert [each.role for each in world.deployed().counted[-2:]] == ["deploy", "controller"]


def service(world: Any, *actions: tuple[str, str]) -> Deployed:
    """After these."""
    for action, digest in actions:
        world.deploy("dan", digest, action)
    found: Deployed = world.deployed()
    return found


def test_a_canary_takes_its_share_and_is_promoted(world: Any) -> None:
    """Beside what is live; a shadow stays."""
    before = service(world, ("deploy", GOOD))
    plan = placed(before, OTHER, canary=0.1)
    assert [(each.slot, each.weight) for each in plan] == [("live", 0.9), ("canary", 0.1)]
    world.deploy(plan=[each.model_dump() for each in placed(before, THIRD, shadow=0.5)])
    plan = placed(world.deployed(), OTHER, canary=0.1)
    assert [each.slot for each in plan] == ["live", "canary", "shadow"]
    world.deploy(plan=[each.model_dump() for each in plan])
    assert promoted(world.deployed()) == [Placed(digest=OTHER)]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"digest": GOOD}, "is live for credit already"),
        ({"digest": OTHER, "canary": 1.0}, "less than 100%"),
        ({"digest": OTHER, "canary": 0.1, "shadow": 0.1}, "not both"),
        ({"digest": GOOD, "canary": 0.1}, "is live for credit"),
    ],
)
def test_changes_that_make_no_sense_are_refused(world: Any, changed: dict[str, Any], reason: str) -> None:
    """Before anything is signed."""
    with pytest.raises(DeploymentRefused, match=reason):
        placed(service(world, ("deploy", GOOD)), **changed)


def test_nothing_live_nothing_beside_it(world: Any) -> None:
    """A service begins with a live package."""
    with pytest.raises(DeploymentRefused, match="deploy it live first"):
        placed(world.deployed(), GOOD, canary=0.1)
    with pytest.raises(DeploymentRefused, match="never deployed"):
        rolled_back(world.deployed(), lambda _: ())
    with pytest.raises(DeploymentRefused, match="no canaries"):
        promoted(service(world, ("deploy", GOOD)))


def test_a_rollback_goes_to_the_newest_that_may_and_was_not_left(world: Any) -> None:
    """Never to what a rollback has left, unless somebody names it; never to what is not admitted."""
    before = service(world, ("deploy", THIRD), ("deploy", OTHER), ("deploy", GOOD))
    assert rolled_back(before, lambda _: ()) == [Placed(digest=OTHER)]
    refuse_other = lambda digest: ("revoked",) if digest == OTHER else ()  # noqa: E731
    assert rolled_back(before, refuse_other) == [Placed(digest=THIRD)]
    before = service(world, ("rollback", OTHER))
    assert left_behind(before) == {GOOD}
    assert rolled_back(before, lambda _: ()) == [Placed(digest=THIRD)]
    assert rolled_back(before, lambda _: (), GOOD) == [Placed(digest=GOOD)]
    with pytest.raises(
        DeploymentRefused, match=r"nothing that credit could go back to.*a rollback has left it"
    ):
        rolled_back(service(world, ("rollback", THIRD)), lambda _: ())
    assert left_behind(service(world, ("deploy", GOOD))) == {OTHER}
    with pytest.raises(DeploymentRefused, match="revoked"):
        rolled_back(world.deployed(), lambda _: ("revoked",))


def test_a_rollback_takes_a_canary_off_first(world: Any) -> None:
    """What is live stays."""
    before = service(world, ("deploy", OTHER), ("deploy", GOOD))
    world.deploy(plan=[each.model_dump() for each in placed(before, THIRD, canary=0.1)])
    assert rolled_back(world.deployed(), lambda _: ()) == [Placed(digest=GOOD)]


def test_an_event_is_what_its_parts_say() -> None:
    """Shares add up; nothing is there twice."""
    given: dict[str, Any] = {
        "service": "credit", "action": "deploy", "reason": "r", "actor": "a", "at": 1.0,
        "plan": [Placed(digest=GOOD), Placed(digest=GOOD, slot="shadow")],
    }  # fmt: skip
    with pytest.raises(ValueError, match="twice"):
        Deployment(**given)


STEPS = {"shares": [0.5, 1.0], "seconds": 600.0}


def plan_of(share: float, digest: str = OTHER) -> list[dict[str, Any]]:
    """`digest` as a canary beside GOOD."""
    return [
        {"digest": GOOD, "slot": "live", "weight": 1.0 - share},
        {"digest": digest, "slot": "canary", "weight": share},
    ]


def begin(world: Any) -> None:
    """A rollout of OTHER: 10 %, 50 %, all."""
    world.deploy("dan", GOOD)
    world.deploy("dan", plan=plan_of(0.1), steps=STEPS)


def test_a_controller_takes_the_steps_that_somebody_signed(world: Any) -> None:
    """Each in its time; the last makes the canary live, and then there is no rollout any more."""
    begin(world)
    world.clock += 600
    assert [each.model_dump() for each in stepped(world.deployed())] == plan_of(0.5)
    world.deploy("pipeline", action="step", plan=plan_of(0.5))
    world.clock += 600
    world.deploy("pipeline", OTHER, "step")
    assert why(world.deployed()) == ""
    assert (live(world.deployed()), world.deployed().rollout) == (OTHER, None)
    with pytest.raises(DeploymentRefused, match="no rollout"):
        stepped(world.deployed())


def test_a_canary_is_on_its_way_as_long_as_it_stands(world: Any) -> None:
    """After its last step, and without any: it moves no further by itself, and may still be taken back."""
    world.deploy("dan", GOOD)
    world.deploy("dan", plan=plan_of(0.1), steps=STEPS | {"shares": [0.5]})
    world.clock += 600
    world.deploy("pipeline", action="step", plan=plan_of(0.5))
    found = world.deployed()
    assert (why(found), found.rollout, found.canary.digest) == ("", None, OTHER)
    assert found.canary.moved == found.last.logged
    assert not found.canary.due(10**15)
    world.clock += 600
    world.deploy("pipeline", OTHER, "step")
    assert why(world.deployed()) == "no rollout is under way"
    with pytest.raises(DeploymentRefused, match="no rollout"):
        stepped(world.deployed())
    world.deploy("pipeline", GOOD, "rollback")
    assert (why(world.deployed()), world.deployed().canary) == ("", None)
    world.deploy("dan", plan=plan_of(0.1))
    assert (world.deployed().canary.digest, world.deployed().canary.left) == (OTHER, ())
    assert world.deployed().rollout is None
    two = [*plan_of(0.1)[1:], {"digest": THIRD, "slot": "canary", "weight": 0.1}]
    world.deploy("dan", plan=[{"digest": GOOD, "slot": "live", "weight": 0.8}, *two])
    found = world.deployed()
    assert (why(found), found.canary, found.rollout) == ("", None, None)
    assert [(each.digest, each.left, each.alone) for each in found.canaries] == [
        (OTHER, (), False), (THIRD, (), False),
    ]  # fmt: skip
    # One of them is taken back: the other is on its way alone from then on.
    world.deploy(
        "pipeline", plan=[{"digest": GOOD, "slot": "live", "weight": 0.9}, two[0]], action="rollback"
    )
    found = world.deployed()
    assert (why(found), found.canary.digest, found.canary.moved) == ("", OTHER, found.last.logged)


@pytest.mark.parametrize(
    ("after", "plan", "reason"),
    [
        (599.0, plan_of(0.5), "it comes 599 s after"),
        (600.0, plan_of(0.6), "not the next of the steps"),
        (600.0, plan_of(0.5, THIRD), "not the next of the steps"),
        (600.0, plan_of(0.5)[::-1], "not the next of the steps"),
        (6000.0, [{"digest": OTHER, "slot": "live", "weight": 1.0}], "not the next of the steps"),
    ],
)
def test_another_step_counts_for_nothing(
    world: Any, after: float, plan: list[dict[str, Any]], reason: str
) -> None:
    """Whoever holds a controller's key moves as fast and as far as people have signed, and no further."""
    begin(world)
    world.clock += after
    world.deploy("pipeline", action="step", plan=plan)
    assert reason in why(world.deployed())
    assert [each.weight for each in world.deployed().plan] == [0.9, 0.1]


def test_steps_end_with_what_people_do_in_between(world: Any) -> None:
    """A pause holds them; a promotion, a rollback or another deployment is the end of them."""
    begin(world)
    world.deploy("dan", action="pause", plan=plan_of(0.1))
    world.clock += 600
    world.deploy("pipeline", action="step", plan=plan_of(0.5))
    assert why(world.deployed()) == "the service is paused"
    world.deploy("dan", action="resume", plan=plan_of(0.1))
    world.deploy("pipeline", action="step", plan=plan_of(0.5))
    assert why(world.deployed()) == ""
    world.deploy("pipeline", GOOD, "rollback")
    world.clock += 600
    world.deploy("pipeline", OTHER, "step")
    assert why(world.deployed()) == "no rollout is under way"
    assert live(world.deployed()) == GOOD


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": {"shares": [0.5, 0.4], "seconds": 60.0}},
        {"steps": {"shares": [0.1], "seconds": 60.0}},
        {"steps": {"shares": [], "seconds": 60.0}},
        {"steps": {"shares": [0.5], "seconds": 0.0}},
        {"steps": STEPS, "action": "promote"},
        {"steps": STEPS, "plan": [{"digest": GOOD, "slot": "live", "weight": 1.0}]},
    ],
)
def test_steps_that_make_no_sense_make_no_event(world: Any, changed: dict[str, Any]) -> None:
    """It is passed over like everything else that is none."""
    world.deploy("dan", GOOD)
    world.deploy("dan", **({"plan": plan_of(0.1)} | changed))
    assert len(world.deployed().events) == 1


def test_a_controller_goes_back_to_what_was_live_and_nowhere_else(world: Any) -> None:
    """A stolen key of that role brings nothing in that people did not deploy before."""
    world.deploy("dan", OTHER)
    world.deploy("dan", GOOD)
    world.deploy("pipeline", THIRD, "rollback")
    assert why(world.deployed()) == "the role controller may only go back to what was live"
    world.deploy("pipeline", action="rollback", plan=[*plan_of(0.5, THIRD)])
    assert why(world.deployed()) == "the role controller may only go back to what was live"
    world.deploy("pipeline", OTHER, "rollback")
    assert live(world.deployed()) == OTHER


def test_a_controller_raises_no_canary_by_rolling_back(world: Any) -> None:
    """Its share grows by the steps that people have signed, and by nothing else."""
    begin(world)
    world.deploy("pipeline", action="rollback", plan=plan_of(0.5))
    assert why(world.deployed()) == "the role controller may only go back to what was live"
    world.deploy("pipeline", action="rollback", plan=plan_of(0.05))
    assert why(world.deployed()) == ""
