"""The controller at work on a real governance log: what it appends, what it keeps waiting, and what it says once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogUnavailable
from audit.governance import Governance
from audit.log.local import LocalLog
from audit.show import walk
from monitoring.alerts.routes import MOST_ALERTS
from monitoring.controller.act import appender, retraining_of
from monitoring.controller.base import Shown
from monitoring.controller.ground import Follower
from monitoring.controller.metrics import Gauges
from monitoring.controller.run import Controller
from monitoring.controller.said import because_of
from monitoring.controller.waiting import (
    FORGOTTEN,
    MOST_ALIKE,
    MOST_OF_SERVICE,
    MOST_WAITING,
    REMEMBERED,
    Full,
)
from monitoring.errors import EvidenceUnavailable, EvidenceWrong
from monitoring.names import CONTROLLER_READY, CONTROLLER_WAITING, DECISIONS, ROLLBACKS, WEBHOOKS
from registry.deployment import Deployed, Deployment, Placed, encode_deployment
from registry.errors import RegistryError
from registry.statement import RETRAINING, read
from tests.components.controller import KEYS, ONE, THREE, TWO, Town, alarm_of, column, policy_of, shown_of

HOUR = 3600.0


class Stage:
    """A town with a real log, and a controller whose evidence a test decides about."""

    def __init__(self, directory: Path, town: Town, who: str = "robot") -> None:
        self.town = town
        self.log: LocalLog = town.write(directory)
        self.monotonic = 0.0
        self.asked = 0
        self.give: Callable[[], Shown] = lambda: shown_of(town)
        self.append = appender(Governance(self.log, KEYS[who], lambda: int(town.clock * 1e9)))
        self.sent: list[Any] = []
        self.tell: Callable[[Any], None] = self.sent.append
        self.controller = self.another(who)

    def another(self, who: str = "robot", **more: Any) -> Controller:
        """A second one, or the same after a restart."""
        return Controller(
            Follower(self.log, self.town.root, self.town.publisher),
            self.show,
            lambda bodies: self.append(bodies),  # noqa: PLW0108 - a test puts another in its place
            KEYS[who].id,
            tell=lambda message: self.tell(message),  # noqa: PLW0108
            clock=lambda: self.town.clock,
            monotonic=lambda: self.monotonic,
            **more,
        )

    def show(self, alarm: Any, digest: str, ground: Any) -> Shown:
        self.asked += 1
        assert digest.startswith("sha256:")
        return self.give()

    def deployed(self) -> Deployed:
        """As the log leaves it."""
        grounds = Follower(self.log, self.town.root, self.town.publisher).read_on()
        return grounds.ground("credit", self.town.clock).deployed

    def live(self) -> str:
        """What is live."""
        last = self.deployed().last
        assert last is not None
        return last.content.live

    def end(self) -> int:
        """Entries of the log."""
        reader = self.log.reader()
        try:
            return reader.bounds(0)[1]
        finally:
            reader.close()

    def hear(self, *alarms: Any) -> Any:
        """Heard and decided."""
        found = self.controller.hear(alarms or [alarm_of()])
        self.controller.step()
        return found

    def told(self) -> list[tuple[str, str]]:
        """Outcomes and reasons, newest first."""
        return [(each["outcome"], each["why"]) for each in self.controller.told()]


def town_of(rollback: str | None = None, more: str = "") -> Town:
    """ONE was live, TWO is."""
    town = Town(policy_of(more=more) if rollback is None else policy_of(rollback, more))
    town.approve(ONE, TWO, THREE)
    for digest in (ONE, TWO):
        town.deploy(digest)
        town.clock += HOUR
    return town


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "log", town_of())


def cooling(directory: Path) -> Stage:
    """One whose service a person has just rolled back, from THREE to TWO."""
    town = town_of()
    town.deploy(THREE)
    town.deploy(TWO, "rollback")
    return Stage(directory, town)


def test_an_alarm_becomes_a_signed_event(stage: Stage) -> None:
    """With alert, figures and ranges; and it is counted."""
    assert stage.hear() == {"accepted": 1, "duplicate": 0, "resolved": 0}
    assert stage.live() == ONE
    event = stage.deployed().counted[-1]
    assert (event.person, event.role, event.content.actor) == ("robot", "controller", "robot")
    because = because_of(event)
    assert because is not None
    assert (because.digest, because.to, because.governance_end) == (TWO, ONE, event.offset)
    assert stage.controller.metrics.counted(ROLLBACKS, "credit", "prediction") == 1
    assert stage.controller.metrics.counted(DECISIONS, "credit", "roll_back") == 1
    (told,) = stage.controller.told()
    assert (told["outcome"], told["to"], told["offset"]) == ("roll_back", ONE, event.offset)


def test_a_webhook_that_comes_twice_is_one(stage: Stage) -> None:
    """By what it says and when it began; before it is decided and after."""
    stage.controller.hear([alarm_of()])
    assert stage.controller.hear([alarm_of()])["duplicate"] == 1
    stage.controller.step()
    end = stage.end()
    assert stage.hear(alarm_of())["duplicate"] == 1
    stage.monotonic += 31
    assert stage.hear(alarm_of())["accepted"] == 1
    assert stage.end() == end
    assert stage.told()[0] == ("pass", f"{TWO[7:]} is not live for credit now")


def test_a_false_one_with_a_true_ones_fingerprint_keeps_it_not_out(stage: Stage) -> None:
    """What is told apart is all that it says."""
    stage.controller.hear([alarm_of(ONE, fingerprint="f"), alarm_of(TWO, fingerprint="f")])
    stage.controller.step()
    assert stage.live() == ONE


def test_a_resolved_one_ends_the_waiting(tmp_path: Path) -> None:
    """And does nothing else."""
    stage = cooling(tmp_path / "log")
    stage.hear()
    assert stage.told()[0][0] == "wait"
    assert stage.hear(alarm_of(status="resolved"))["resolved"] == 1
    stage.town.clock += 2 * HOUR
    stage.monotonic += 2 * HOUR
    end = stage.end()
    assert stage.controller.step() is None
    assert stage.end() == end
    assert stage.live() == TWO


def test_a_late_one_does_nothing(stage: Stage) -> None:
    """Its digest was replaced before it came."""
    late = alarm_of()
    stage.town.deploy(THREE)
    stage.log = stage.town.write(stage.log.directory.parent / "later")
    stage.controller = stage.another()
    stage.town.clock += HOUR
    end = stage.end()
    stage.hear(late)
    assert (stage.end(), stage.asked) == (end, 0)
    assert stage.told()[0][0] == "pass"


def deploy(stage: Stage, digest: str) -> None:
    """A person does, now."""
    last = stage.deployed().last
    assert last is not None
    event = Deployment(
        service="credit", action="deploy", plan=[Placed(digest=digest)], after=last.offset, reason="new",
        actor="dan", at=stage.town.clock,
    )  # fmt: skip
    stage.town.append("dan", encode_deployment(event))  # evidence of the town is of this place
    clock = stage.town.clock
    appender(Governance(stage.log, KEYS["dan"], lambda: int(clock * 1e9)))([encode_deployment(event)])


def went(stage: Stage, seconds: float) -> None:
    """Time passes, in small steps."""
    end = stage.monotonic + seconds
    while stage.monotonic < end:
        stage.monotonic += 60
        stage.town.clock += 60
        stage.controller.step()


@pytest.mark.parametrize(
    ("between", "resolved", "live"),
    [(REMEMBERED - 60, False, ONE), (REMEMBERED + 60, False, TWO), (60, True, TWO)],
)
def test_a_late_one_is_looked_at_again_when_its_digest_answers_again(
    stage: Stage, between: float, resolved: bool, live: str
) -> None:
    """Nobody sends an alert again because of a deployment; one that goes on firing is not forgotten so soon."""
    deploy(stage, ONE)
    stage.hear()
    assert stage.told()[0] == ("pass", f"{TWO[7:]} is not live for credit now")
    went(stage, between)
    if resolved:
        stage.hear(alarm_of(status="resolved"))
    deploy(stage, TWO)
    stage.controller.step()
    went(stage, 60)
    assert stage.live() == live


def test_what_was_acted_on_is_not_acted_on_again_when_it_comes_back(stage: Stage) -> None:
    """A person deploys what was taken off while its alert goes on: that is the person's decision."""
    stage.hear()
    assert stage.live() == ONE
    stage.town.append("robot", encode_deployment(stage.deployed().counted[-1].content))
    stage.town.clock += 60
    deploy(stage, TWO)
    end = stage.end()
    went(stage, 2 * HOUR)
    assert (stage.end(), stage.live()) == (end, TWO)
    assert "this alarm was acted on" in stage.told()[0][1]


def test_it_goes_on_by_itself_after_the_cool_down(tmp_path: Path) -> None:
    """Nobody has to send the alarm again; the evidence is not read before."""
    stage = cooling(tmp_path / "log")
    due = stage.hear() and stage.controller.step()
    assert due is not None
    assert stage.asked == 0
    while stage.live() == TWO and stage.monotonic < 2 * HOUR:
        step = max(1.0, due - stage.monotonic)
        stage.monotonic += step
        stage.town.clock += step
        due = stage.controller.step() or due
    assert stage.live() == ONE
    assert stage.asked == 1
    assert 1800 <= stage.monotonic < 1870


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            EvidenceUnavailable("the monitor does not answer (URLError)"),
            "the monitor does not answer (URLError)",
        ),
        (EvidenceWrong("the evidence has no panes"), "not to be believed: the evidence has no panes"),
    ],
)
def test_without_evidence_nothing_is_done(stage: Stage, error: Exception, why: str) -> None:
    """A well-formed false alarm has none; it is asked for again, ever more seldom."""

    def give() -> Shown:
        raise error

    stage.give = give
    end = stage.end()
    stage.hear()
    assert stage.told() == [("wait", why)]
    for _ in range(10):
        stage.monotonic += 60
        stage.controller.step()
    assert (stage.end(), stage.asked) == (end, 11)
    assert [each["times"] for each in stage.controller.told()] == [11]
    stage.give = lambda: shown_of(stage.town)
    stage.monotonic += 60
    stage.controller.step()
    assert stage.live() == ONE


def test_what_waits_is_forgotten_after_a_day(stage: Stage) -> None:
    """Unless it is sent again."""
    stage.give = lambda: shown_of(stage.town, columns=[])
    stage.hear()
    stage.monotonic += FORGOTTEN - 1
    stage.hear()
    stage.monotonic += FORGOTTEN - 1
    assert stage.controller.step() is not None
    stage.monotonic += 2
    assert stage.controller.step() is None


def packages(count: int, service: str = "credit") -> list[Any]:
    """Alarms about as many packages of a service."""
    return [alarm_of(f"sha256:{number:064x}", service=service) for number in range(count)]


def test_no_more_wait_than_there_is_room_for(stage: Stage) -> None:
    """Whoever sends more is told to come again; another service's alarms are heard meanwhile."""
    stage.controller.hear(packages(MOST_OF_SERVICE))
    with pytest.raises(Full):
        stage.controller.hear([alarm_of()])
    assert stage.controller.metrics.counted(WEBHOOKS, "full") == 1
    assert stage.controller.hear(packages(1, "cards"))["accepted"] == 1
    stage.controller.step()
    assert stage.hear()["accepted"] == 1
    assert stage.live() == ONE


def test_names_that_somebody_makes_up_have_an_end(stage: Stage) -> None:
    """Whoever has the token may name any service."""
    services = MOST_WAITING // MOST_OF_SERVICE
    for number in range(services):
        stage.controller.hear(packages(MOST_OF_SERVICE, f"s{number}"))
    with pytest.raises(Full):
        stage.controller.hear([alarm_of()])
    stage.controller.step()
    assert stage.hear()["accepted"] == 1
    assert stage.live() == ONE


def test_a_package_whose_every_input_alarms_shuts_nobody_out(tmp_path: Path) -> None:
    """As many alerts as one message may have, in a cool-down: few wait, since one answer decides about all of them."""
    stage = cooling(tmp_path / "log")
    alarms = [alarm_of(cause="input", fingerprint=f"f{number}") for number in range(MOST_ALERTS)]
    assert stage.hear(*alarms) == {
        "accepted": MOST_ALIKE,
        "duplicate": MOST_ALERTS - MOST_ALIKE,
        "resolved": 0,
    }
    assert stage.hear(alarm_of())["accepted"] == 1, "for another cause"
    assert stage.hear(alarm_of(service="cards"))["accepted"] == 1
    assert stage.hear(*(alarm_of(cause="input", fingerprint=f"f{n}", status="resolved") for n in range(3)))
    assert stage.hear(*alarms)["accepted"] == 3, "places that are free are taken again"


def test_evidence_is_computed_once_a_turn(tmp_path: Path) -> None:
    """Of a package in a slot: the one thread that decides has other services to look after. Nor is a monitor that does
    not answer asked for each alarm.
    """
    stage = cooling(tmp_path / "log")
    stage.town.clock += HOUR
    stage.give = lambda: shown_of(stage.town, columns=[])
    alarms = [
        alarm_of(cause=cause, fingerprint=f"{cause}{number}")
        for cause in ("input", "prediction")
        for number in range(MOST_ALIKE)
    ]
    stage.hear(*alarms)
    assert (stage.asked, len(stage.told())) == (1, len(alarms))

    def away() -> Shown:
        raise EvidenceUnavailable("the monitor does not answer")

    stage.give = away
    stage.monotonic += 60
    stage.controller.step()
    assert stage.asked == 2
    assert [why for _, why in stage.told()[: len(alarms)]] == ["the monitor does not answer"] * len(alarms)
    stage.give = lambda: shown_of(stage.town)
    stage.monotonic += 60
    stage.controller.step()
    assert stage.asked == 3
    assert len([each for each in stage.deployed().counted if each.role == "controller"]) == 1


def test_evidence_of_one_kind_is_not_taken_for_the_other(tmp_path: Path) -> None:
    """Of objectives and of drift, in one turn."""
    stage = Stage(tmp_path / "log", town_of("{causes: [prediction, slo]}"))
    stage.give = lambda: shown_of(stage.town, columns=[])
    stage.hear(alarm_of(), alarm_of(cause="slo"))
    assert stage.asked == 2


def test_what_is_answered_decides_before_what_is_asked(stage: Stage) -> None:
    """Where both drifted the event is for predictions, whichever alarm came first."""
    stage.hear(alarm_of(cause="input", fingerprint="f1"), alarm_of(fingerprint="f2"))
    because = because_of(stage.deployed().counted[-1])
    assert because is not None
    assert because.alert.cause == "prediction"


def test_for_retraining_nothing_is_counted_that_was_asked_for_already(tmp_path: Path) -> None:
    """Each alarm of a column that was named; one of another column is looked at."""
    stage = Stage(tmp_path / "log", town_of("", ", retrain: true"))
    stage.give = lambda: shown_of(stage.town, columns=[column("age"), column("rent", None)])
    about: dict[str, Any] = {"cause": "input", "labels": {"feature": "age"}}
    stage.hear(alarm_of(fingerprint="f1", **about), alarm_of(fingerprint="f2", **about))
    assert (stage.asked, len(retrainings(stage))) == (1, 1)
    stage.monotonic += 60
    stage.hear(alarm_of(fingerprint="f1", **about))
    assert stage.asked == 1
    stage.hear(alarm_of(fingerprint="f3", cause="input", labels={"feature": "rent"}))
    assert stage.asked == 2


def test_warnings_take_no_page_s_place(stage: Stage) -> None:
    """Nothing is decided about them by the evidence."""
    stage.controller.hear([alarm_of(severity="warn", fingerprint=f"f{n}") for n in range(2 * MOST_ALIKE)])
    assert stage.hear()["accepted"] == 1
    assert stage.live() == ONE


def test_a_lost_answer_does_nothing_twice(stage: Stage) -> None:
    """The log took the event and could not say so: it is read before anything is decided again."""
    usual = stage.append

    def lost(bodies: list[bytes]) -> None:
        usual(bodies)
        raise LogUnavailable("no answer")

    stage.append = lost
    stage.hear()
    assert stage.told() == [("wait", "nobody knows yet whether it was done: no answer")]
    end = stage.end()
    stage.append = usual
    stage.monotonic += 60
    stage.controller.step()
    assert stage.live() == ONE
    assert stage.end() == end
    assert stage.told()[0][0] == "pass"


def test_a_crash_between_decision_and_event_does_nothing_twice(stage: Stage) -> None:
    """Nothing is kept but in the log: the one that comes up again decides anew."""

    class Killed(BaseException):
        pass

    usual = stage.append

    def killed(bodies: list[bytes]) -> None:
        raise Killed

    stage.append = killed
    with pytest.raises(Killed):
        stage.hear()
    stage.append = usual
    stage.controller = stage.another()
    stage.hear()
    assert stage.live() == ONE
    assert len([each for each in stage.deployed().events if each.role == "controller"]) == 1
    stage.controller = stage.another()
    end = stage.end()
    stage.hear()
    assert stage.end() == end


def test_of_two_that_decide_at_once_one_counts(stage: Stage) -> None:
    """Each has decided before the other's event came; the second sees it and is content."""
    other = stage.another()
    usual = stage.append

    def first_the_other(bodies: list[bytes]) -> None:
        stage.append = usual
        stage.town.clock += 0.5  # the very same event would be one, whoever appends it
        other.hear([alarm_of()])
        other.step()
        usual(bodies)

    stage.append = first_the_other
    stage.hear()
    events = [each for each in stage.deployed().events if each.role == "controller"]
    assert [each.void is None for each in events] == [True, False]
    assert "it was signed, and changes nothing: it follows that at offset" in stage.told()[0][1]
    stage.monotonic += 60
    stage.controller.step()
    assert stage.told()[0] == ("pass", f"{TWO[7:]} is not live for credit now")
    assert len(stage.deployed().counted) == 3


def test_what_people_did_while_the_log_was_read_counts(stage: Stage) -> None:
    """The governance log is read once more after the evidence."""

    def give() -> Shown:
        deploy(stage, THREE)
        return shown_of(stage.town)

    stage.give = give
    stage.hear()
    assert stage.live() == THREE
    assert stage.told()[0][0] == "pass"


def test_a_key_without_the_role_signs_nothing(tmp_path: Path) -> None:
    """It says so at once, and is not ready."""
    stage = Stage(tmp_path / "log", town_of(), "lea")
    stage.controller = stage.another("lea")
    end = stage.end()
    stage.hear()
    assert "has not the role controller" in stage.controller.trouble()
    assert stage.told() == [("wait", "the controller's key has not the role controller in the root")]
    assert stage.end() == end


def test_dry_run_appends_nothing(tmp_path: Path) -> None:
    """And says what it would have done."""
    stage = Stage(tmp_path / "log", town_of("{dry_run: true, cooldown_minutes: 0}"))
    end = stage.end()
    stage.hear()
    assert stage.end() == end
    assert stage.controller.told()[0]["outcome"] == "dry_run"
    assert stage.controller.told()[0]["to"] == ONE


def test_a_log_that_is_not_the_one_before_is_not_decided_by(stage: Stage) -> None:
    """Made again, or shorter: a person looks."""
    stage.hear(alarm_of(severity="warn"))
    assert stage.controller.trouble() == ""
    (stage.log.directory / "topic.json").write_text(
        '{"format":1,"name":"governance","id":"' + "00" * 16 + '","partitions":1,"created":1}'
    )
    stage.hear()
    assert "was made again" in stage.controller.trouble()
    assert stage.asked == 0


def test_a_service_nobody_deployed_has_no_metric_of_its_own(stage: Stage) -> None:
    """Whoever has the token could make series without end."""
    for number in range(5):
        stage.hear(alarm_of(service=f"s{number}"))
    assert stage.controller.metrics.counted(DECISIONS, "other", "refuse") == 5
    assert stage.asked == 0


def retrainings(stage: Stage) -> list[Any]:
    """What the log has of them."""
    reader = stage.log.reader()
    try:
        return [each.predicate for each in read(reader, types={RETRAINING})]
    finally:
        reader.close()


def test_retraining_is_asked_for_once_for_each_set_of_columns(tmp_path: Path) -> None:
    """Signed, told to the webhook, and not again after a restart; more columns are news."""
    stage = Stage(tmp_path / "log", town_of("", ", retrain: true"))
    stage.give = lambda: shown_of(stage.town, columns=[column("age"), column("score:p", "warn")])
    stage.hear()
    assert stage.told()[0][0] == "pass", "nothing rolls back by itself here"
    assert [each["columns"] for each in retrainings(stage)] == [["age"]]
    assert [(each["digest"], each["columns"]) for each in stage.sent] == [(TWO, ["age"])]
    stage.controller = stage.another()
    stage.hear()
    assert len(retrainings(stage)) == 1
    stage.give = lambda: shown_of(stage.town)
    stage.monotonic += 60
    stage.hear()
    assert [each["columns"] for each in retrainings(stage)] == [["age"], ["age", "score:p"]]
    stage.give = lambda: shown_of(stage.town, columns=[column("score:p")])
    stage.monotonic += 60
    stage.hear()
    assert len(retrainings(stage)) == 2


@pytest.mark.parametrize(("who", "said"), [("lea", 2), ("eve", 2), ("robot", 1)])
def test_only_a_controllers_word_ends_the_asking(tmp_path: Path, who: str, said: int) -> None:
    """Whoever else writes it to the log silences nobody."""
    stage = Stage(tmp_path / "log", town_of("", ", retrain: true"))
    shown = shown_of(stage.town)
    statement, _ = retraining_of(alarm_of(), TWO, ("age", "score:p"), shown, who, stage.town.clock)
    appender(Governance(stage.log, KEYS[who]))([statement])
    stage.town.clock += 1
    stage.hear()
    assert len(retrainings(stage)) == said


def test_no_retraining_for_what_carries_nothing(tmp_path: Path) -> None:
    """Old evidence, too few rows, a warning."""
    stage = Stage(tmp_path / "log", town_of("", ", retrain: true"))
    for changed in ({"begun": 0.0}, {"window_rows": 10}, {"columns": [column("age", "warn")]}):
        stage.give = lambda changed=changed: shown_of(stage.town, **changed)
        stage.monotonic += 60
        stage.hear()
    assert stage.asked == 3
    assert retrainings(stage) == []
    assert stage.sent == []


def test_a_webhook_that_nobody_takes_fails_nothing(tmp_path: Path) -> None:
    """The statement is what counts; the rollback goes on."""
    stage = Stage(tmp_path / "log", town_of(more=", retrain: true"))

    def nobody(message: Any) -> None:
        raise RegistryError("nobody is there")

    stage.tell = nobody
    stage.hear()
    assert len(retrainings(stage)) == 1
    assert stage.live() == ONE


def test_the_log_has_nothing_but_what_was_signed(stage: Stage) -> None:
    """One alarm, one entry."""
    before = stage.end()
    stage.hear()
    reader = stage.log.reader()
    try:
        assert len(list(walk(reader, 0, before, stage.end()))) == 1
    finally:
        reader.close()


def shown_gauges(controller: Controller) -> dict[tuple[str, ...], float]:
    """Name and labels of what is so now → value."""
    found = Gauges(controller.trouble, controller.waits).collect()
    return {(each.name, *each.labels.values()): each.value for family in found for each in family.samples}


def test_for_how_long_an_alarm_waits_for_nobody_knows_what_is_told(stage: Stage) -> None:
    """From its first second on, over every look at it, until it is decided; of a stranger under one name."""
    waits, ready = CONTROLLER_WAITING.name, CONTROLLER_READY.name
    assert shown_gauges(stage.controller) == {(ready,): 0}

    def away() -> Shown:
        raise EvidenceUnavailable("the monitor does not answer")

    give, stage.give = stage.give, away
    stage.hear()
    for _ in range(3):
        stage.monotonic += 300
        stage.controller.step()
    assert shown_gauges(stage.controller) == {(ready,): 1, (waits, "credit"): 900}
    stage.give = give
    stage.monotonic += 60
    stage.controller.step()
    assert shown_gauges(stage.controller) == {(ready,): 1}
    stage.controller.hear([alarm_of(service="nobody's")])
    assert shown_gauges(stage.controller) == {(ready,): 1, (waits, "other"): 0}


def test_an_alarm_that_waits_for_the_end_of_a_cool_down_is_nobody_s_trouble(tmp_path: Path) -> None:
    """When it ends is known. One that is not decided after it waits from then on."""
    stage = cooling(tmp_path / "log")
    stage.hear()
    assert [outcome for outcome, _ in stage.told()] == ["wait"]
    stage.monotonic += 3000
    assert CONTROLLER_WAITING.name not in {name for name, *_ in shown_gauges(stage.controller)}


def test_who_cannot_read_the_log_is_not_ready(tmp_path: Path) -> None:
    """Nor who has no role; what it was told of waits on, and is told of."""
    other = Stage(tmp_path / "other", town_of(), who="ann")
    other.hear()
    other.monotonic += 60
    assert shown_gauges(other.controller)[CONTROLLER_READY.name,] == 0
    assert shown_gauges(other.controller)[CONTROLLER_WAITING.name, "credit"] == 60
