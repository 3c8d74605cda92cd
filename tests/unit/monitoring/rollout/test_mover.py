"""Steps on a real governance log: taken while the comparison holds, taken back when it does not, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from audit.governance import Governance
from audit.log.local import LocalLog
from monitoring.asked import Asked
from monitoring.controller.act import appender
from monitoring.controller.ground import Follower
from monitoring.panes import LATENCY_BOUNDS
from monitoring.rollout.mover import Mover, RolloutWaits
from monitoring.rollout.stuck import Stuck
from registry.deployment import Deployed, Placed, Rollout, Steps
from registry.policy import parse_policy
from tests.components.controller import KEYS, ONE, THREE, TWO, Town, plan_of

POLICY = """
format: 1
change: {{roles: {{policy: 1}}}}
services:
  credit:
    gates: {{documentation: {{}}}}
    approvals: {{roles: {{legal: 1}}, valid_days: 10, publisher_may_approve: true}}
    canary: {{maximum_weight: 0.5{rollout}}}
"""


class Stage:
    """ONE is live, TWO is a canary at 25 % with steps to 50 % and all, ten minutes apart."""

    def __init__(self, directory: Path, rollout: str = ", rollout: {minimum_requests: 100}") -> None:
        self.town = Town(parse_policy(POLICY.format(rollout=rollout).encode()))
        self.town.approve(ONE, TWO)
        self.town.deploy(ONE)
        self.offset = self.town.deploy(plan_of(ONE, TWO), steps=Steps(shares=[0.5, 1.0], seconds=600.0))
        self.log: LocalLog = self.town.write(directory)
        self.age = 5.0
        """Seconds of the newest pane."""
        self.found: dict[str, Any] | None = self.comparison()
        self.each: dict[str, dict[str, Any]] = {}
        """Of several canaries, by digest."""
        self.append = appender(Governance(self.log, KEYS["robot"], lambda: int(self.town.clock * 1e9)))
        self.mover = self.another()

    def another(self) -> Mover:
        """A second one, or the same after a restart."""
        follower = Follower(self.log, self.town.root, self.town.publisher)

        def fetch(_: str, digest: str | None) -> dict[str, Any] | None:
            if digest is not None:
                return self.each.get(digest)
            rollout, newest = self.deployed().canary, round(1000 * (self.town.clock - self.age))
            assert rollout is not None
            return None if self.found is None else {"moved": rollout.moved, "newest": newest} | self.found

        return Mover(follower, fetch, self.append, KEYS["robot"].id, lambda: self.town.clock)

    def comparison(self, errors: int = 0, requests: int = 4000, **changed: Any) -> dict[str, Any]:
        """What a monitor tells: so many of the canary's requests have failed."""
        sides = {}
        for slot, failed in (("canary", errors), ("live", 0)):
            side = Asked(rows=requests, scores=(np.full(20, requests // 20),))
            side.latency = np.zeros(len(LATENCY_BOUNDS) + 1, np.int64)
            side.latency[10] = requests
            side.count({200: requests - failed, 500: failed})
            sides[slot] = side.written()
        return {
            "digest": TWO, "offset": self.offset, "effect": 1.0, "sides": sides, "topic": "ab" * 16,
            "pane_records": 256, "ranges": [[0, 512, 4096], [1, 0, 4096]], "waiting": 0, "reached": {}, "pages": [],
        } | changed  # fmt: skip

    def bring(self, value: bytes) -> None:
        """An entry into the log, as it stands there: behind what the controller has written."""
        writer = self.log.writer(0)
        writer.send(value, b"")
        while not writer.delivered().sends:
            writer.wait(1)
        writer.close()

    def deploy_on(self, plan: list[Placed]) -> None:
        """By a person, after what stands in the log."""
        last = self.deployed().last
        assert last is not None
        entries = len(self.town.entries)
        self.town.deploy(plan, after=last.offset)
        self.bring(self.town.entries[entries].value or b"")
        newest = self.deployed().last
        assert newest is not None
        self.offset = newest.offset

    def deployed(self) -> Deployed:
        """By the log."""
        return Follower(self.log, self.town.root, self.town.publisher).read_on().services()["credit"]

    def standing(self) -> tuple[Deployed, Rollout]:
        """As the mover has it."""
        deployed = self.mover._follower.read_on().services()["credit"]
        return deployed, deployed.canaries[0]

    def shares(self) -> list[tuple[str, float]]:
        """What answers."""
        return [(each.slot, each.weight) for each in self.deployed().plan]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """As the rollout begins."""
    return Stage(tmp_path)


def test_it_moves_on_in_time_to_the_end(stage: Stage) -> None:
    """Step by step, each signed by the controller with what it was compared by; once through, nothing more."""
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]
    for wanted in ([("live", 0.5), ("canary", 0.5)], [("live", 1.0)], [("live", 1.0)]):
        stage.town.clock += 601
        stage.mover.step()
        stage.mover.step()
        assert stage.shares() == wanted
    events = stage.deployed().counted
    assert [each.content.action for each in events] == ["deploy", "deploy", "step", "step"]
    assert stage.deployed().last is not None
    assert events[-1].content.live == TWO
    assert events[-1].role == "controller"
    evidence = events[-1].content.evidence or {}
    assert (evidence["kind"], evidence["policy"]) == ("rollout", stage.town.policy.digest)
    assert evidence["comparison"]["ranges"] == [[0, 512, 4096], [1, 0, 4096]]
    assert evidence["comparison"]["sides"]["canary"]["statuses"] == {"200": 4000, "500": 0}
    assert [each["what"] for each in evidence["questions"]] == [
        "share of failed requests", "share of refused requests", "median time", "99th percentile of time",
        "distance of scores",
    ]  # fmt: skip
    assert all(each["at_most"] <= each["shown"] for each in evidence["questions"])


def test_a_worse_canary_is_taken_back_at_once(stage: Stage) -> None:
    """What is live stays."""
    stage.found = stage.comparison(errors=400)
    stage.mover.step()
    last = stage.deployed().last
    assert last is not None
    assert (last.content.action, last.content.live, len(last.content.plan)) == ("rollback", ONE, 1)
    assert "share of failed requests" in last.content.reason
    assert stage.deployed().canary is None


def test_two_movers_take_one_step(stage: Stage) -> None:
    """Both saw the same; the log lets one count."""
    other = stage.another()
    stage.town.clock += 601
    stage.mover.step()
    other.step()
    assert stage.shares() == [("live", 0.5), ("canary", 0.5)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"requests": 99}, "99 requests of the canary were seen"),
        ({"requests": 400}, "share of failed requests: not shown yet"),
        ({"pages": ["age"]}, "its drift pages: age"),
        ({"waiting": 17}, "17 panes were not judged yet"),
        ({"newest": 0}, "no pane of this step was judged yet"),
        ({"newest": -1}, "is no comparison: newest: "),
        ({"ranges": [[0, 1]]}, "is no comparison: ranges"),
        ({"moved": 1}, "the monitor has nothing of this step yet"),
        ({"offset": 1}, "the monitor has nothing of this step yet"),
        ({"digest": ONE}, "the monitor has nothing of this step yet"),
        ({"effect": "much"}, "is no comparison"),
        ({"sides": {}}, "is no comparison: sides: there is no 'canary'"),
    ],
)
def test_it_waits_when_too_little_is_known(stage: Stage, change: dict[str, Any], told: str) -> None:
    """And when the monitor tells of something else, or nonsense."""
    stage.town.clock += 601
    stage.found = stage.comparison(**change)
    with pytest.raises(RolloutWaits, match=told):
        stage.mover._about(*stage.standing())
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]


@pytest.mark.parametrize("age", [301.0, -301.0])
def test_figures_of_another_time_move_nothing(stage: Stage, age: float) -> None:
    """A monitor that reads no more tells of a canary that was good; so may a log whose clock is ahead. What was bad by
    them was bad.
    """
    stage.town.clock += 601
    stage.age = age
    with pytest.raises(RolloutWaits, match="s old by the clock here; 300 s are the most"):
        stage.mover._about(*stage.standing())
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]
    stage.age = age - age / 100
    stage.mover.step()
    assert stage.shares() == [("live", 0.5), ("canary", 0.5)]
    stage.found, stage.age = stage.comparison(errors=400), age
    stage.mover.step()
    assert stage.shares() == [("live", 1.0)]
    assert stage.deployed().plan[0].digest == ONE


WEEK = 7 * 86_400.0
"""Of a policy that does not say how long."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"requests": 400}, "share of failed requests: not shown yet"),
        ({"requests": 99}, "99 requests of the canary were seen"),
        ({"pages": ["age"]}, "its drift pages: age"),
    ],
)
def test_a_step_that_is_waited_for_too_long_is_given_up(
    stage: Stage, change: dict[str, Any], told: str
) -> None:
    """A week after its time, not before; the event says so, and what was still waited for."""
    stage.found = stage.comparison(**change)
    stage.town.clock += 600 + WEEK - 10
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]
    stage.town.clock += 20
    stage.mover.step()
    last = stage.deployed().last
    assert last is not None
    assert (last.content.action, last.content.live, len(last.content.plan)) == ("rollback", ONE, 1)
    assert last.content.reason.startswith(f"given up 168 h after its step's time: {told}")
    assert (last.content.evidence or {})["given_up"] is True


def test_a_step_is_given_up_when_the_policy_says(tmp_path: Path) -> None:
    """Not the week of the others. A canary that is shown to be good moves on however late."""
    stage = Stage(tmp_path, ", rollout: {minimum_requests: 100, give_up_after_hours: 1}")
    stage.town.clock += 600 + 7200
    stage.mover.step()
    assert stage.shares() == [("live", 0.5), ("canary", 0.5)]
    stage.found = stage.comparison(requests=400)
    stage.town.clock += 600 + 3590
    stage.mover.step()
    assert stage.shares() == [("live", 0.5), ("canary", 0.5)]
    stage.town.clock += 20
    stage.mover.step()
    last = stage.deployed().last
    assert last is not None
    assert (stage.shares(), last.content.live) == ([("live", 1.0)], ONE)
    assert last.content.reason.startswith("given up 1 h after")


@pytest.mark.parametrize("change", [{"waiting": 17}, {"newest": 0}, {"newest": 1}])
def test_figures_of_another_time_give_up_nothing(stage: Stage, change: dict[str, Any]) -> None:
    """A monitor that comes back after a long time has to read on before anybody knows what its canary is like."""
    stage.found = stage.comparison(requests=400, **change)
    stage.town.clock += 600 + WEEK + 10
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]
    stage.found = stage.comparison(requests=400)
    stage.mover.step()
    assert stage.shares() == [("live", 1.0)]


def test_a_step_that_nobody_lets_be_taken_is_given_up(stage: Stage) -> None:
    """The canary was good, and its approval was taken away: for a week people can sign again."""
    stage.town.clock += 601
    stage.mover.step()
    entries = len(stage.town.entries)
    stage.town.revoke(TWO)
    stage.bring(stage.town.entries[entries].value or b"")
    stage.town.clock += 600 + WEEK + 10
    stage.mover.step()
    last = stage.deployed().last
    assert last is not None
    assert (stage.shares(), last.content.live) == ([("live", 1.0)], ONE)
    assert "the next step makes it live, and it may not be" in last.content.reason


def test_a_canary_without_steps_may_go_back_and_no_further(stage: Stage) -> None:
    """Somebody tries it on some, for as long as they like: it is watched all the same."""
    stage.mover.step()
    stage.town.clock += 10
    stage.deploy_on(plan_of(ONE, TWO))
    stage.found = stage.comparison()
    stage.town.clock += 100_000
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]
    with pytest.raises(RolloutWaits, match="no step is left"):
        stage.mover._about(*stage.standing())
    stage.found = stage.comparison(errors=400)
    stage.mover.step()
    assert stage.shares() == [("live", 1.0)]
    assert stage.deployed().plan[0].digest == ONE


def test_of_several_canaries_each_is_taken_back_by_itself(stage: Stage) -> None:
    """The one that fails; its share goes to live, and the other is compared anew, alone from then on."""
    stage.town.approve(THREE)
    for entry in stage.town.entries[-3:]:
        stage.bring(entry.value or b"")
    several = [
        Placed(digest=ONE, weight=0.5), Placed(digest=TWO, slot="canary", weight=0.25),
        Placed(digest=THREE, slot="canary", weight=0.25),
    ]  # fmt: skip
    stage.deploy_on(several)
    since = stage.deployed().canaries[0].moved
    newest = round(1000 * stage.town.clock)
    stage.each = {
        digest: stage.comparison(errors, digest=digest, moved=since, newest=newest)
        for digest, errors in ((TWO, 0), (THREE, 400))
    }
    stage.mover.step()
    assert stage.deployed().plan == (
        Placed(digest=ONE, weight=0.75), Placed(digest=TWO, slot="canary", weight=0.25),
    )  # fmt: skip
    last = stage.deployed().last
    assert last is not None
    assert (last.content.action, last.role) == ("rollback", "controller")
    assert (last.content.evidence or {})["comparison"]["digest"] == THREE
    canary = stage.deployed().canary
    assert canary is not None
    assert (canary.digest, canary.offset, canary.alone) == (TWO, last.offset, True)
    # Both at once: one event a look, each of the plan that the one before it has left.
    stage.found = stage.comparison(errors=400, offset=last.offset)
    stage.mover.step()
    assert stage.shares() == [("live", 1.0)]
    assert [each.void for each in stage.deployed().events] == [None] * 5


def test_the_last_step_needs_all_that_live_needs(stage: Stage) -> None:
    """A canary whose approval was taken away on its way stays where it is."""
    stage.town.clock += 601
    stage.mover.step()
    entries = len(stage.town.entries)
    stage.town.revoke(TWO)
    stage.bring(stage.town.entries[entries].value or b"")
    stage.town.clock += 601
    stage.mover.step()
    assert stage.shares() == [("live", 0.5), ("canary", 0.5)]


def test_without_limits_in_the_policy_nothing_moves_by_itself(tmp_path: Path) -> None:
    """Nobody said what is good enough."""
    stage = Stage(tmp_path, rollout="")
    stage.town.clock += 601
    stage.mover.step()
    assert stage.shares() == [("live", 0.75), ("canary", 0.25)]


def test_a_canary_that_answers_the_opposite_is_taken_back(stage: Stage) -> None:
    """As sure of itself as live is, and of the contrary."""
    assert stage.found is not None
    falling = np.linspace(400, 0, 20).astype(int)
    stage.found["sides"]["live"]["scores"] = [falling.tolist()]
    stage.found["sides"]["canary"]["scores"] = [falling[::-1].tolist()]
    stage.mover.step()
    last = stage.deployed().last
    assert last is not None
    assert last.content.action == "rollback"
    assert "distance of scores" in last.content.reason


def test_what_is_waited_for_is_told_once(stage: Stage) -> None:
    """Not at each look, with other numbers; something else is told, and the same again after it."""
    stage.town.clock += 601
    with structlog.testing.capture_logs() as told:
        for requests in (20, 40, 60, 80):
            stage.found = stage.comparison(requests=requests)
            stage.mover.step()
        stage.found = None
        stage.mover.step()
        stage.found = stage.comparison(requests=100)
        stage.mover.step()
    said = [each["what"] for each in told if each["event"] == "rollout"]
    assert [each.partition(" requests")[0] for each in said] == [
        "20", "the monitor has nothing of this step yet", "share of failed",
    ]  # fmt: skip
    assert "not shown yet" in said[0]


def test_an_event_that_changes_nothing_is_not_tried_again_at_once(stage: Stage) -> None:
    """A clock that is ahead of the log's would fill the log with them: all gateways read it."""
    stage.found = stage.comparison(errors=400)
    log_clock = stage.town.clock
    stage.append = appender(Governance(stage.log, KEYS["robot"], lambda: int(log_clock * 1e9)))
    stage.town.clock += 2 * 3600
    stage.log._clock = lambda: int(log_clock * 1e9)
    mover = stage.another()
    for _ in range(5):
        mover.step()
        stage.town.clock += 2
    assert len(stage.deployed().events) == 3
    stage.town.clock += 60
    mover.step()
    assert len(stage.deployed().events) == 4


@pytest.mark.parametrize(
    ("change", "rollout", "stuck"),
    [
        ({"requests": 99}, True, False),
        ({"moved": 1}, True, True),
        ({"sides": {}}, True, True),
        ({}, False, True),
    ],
)
def test_what_neither_time_nor_requests_help_is_stuck_and_told_since_when(
    tmp_path: Path, change: dict[str, Any], rollout: bool, stuck: bool
) -> None:
    """A monitor that has nothing of the step, an answer that is none, a policy without limits; not few requests."""
    stage = Stage(tmp_path) if rollout else Stage(tmp_path, "")
    now = [0.0]
    stage.mover.stuck = Stuck(lambda: now[0])  # type: ignore[misc]
    stage.town.clock += 601
    stage.found = stage.comparison(**change)
    for _ in range(3):
        stage.mover.step()
        now[0] += 100
    assert stage.mover.stuck.seconds() == ({"credit": 300.0} if stuck else {})
    (family,) = stage.mover.stuck.collect()
    assert [(each.labels, each.value) for each in family.samples] == (
        [({"service": "credit"}, 300.0)] if stuck else []
    )
    stage.deploy_on([Placed(digest=ONE)])
    stage.mover.step()
    assert stage.mover.stuck.seconds() == {}, "nobody waits for a canary that is gone"
