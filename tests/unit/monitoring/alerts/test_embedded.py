"""The monitor's own alerts: its clock, its targets, its policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from structlog.testing import capture_logs

from audit.errors import KeyRefused
from monitoring.alerts.embedded import PATIENCE, Embedded, own, page
from monitoring.alerts.form import Group, Level, Rule, Select
from monitoring.alerts.outbox import Outbox
from monitoring.alerts.samples import Sample
from monitoring.alerts.sender import Sender
from tests.components.webhook import Exporter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.back = 0.0

    def passed(self) -> float:
        """What a clock shows that nobody sets."""
        return self.now + self.back

    def __call__(self) -> float:
        return self.now


class Target:
    def __init__(self, value: float = 0) -> None:
        self.value = value
        self.error: Exception | None = None

    def __call__(self) -> Iterable[Sample]:
        if self.error is not None:
            raise self.error
        return [Sample("m", {"a": "x"}, self.value)]


class Web:
    """Takes what a sender posts, and answers with the next status; 0: it is not there."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses) or [200]
        self.bodies: list[Any] = []

    def __call__(self, body: bytes) -> int:
        self.bodies.append(json.loads(body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == 0:
            raise OSError("nobody is there")
        return status


def rule(limit: float = 0, *, alert: str = "A", wait: int = 0) -> Rule:
    return Rule(alert, Level(Select("m"), ("a",), ">", limit), "page", "{a} is {value}", wait=wait)


def alone(clock: Clock, target: Target, *rules: Rule, interval: int = 0) -> Embedded:
    groups = [Group("g", rules or (rule(),), interval)]
    return Embedded(groups, {"t": target}, [], clock=clock, monotonic=clock.passed)


def test_a_target_that_fails_is_down_and_stops_nothing() -> None:
    """Its alerts end, it is told of, and the next look finds it again."""
    clock, target = Clock(), Target(1)
    down = Rule("Down", Level(Select("up"), ("instance",), "==", 0, "min"), "page", "")
    found = alone(clock, target, rule(), down)
    found.step()
    assert [each.labels["alertname"] for each in found.firing] == ["A"]
    for error in (OSError("no route"), ValueError("no metrics")):
        target.error = error
        clock.now += 1
        found.step()
        assert [dict(each.labels) for each in found.firing] == [
            {"instance": "t", "severity": "page", "alertname": "Down"}
        ]
    target.error = None
    clock.now += 1
    found.step()
    assert [each.annotations["summary"] for each in found.firing] == ["x is 1"]


def test_a_clock_that_is_set_back_ends_nothing_and_stops_nothing() -> None:
    """Time goes on from where it was: what waited for a minute waits on, and fires then; a slow group is looked at."""
    clock, target = Clock(), Target(1)
    for interval in (0, 15):
        found = alone(clock, target, rule(wait=60), interval=interval)
        found.step()
        begun = clock.passed()
        clock.now, clock.back = clock.now - 5000, clock.back + 5000
        while clock.passed() < begun + 59:
            clock.now += 1
            found.step()
        assert found.firing == ()
        for _ in range(1 + interval):
            clock.now += 1
            found.step()
        assert len(found.firing) == 1
        clock.now, clock.back = clock.now - 5000, clock.back + 5000
        for _ in range(1 + interval):
            clock.now += 1
            found.step()
        assert len(found.firing) == 1


def test_a_group_is_evaluated_at_its_own_pace() -> None:
    """And what it found stands in between."""
    clock, target = Clock(), Target(1)
    found = alone(clock, target, interval=15)
    found.step()
    target.value = 0
    clock.now += 14
    found.step()
    assert len(found.firing) == 1
    clock.now += 1
    found.step()
    assert found.firing == ()


def test_a_policy_that_comes_into_force_ends_what_it_does_not_know() -> None:
    """Alerts of rules that are gone are told as ended; those that stay go on."""
    clock, target, web = Clock(), Target(5), Web()
    sender = Sender(web, Outbox(wanted=lambda _: True), clock=clock)
    stays, goes = rule(alert="Stays"), rule(alert="Goes")
    found = Embedded([Group("g", (goes, stays))], {"t": target}, [sender], clock=clock)
    found.step()
    sender.step()
    clock.now += 10
    found.follow([Group("g", (stays,))])
    found.step()
    sender.step()
    said = {each["labels"]["alertname"]: each for each in web.bodies[-1]["alerts"]}
    assert {name: each["status"] for name, each in said.items()} == {"Goes": "resolved", "Stays": "firing"}
    assert said["Stays"]["startsAt"] == "1970-01-01T00:16:40.000Z"
    found.follow([Group("g", (stays,))])
    clock.now += 1
    found.step()
    sender.step()
    assert len(web.bodies) == 2


def test_a_target_that_cannot_be_read_is_logged_once_and_not_while_it_is_started() -> None:
    """And again when it has been well meanwhile."""
    clock, target = Clock(), Target(0)
    found = alone(clock, target)

    def warned(error: Exception | None, looks: int) -> list[str]:
        target.error = error
        with capture_logs() as logs:
            for _ in range(looks):
                clock.now += 1
                found.step()
        return [each["why"] for each in logs]

    refused = OSError("refused")
    assert warned(refused, PATIENCE - 1) == []
    assert warned(refused, 5) == ["refused"]
    assert warned(OSError("no route"), 5) == ["no route"]
    assert warned(None, 1) == []
    assert warned(refused, PATIENCE) == ["refused"]


def test_what_fires_and_what_ends_is_logged_once() -> None:
    """With what it is about, in one line: where nobody else is told, that is all there is."""
    clock, target = Clock(), Target(1)
    found = alone(clock, target, Rule("A", Level(Select("m"), ("a",), ">", 0), "page", "{a}\n is {value}"))
    with capture_logs() as logs:
        for value in (1, 1, 1, 0, 0):
            target.value = value
            clock.now += 1
            found.step()
    labels = {"a": "x", "severity": "page", "alertname": "A"}
    assert logs == [
        {"event": "an alert fires", "log_level": "warning", "summary": "x\ufffd is 1"} | labels,
        {"event": "an alert has ended", "log_level": "info"} | labels,
    ]


def test_what_is_left_to_another_monitor_is_not_told_as_ended() -> None:
    """It goes on there: the controller would drop what waits for its cool-down. What stays goes on here."""
    clock, target, web = Clock(), Target(5), Web()
    sender = Sender(web, Outbox(wanted=lambda _: True), clock=clock)
    stays, goes = rule(alert="Stays"), rule(alert="Goes")
    found = Embedded([Group("g", (goes, stays))], {"t": target}, [sender], clock=clock)
    found.step()
    sender.step()
    clock.now += 300
    with capture_logs() as logs:
        found.leave([Group("g", (stays,))])
        found.step()
    sender.step()
    assert logs == []
    assert [each.labels["alertname"] for each in found.firing] == ["Stays"]
    said = [{each["labels"]["alertname"]: each["status"] for each in body["alerts"]} for body in web.bodies]
    assert said == [{"Goes": "firing", "Stays": "firing"}, {"Stays": "firing"}]


@pytest.mark.parametrize(
    ("statuses", "again"), [((0,), True), ((503,), True), ((429,), True), ((401,), True), ((400,), False)]
)
def test_what_a_webhook_does_not_take_is_sent_again_unless_it_never_will(
    statuses: tuple[int, ...], again: bool
) -> None:
    """A message that is refused for what it is would be refused for ever."""
    clock, web = Clock(), Web(*statuses)
    sender = Sender(web, Outbox(wanted=lambda _: True), clock=clock)
    found = Embedded([Group("g", (rule(),))], {"t": Target(1)}, [sender], clock=clock)
    found.step()
    sender.step()
    assert sender.trouble
    clock.now += 60
    sender.step()
    assert len(web.bodies) == (2 if again else 1)
    web.statuses = [200]
    clock.now += 300
    sender.step()
    assert not sender.trouble


def test_a_token_that_is_not_to_be_read_is_said_and_asked_for_again() -> None:
    """The alert waits for it."""
    clock, sent = Clock(), []

    def post(body: bytes) -> int:
        if clock.now < 1010:
            raise KeyRefused("controller.token is not there")
        sent.append(body)
        return 202

    sender = Sender(post, Outbox(wanted=lambda _: True), clock=clock)
    Embedded([Group("g", (rule(),))], {"t": Target(1)}, [sender], clock=clock).step()
    sender.step()
    assert sender.trouble == "controller.token is not there"
    clock.now = 1010
    sender.step()
    assert (len(sent), sender.trouble) == (1, "")


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """Another process."""
    with Exporter() as found:
        yield found


@settings(max_examples=60)
@given(
    st.one_of(
        st.text(alphabet='affiant_x{}",=\\\n #TYPE1.e+-Na', max_size=60).map(str.encode),
        st.binary(max_size=40),
    )
)
def test_no_page_stops_the_look(exporter: Exporter, answer: bytes) -> None:
    """Whatever a process says: samples, or one of the two errors that the look knows."""
    exporter.text = answer
    try:
        found = list(page(f"{exporter.url}/metrics")())
    except (OSError, ValueError):
        return
    assert all(isinstance(each.value, float) for each in found)


def test_a_page_is_asked_of_the_process_itself(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through no proxy of the environment, and where no redirect leads: whoever is there would say what fires."""
    exporter.text = "m 1\n"
    with Exporter(elsewhere=f"{exporter.url}/metrics") as moved:
        monkeypatch.setenv("http_proxy", moved.url)
        assert list(page(f"{exporter.url}/metrics")()) == [("m", {}, 1)]
        assert moved.scrapes == 0
        with pytest.raises(OSError, match="302"):
            list(page(f"{moved.url}/metrics")())
    assert moved.scrapes == 1


def test_own_metrics_are_read_as_they_would_be_scraped() -> None:
    """Counters with their ending."""

    class Collector:
        def collect(self) -> Iterable[Any]:
            gauge = GaugeMetricFamily("m", "", labels=["a"])
            gauge.add_metric(["x"], 2)
            yield gauge
            yield CounterMetricFamily("c", "", 3)

    assert list(own(Collector())()) == [("m", {"a": "x"}, 2), ("c_total", {}, 3)]
