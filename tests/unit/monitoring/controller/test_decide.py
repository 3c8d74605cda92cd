"""Every rule of a decision: what rolls back, what waits, what is refused, and where to."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.controller.act import event_of
from monitoring.controller.base import Decision
from monitoring.controller.decide import decide, wants_evidence
from registry.deployment import Placed, encode_deployment
from tests.components.controller import (
    DIGESTS,
    ONE,
    THREE,
    TWO,
    Town,
    alarm_of,
    column,
    evidence_of_town,
    plan_of,
    policy_of,
    shown_of,
)

HOUR = 3600.0


@pytest.fixture
def town() -> Town:
    """ONE was live, TWO is; the cool-down has passed."""
    found = Town()
    found.approve(ONE, TWO, THREE)
    found.deploy(ONE)
    found.clock += HOUR
    found.deploy(TWO)
    found.clock += HOUR
    return found


def decided(town: Town, alarm: Any = None, shown: Any = None, now: float | None = None) -> Decision:
    """By all that the town has."""
    return decide(
        alarm or alarm_of(), shown or shown_of(town), town.ground(), town.clock if now is None else now
    )


def act(town: Town, decision: Decision, alarm: Any = None, shown: Any = None) -> int:
    """The event of a decision, in the log."""
    assert decision.outcome == "roll_back", decision
    shown = shown or shown_of(town)
    event = event_of(decision, alarm or alarm_of(), shown, town.ground(), "robot", town.clock)
    offset = town.append("robot", encode_deployment(event))
    assert town.ground().deployed.last.offset == offset, town.ground().deployed.events[-1].void  # type: ignore[union-attr]
    return offset


def test_live_goes_back_to_what_was_live_before(town: Town) -> None:
    """With the event that it follows, and the reason."""
    found = decided(town)
    last = town.ground().deployed.last
    assert last is not None
    assert (found.outcome, found.to, found.after) == ("roll_back", ONE, last.offset)
    assert found.plan == (Placed(digest=ONE),)
    assert found.why == f"{TWO} as live drifted (prediction: score:p)"
    act(town, found)
    assert town.ground().deployed.plan == (Placed(digest=ONE),)


def test_the_evidence_is_asked_for_only_when_it_would_matter(town: Town) -> None:
    """Reading the log is work; who cannot be rolled back is not read about."""
    assert wants_evidence(decide(alarm_of(), None, town.ground(), town.clock))
    assert not wants_evidence(decide(alarm_of(severity="warn"), None, town.ground(), town.clock))
    assert not wants_evidence(decide(alarm_of(ONE), None, town.ground(), town.clock))


@pytest.mark.parametrize(
    ("changed", "outcome", "why"),
    [
        ({"status": "resolved"}, "pass", "it is resolved"),
        ({"severity": "warn"}, "pass", "a warning rolls nothing back"),
        ({"digest": ONE[7:]}, "pass", "is not live for credit now"),
        ({"digest": ONE[7:], "cause": "slo"}, "pass", "is not live for credit now"),
        ({"cause": "slo"}, "refuse", "not for slo"),
        ({"service": "cards"}, "refuse", "no policy in force has cards"),
        ({"digest": "ff" * 6}, "refuse", "is not live for credit now"),
        ({"digest": ""}, "refuse", "is not live for credit now"),
        ({"digest": ONE[7:], "slot": "canary"}, "refuse", "is not canary for credit now"),
        ({"slot": "canary"}, "refuse", "is not canary for credit now"),
    ],
)
def test_alarms_that_change_nothing(town: Town, changed: dict[str, Any], outcome: str, why: str) -> None:
    """Whatever the evidence says: late ones and warnings, and, which people are told, of what the policy does not roll
    back for, or of what never answered.
    """
    given = town.ground() if changed.get("service") is None else town.grounds().ground("cards", town.clock)
    found = decide(alarm_of(**changed), shown_of(town), given, town.clock)
    assert found.outcome == outcome
    assert why in found.why
    assert found.plan == ()


def test_a_short_digest_that_means_two_means_none(town: Town) -> None:
    """The label has 12 digits."""
    twin = THREE[:40] + "0" * 31
    canaries = [Placed(digest=each, slot="canary", weight=0.25) for each in (THREE, twin)]
    town.deploy([Placed(digest=TWO, weight=0.5), *canaries])
    town.clock += HOUR
    shown = shown_of(town, THREE, slot="canary")
    assert decided(town, alarm_of(THREE, slot="canary"), shown).outcome == "roll_back"
    assert decided(town, alarm_of(THREE[:19], slot="canary"), shown).outcome == "refuse"


@pytest.mark.parametrize(
    ("rollback", "why"), [("", "lets nothing roll credit back"), ("{causes: [input]}", "not for prediction")]
)
def test_what_the_policy_does_not_allow_is_not_done(rollback: str, why: str) -> None:
    """Nothing is rolled back by itself unless it says so."""
    town = Town(policy_of(rollback))
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    town.clock += HOUR
    found = decided(town)
    assert found.outcome == "refuse"
    assert why in found.why


def test_dry_run_says_what_it_would_do() -> None:
    """And where to."""
    town = Town(policy_of("{causes: [prediction], dry_run: true, cooldown_minutes: 0}"))
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    found = decided(town)
    assert (found.outcome, found.to) == ("dry_run", ONE)


def test_a_canary_goes_and_live_stays(town: Town) -> None:
    """Its share goes to live; a shadow stays."""
    town.deploy(plan_of(TWO, canary=THREE, shadow=ONE))
    town.clock += HOUR
    alarm, shown = alarm_of(THREE, slot="canary"), shown_of(town, THREE, slot="canary")
    found = decided(town, alarm, shown)
    assert found.plan == (Placed(digest=TWO), Placed(digest=ONE, slot="shadow"))
    assert found.to == TWO
    act(town, found, alarm, shown)
    town.clock += HOUR
    alarm, shown = alarm_of(ONE, slot="shadow"), shown_of(town, ONE, slot="shadow")
    found = decided(town, alarm, shown)
    assert found.plan == (Placed(digest=TWO),)
    act(town, found, alarm, shown)


def test_live_that_drifts_takes_its_canary_with_it(town: Town) -> None:
    """It was compared with what is gone."""
    town.deploy(plan_of(TWO, canary=THREE))
    town.clock += HOUR
    assert decided(town).plan == (Placed(digest=ONE),)


def test_never_below_approval(town: Town) -> None:
    """The newest that was live and may be: not one that was revoked, has expired, or is not in the store."""
    town.deploy(THREE)
    town.clock += HOUR
    alarm = alarm_of(THREE)
    assert decided(town, alarm, shown_of(town, THREE)).to == TWO
    town.revoke(TWO)
    assert decided(town, alarm, shown_of(town, THREE)).to == ONE
    town.gone.add(ONE)
    found = decided(town, alarm, shown_of(town, THREE))
    assert found.outcome == "refuse"
    assert "revoked: no" in found.why
    assert "the store does not give it" in found.why
    town.gone.clear()
    town.clock += 11 * 24 * HOUR
    assert "has expired" in decided(town, alarm, shown_of(town, THREE)).why


@pytest.mark.parametrize(
    ("log", "machine", "outcome"),
    [(600, -600, "refuse"), (-600, 600, "refuse"), (-1200, -600, "roll_back"), (-600, -1200, "roll_back")],
)
def test_what_has_expired_by_one_of_two_clocks_has(log: float, machine: float, outcome: str) -> None:
    """Seconds since, or until, the approvals' end: it is enough that either says so."""
    town = Town()
    begun = town.clock
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.clock = begun + 10 * 24 * HOUR + log - 60
    town.deploy(TWO)
    town.clock += 60
    town.pause()
    town.pause("resume")  # what was recorded last
    at = begun + 10 * 24 * HOUR + machine
    found = decide(alarm_of(), shown_of(town), town.grounds().ground("credit", at), at)
    assert found.outcome == outcome, found.why
    assert ("has expired" in found.why) == (outcome == "refuse")


def test_nothing_to_go_back_to() -> None:
    """The first package of a service stays, and people are told."""
    town = Town()
    town.approve(ONE)
    town.deploy(ONE)
    town.clock += HOUR
    found = decided(town, alarm_of(ONE), shown_of(town, ONE))
    assert (found.outcome, found.why) == ("refuse", "there is nothing to go back to")


def test_an_alarm_is_acted_on_once(town: Town) -> None:
    """Neither again when a person deploys the digest again, nor under another name for the same cause."""
    act(town, decided(town))
    town.clock += HOUR
    town.deploy(TWO)
    town.clock += HOUR
    assert "this alarm was acted on" in decided(town).why
    again = decided(town, alarm_of(fingerprint="f2", starts_at=town.clock))
    assert again.outcome == "refuse"
    assert "whoever deployed it again knows" in again.why
    other = decided(town, alarm_of(fingerprint="f3", cause="input"))
    assert (other.outcome, other.to) == ("roll_back", ONE)


def test_not_to_what_was_left_for_the_same_cause(town: Town) -> None:
    """Whoever deployed it again has not mended that."""
    act(town, decided(town))
    town.clock += HOUR
    for digest in (TWO, THREE):
        town.deploy(digest)
        town.clock += HOUR
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).to == ONE
    assert decided(town, alarm_of(THREE, cause="input"), shown_of(town, THREE)).to == TWO


def test_not_to_what_a_rollback_has_left(town: Town) -> None:
    """Whoever rolled it back, and for whatever reason, until a person deploys it again."""
    town.deploy(ONE, "rollback")
    town.clock += HOUR
    found = decided(town, alarm_of(ONE), shown_of(town, ONE))
    assert (found.outcome, found.why) == (
        "refuse",
        f"there is nothing to go back to: {TWO}: a rollback has left it",
    )
    town.deploy(TWO)
    town.deploy(THREE)
    town.clock += HOUR
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).to == TWO


def test_a_bad_version_goes_in_the_minutes_after_its_deployment() -> None:
    """By the defaults of a policy: whoever deployed it, or made it live by a promotion or a rollout's last step."""
    from registry.deployment import Steps

    town = Town(policy_of("{causes: [prediction]}"))
    town.approve(ONE, TWO, THREE)
    town.deploy(ONE)
    town.deploy(TWO)
    town.clock += 60
    assert decided(town).to == ONE
    town.deploy(plan_of(TWO, canary=THREE))
    town.deploy(THREE, "promote")
    town.clock += 60
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).to == TWO
    town.deploy(TWO)
    town.deploy(plan_of(TWO, canary=THREE), steps=Steps(shares=[1.0], seconds=1))
    town.clock += 2
    town.deploy(THREE, "step", "robot")
    assert town.ground().deployed.events[-1].void is None
    town.clock += 60
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).to == TWO


def test_cool_down_after_a_rollback(town: Town) -> None:
    """By the log's own times; it says when it ends. A person's deployment meanwhile ends none."""
    town.deploy(THREE)
    town.clock += 60
    at = town.clock
    act(town, decided(town, alarm_of(THREE), shown_of(town, THREE)), alarm_of(THREE), shown_of(town, THREE))
    other = alarm_of(TWO, fingerprint="f2")
    town.clock += 29 * 60
    found = decided(town, other, shown_of(town))
    assert (found.outcome, found.again) == ("wait", at + 1800)
    assert "was rolled back" in found.why
    assert "the cool-down is 30 min" in found.why
    # A clock that is ten minutes ahead of the log's, which is not too far, ends no cool-down by that.
    assert decided(town, other, shown_of(town), town.clock + 600).outcome == "wait"
    town.deploy(DIGESTS[3])
    assert decided(town, alarm_of(DIGESTS[3]), shown_of(town, DIGESTS[3])).again == at + 1800
    town.deploy(TWO)
    town.clock += 61
    assert decided(town, other, shown_of(town)).to == ONE


def test_a_person_s_rollback_begins_a_cool_down(town: Town) -> None:
    """Somebody is at work on it; what is to come back has its time to do so."""
    town.deploy(THREE)
    town.deploy(TWO, "rollback")
    town.clock += 60
    assert decided(town).outcome == "wait"
    town.clock += 1800
    assert decided(town).to == ONE


def test_at_most_so_many_a_day(town: Town) -> None:
    """People's count, too; the oldest of them frees a place."""
    for digest in (ONE, TWO, ONE):
        town.deploy(digest, "rollback")
        town.clock += HOUR
    town.deploy(THREE)
    town.clock += HOUR
    found = decided(town, alarm_of(THREE), shown_of(town, THREE))
    assert found.outcome == "wait"
    assert "rolled back 3 times in 24 h" in found.why
    assert found.again is not None
    town.clock = found.again - 1
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).outcome == "wait"
    town.clock = found.again
    assert decided(town, alarm_of(THREE), shown_of(town, THREE)).outcome != "wait"


def test_paused_it_waits(town: Town) -> None:
    """And goes on when somebody resumes."""
    town.pause()
    found = decided(town)
    assert (found.outcome, found.why) == ("wait", "credit is paused")
    town.pause("resume")
    assert decided(town).outcome == "roll_back"


def test_a_clock_ahead_shortens_no_cool_down(town: Town) -> None:
    """What the log has not seen pass has not passed."""
    town.deploy(THREE)
    town.deploy(TWO, "rollback")
    town.clock += 60
    assert decided(town, now=town.clock + 1799).outcome == "wait"


def test_a_clock_behind_signs_nothing(town: Town) -> None:
    """The log would not let it count."""
    found = decided(town, now=town.clock - 1801)
    assert found.outcome == "wait"
    assert "s behind the log's" in found.why


def test_a_clock_ahead_signs_nothing(town: Town) -> None:
    """Nor this: three void events would keep another controller from acting, too, whose clock is right."""
    found = decided(town, now=town.clock + 1801)
    assert found.outcome == "wait"
    assert "s ahead of the log's" in found.why
    assert decided(town, now=town.clock + 1799).outcome == "roll_back"


def test_events_that_came_to_nothing_are_tried_again_and_not_for_ever(town: Town) -> None:
    """Three; then people are asked."""
    for number in range(3):
        found = decided(town)
        assert found.outcome == "roll_back", number
        event = event_of(found, alarm_of(), shown_of(town), town.ground(), "robot", town.clock - 2 * HOUR)
        town.append("robot", encode_deployment(event))
        assert town.ground().deployed.events[-1].void is not None
        town.clock += 1
    found = decided(town)
    assert found.outcome == "refuse"
    assert "3 events of this alarm came to nothing: it was appended an hour or more" in found.why


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"digest": ONE}, "the evidence is of credit"),
        ({"slot": "canary"}, "the evidence is of credit"),
        ({"policy": "sha256:" + "00" * 32}, "by another policy"),
        ({"window_rows": 999}, "has 999 rows, and 1000 are wanted"),
        ({"columns": [column("score:p", "warn"), column("age")]}, "does not page for prediction"),
        ({"columns": []}, "does not page for prediction"),
    ],
)
def test_evidence_that_does_not_carry_it(town: Town, changed: dict[str, Any], why: str) -> None:
    """The monitor's word is nothing: what was computed again must page by itself, for that cause."""
    digest = changed.pop("digest", TWO)
    found = decided(town, shown=shown_of(town, digest, **changed))
    assert found.outcome == "wait"
    assert why in found.why


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"begun": -1.0}, "begins before"),
        ({"ended": -1.0}, "ends before the service's newest event"),
    ],
)
def test_evidence_of_another_time_is_none(town: Town, times: dict[str, float], why: str) -> None:
    """What was recorded before the package was placed, or before the newest event, says nothing of what answers now."""
    last = town.ground().deployed.last
    assert last is not None
    given = {name: last.logged / 1000 + value for name, value in times.items()}
    found = decided(town, shown=shown_of(town, **given))
    assert found.outcome == "wait"
    assert why in found.why


def test_the_place_counts_from_when_the_package_came_into_its_slot(town: Town) -> None:
    """Another canary's coming does not make the live package's evidence older."""
    begun = town.clock
    town.clock += HOUR
    town.deploy(plan_of(TWO, canary=THREE))
    town.clock += HOUR
    assert decided(town, shown=shown_of(town, begun=begun)).outcome == "roll_back"
    town.deploy(ONE)
    town.deploy(TWO)
    town.clock += HOUR
    assert "begins before" in decided(town, shown=shown_of(town, begun=begun)).why


def test_an_old_story_is_none(town: Town) -> None:
    """The log went on for hours after the evidence."""
    from dataclasses import replace

    shown = replace(shown_of(town, ended=town.clock - 2 * HOUR + 10), behind=5000)
    last = town.ground().deployed.last
    assert last is not None
    town.clock += 3 * HOUR
    shown = replace(shown, newest=town.clock)
    assert "after the evidence" in decided(town, shown=replace(shown, ended=town.clock - 2 * HOUR)).why
    quiet = replace(shown, ended=town.clock - 2 * HOUR, behind=100)
    assert decided(town, shown=quiet).outcome == "roll_back"


def test_what_cannot_be_computed_again_is_left_to_people() -> None:
    """Whatever the policy's causes are."""
    town = Town(policy_of("{causes: [performance], cooldown_minutes: 0}"))
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    found = decided(town, alarm_of(cause="performance"))
    assert found.outcome == "refuse"
    assert "people decide" in found.why


def test_evidence_survives_its_way_through_the_log(town: Town) -> None:
    """Bit for bit."""
    from monitoring.controller.said import because_of

    act(town, decided(town))
    because = because_of(town.ground().deployed.counted[-1])
    assert because is not None
    assert because.evidence == evidence_of_town(town)
    assert [(each.partition, each.first, each.end) for each in because.ranges] == [(0, 1024, 1536)]
    assert because.alert.annotations == {}
