"""Rollbacks for the cause `slo`: what the policy must say, what the evidence must be, and when people decide."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.burns import BurnSaid
from monitoring.controller.act import event_of
from monitoring.controller.base import Decision, Shown
from monitoring.controller.decide import decide, to_retrain, wants_evidence
from monitoring.controller.said import BecauseSlo, because_of
from registry.deployment import encode_deployment
from tests.components.controller import (
    ONE,
    THREE,
    TWO,
    Town,
    alarm_of,
    burns_of_town,
    burnt_of,
    plan_of,
    policy_of,
    shown_of,
)

HOUR = 3600.0


@pytest.fixture
def town() -> Town:
    """THREE was live, then ONE; TWO is, and its objectives may roll it back."""
    found = Town(policy_of("{causes: [slo], cooldown_minutes: 30}", ", retrain: true"))
    found.approve(ONE, TWO, THREE)
    for digest in (THREE, ONE, TWO):
        found.deploy(digest)
        found.clock += HOUR
    return found


def decided(town: Town, shown: Shown | None, digest: str = TWO, **alarm: Any) -> Decision:
    """About an alarm of an objective."""
    return decide(alarm_of(digest, cause="slo", **alarm), shown, town.ground(), town.clock)


def act(town: Town, digest: str = TWO) -> None:
    """Rolled back, by the controller."""
    shown, alarm = burnt_of(town, digest), alarm_of(digest, cause="slo")
    decision = decide(alarm, shown, town.ground(), town.clock)
    assert decision.outcome == "roll_back", decision
    event = event_of(decision, alarm, shown, town.ground(), "robot", town.clock)
    town.append("robot", encode_deployment(event))


def test_what_breaks_its_objectives_goes(town: Town) -> None:
    """Live to the version before; and the event has the burn rates, bit for bit."""
    assert wants_evidence(decided(town, None))
    found = decided(town, burnt_of(town))
    assert (found.outcome, found.to) == ("roll_back", ONE)
    assert found.why == f"{TWO} as live broke its objectives (slo: latency)"
    shown = burns_of_town(town)
    act(town)
    because = because_of(town.ground().deployed.counted[-1])
    assert isinstance(because, BecauseSlo)
    assert because.evidence == shown
    assert [(each.first, each.end) for each in because.ranges] == [(1024, 1536)]


def test_a_canary_that_breaks_them_goes_and_live_stays(town: Town) -> None:
    """Its own place, its own evidence."""
    town.deploy(plan_of(TWO, canary=THREE))
    town.clock += HOUR
    found = decided(town, burnt_of(town, THREE, slot="canary"), THREE, slot="canary")
    assert (found.outcome, found.to) == ("roll_back", TWO)


def test_only_where_the_policy_says_so() -> None:
    """Off unless it is chosen."""
    town = Town(policy_of("{cooldown_minutes: 0}"))
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    found = decided(town, burnt_of(town))
    assert found.outcome == "refuse"
    assert found.why == "the policy rolls back for prediction, not for slo"


def silent(rate: str = "short_bad", value: int = 0) -> BurnSaid:
    """A rate that does not page."""
    return burns_of_town(Town()).burns[0].model_copy(update={rate: value, "pages": False})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"burns": [silent()]}, "what the log has does not page for slo"),
        ({"burns": []}, "what the log has does not page for slo"),
        ({"rows": 999}, "the evidence has 999 rows, and 1000 are wanted"),
        ({"since": 1}, "leaves out some of the time since"),
        ({"slot": "canary"}, f"the evidence is of credit {TWO} canary"),
        ({"policy": "sha256:" + "00" * 32}, "by another policy"),
        ({"begun": 1.0}, "begins before"),
        ({"ended": 1.0}, "ends before the service's newest event"),
    ],
)
def test_evidence_that_does_not_carry_it(town: Town, changed: dict[str, Any], why: str) -> None:
    """It waits for other evidence."""
    found = decided(town, burnt_of(town, **changed))
    assert found.outcome == "wait"
    assert why in found.why


def test_evidence_of_one_kind_is_none_of_the_other(town: Town) -> None:
    """A drifted score breaks no objective, and a slow package has not drifted."""
    assert "does not page for slo" in decided(town, shown_of(town)).why
    town.set_policy(policy_of())
    town.approve(ONE, TWO)
    found = decide(alarm_of(), burnt_of(town), town.ground(), town.clock)
    assert (found.outcome, found.why) == ("wait", "what the log has does not page for prediction")


def test_what_came_by_a_rollback_for_its_objectives_is_left_to_people(town: Town) -> None:
    """Two packages in a row that are too slow: it is the machine, or the callers. One step, not down the ladder."""
    act(town)
    town.clock += HOUR
    found = decided(town, burnt_of(town, ONE), ONE, fingerprint="f2")
    assert found.outcome == "refuse"
    assert "another package mends nothing" in found.why
    town.deploy(TWO)  # a person's word, and another's after it
    town.clock += HOUR
    town.deploy(ONE)
    town.clock += HOUR
    assert decided(town, burnt_of(town, ONE), ONE, fingerprint="f3").outcome == "roll_back"


def test_the_same_digest_once(town: Town) -> None:
    """Whoever deployed it again knows that it is slow."""
    act(town)
    town.clock += HOUR
    town.deploy(TWO)
    town.clock += HOUR
    found = decided(town, burnt_of(town), fingerprint="f2", starts_at=town.clock)
    assert found.outcome == "refuse"
    assert "whoever deployed it again knows" in found.why


def test_nothing_is_trained_anew_for_being_slow(town: Town) -> None:
    """Retraining is for what has drifted."""
    assert to_retrain(alarm_of(), town.ground()) is not None
    assert to_retrain(alarm_of(cause="slo"), town.ground()) is None
