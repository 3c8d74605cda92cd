"""What a webhook is told, and when again."""

from __future__ import annotations

from typing import Any

from monitoring.alerts.outbox import FIRST, LONGEST, MOST_ALERTS, PEOPLE_REPEAT, PEOPLE_SELDOM, Outbox
from monitoring.alerts.standing import Alert

LABELS = {
    "alertname": "AffiantScoreDrift", "service": "credit", "digest": "0123456789ab", "slot": "live",
    "severity": "page", "cause": "prediction", "affiant_action": "rollback", "feature": "score:bad",
}  # fmt: skip


def alert(starts: float = 100.0, ends: float | None = None, **labels: str) -> Alert:
    return Alert(LABELS | labels, {"summary": "it has drifted"}, starts, ends)


def bodies(outbox: Outbox, now: float) -> list[Any]:
    return [notice.body for notice in outbox.due(now)]


def test_a_message_is_as_alertmanager_writes_it() -> None:
    """Version 4, with times, and the fingerprint that Alertmanager gives the same labels."""
    outbox = Outbox()
    outbox.tell([alert(starts=1_800_000_000.25)])
    (body,) = bodies(outbox, 0)
    assert body["version"] == "4"
    assert body["status"] == "firing"
    assert body["groupLabels"] == {"service": "credit", "digest": "0123456789ab", "slot": "live"}
    assert body["commonLabels"] == LABELS
    (one,) = body["alerts"]
    assert one["startsAt"] == "2027-01-15T08:00:00.250Z"
    assert one["endsAt"] == "0001-01-01T00:00:00Z"
    known = Alert({"alertname": "Zero", "instance": "127.0.0.1:33257", "job": "test"}, {}, 0)
    assert known.fingerprint == "7725bebd0ad9ccf3"  # as Alertmanager 0.25 said


def test_what_was_told_is_not_told_again_until_the_interval_is_over() -> None:
    """Evaluated each second, sent once; and again after `repeat` while it fires."""
    outbox = Outbox(repeat=300)
    outbox.tell([alert()])
    (notice,) = outbox.due(10)
    outbox.sent(notice, 10)
    outbox.tell([alert()])
    assert bodies(outbox, 309) == []
    assert outbox.next(11) == 310
    assert len(bodies(outbox, 310)) == 1


def test_the_end_is_told_once_and_forgotten() -> None:
    """As resolved, with its end; then nothing is kept."""
    outbox = Outbox()
    outbox.tell([alert()])
    outbox.sent(outbox.due(0)[0], 0)
    outbox.tell([alert(ends=150.0)])
    (notice,) = outbox.due(1)
    assert notice.body["status"] == "resolved"
    assert notice.body["alerts"][0]["endsAt"] == "1970-01-01T00:02:30.000Z"
    outbox.sent(notice, 1)
    assert (outbox.size, outbox.next(1), bodies(outbox, 1e9)) == (0, None, [])


def test_what_ended_before_it_could_be_told_is_not_told() -> None:
    """A webhook that was away hears of no end without a beginning."""
    outbox = Outbox()
    outbox.tell([alert()])
    outbox.failed(outbox.due(0)[0], 0)
    outbox.tell([alert(ends=150.0)])
    assert (outbox.size, outbox.due(1e9)) == (0, [])
    outbox.tell([alert(ends=150.0)])
    assert outbox.size == 0


def test_failures_are_tried_again_later_and_later() -> None:
    """1 s, 2 s, 4 s … 60 s; the end that came meanwhile goes with it."""
    outbox, now, pauses = Outbox(), 0.0, []
    outbox.tell([alert()])
    for _ in range(9):
        (notice,) = outbox.due(now)
        outbox.failed(notice, now)
        again = outbox.next(now)
        assert again is not None
        assert outbox.due(again - 0.01) == []
        pauses.append(again - now)
        now = again
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST


def test_what_changes_while_a_message_is_under_way_is_told_by_the_next() -> None:
    """The answer is for what was sent, not for what came since."""
    outbox = Outbox()
    outbox.tell([alert()])
    (notice,) = outbox.due(0)
    outbox.tell([alert(ends=120.0)])  # it has ended before it was told: nobody hears of the end
    outbox.tell([alert(starts=130.0)])
    outbox.sent(notice, 1)
    (second,) = outbox.due(1)
    assert second.body["alerts"][0]["startsAt"] == "1970-01-01T00:02:10.000Z"


def test_one_that_begins_again_is_told_again() -> None:
    """Its end was not sent yet: the new beginning is."""
    outbox = Outbox()
    outbox.tell([alert()])
    outbox.sent(outbox.due(0)[0], 0)
    outbox.tell([alert(ends=120.0)])
    outbox.tell([alert(starts=130.0)])
    (notice,) = outbox.due(1)
    assert [each["startsAt"] for each in notice.body["alerts"]] == ["1970-01-01T00:02:10.000Z"]
    outbox.sent(notice, 1)
    assert outbox.due(2) == []


def test_groups_are_told_apart_and_bounds_hold() -> None:
    """A message a service, digest and slot; no more alerts than a message takes, or than are kept."""
    outbox = Outbox(most=MOST_ALERTS + 10)
    outbox.tell([alert(slot="canary"), *(alert(feature=f"f{i}") for i in range(2 * MOST_ALERTS))])
    first, second = bodies(outbox, 0)
    assert first["groupLabels"]["slot"] == "canary"
    assert (len(second["alerts"]), second["truncatedAlerts"]) == (MOST_ALERTS, 9)
    assert (outbox.size, outbox.left_out) == (MOST_ALERTS + 10, MOST_ALERTS - 9)


def test_only_what_the_policy_lets_the_controller_act_on_is_for_it() -> None:
    """Other alerts are for other webhooks."""
    labels = {name: value for name, value in LABELS.items() if name != "affiant_action"}
    other = Alert(labels, {}, 1.0)
    controller, everything = Outbox(), Outbox(wanted=lambda _: True, receiver="people")
    controller.tell([other])
    everything.tell([other])
    assert (controller.size, everything.size) == (0, 1)
    assert everything.due(0)[0].body["receiver"] == "people"


WARNS = {"severity": "warn", "affiant_action": ""}


def test_people_are_told_of_no_warning_beside_a_page_about_the_same_thing() -> None:
    """Of the warning once the page is over, while it lasts; of one about another thing at once."""
    outbox = Outbox.of_people()
    page, warning, other = alert(), alert(**WARNS), alert(**WARNS, feature="age")
    outbox.tell([warning, page, other])
    (notice,) = outbox.due(0)
    assert [(each["labels"]["severity"], each["labels"]["feature"]) for each in notice.body["alerts"]] == [
        ("page", "score:bad"), ("warn", "age"),
    ]  # fmt: skip
    outbox.sent(notice, 0)
    outbox.tell([warning])
    assert outbox.due(1) == []
    outbox.tell([alert(ends=150.0), warning])
    (notice,) = outbox.due(2)
    told = {
        (each["labels"]["severity"], each["labels"]["feature"]): each["status"]
        for each in notice.body["alerts"]
    }
    assert told == {
        ("page", "score:bad"): "resolved", ("warn", "score:bad"): "firing", ("warn", "age"): "firing",
    }  # fmt: skip
    # One that was told goes on, and its end is told, whatever pages then.
    outbox.sent(notice, 2)
    outbox.tell([alert(starts=200.0), alert(**WARNS, ends=210.0)])
    (notice,) = outbox.due(3)
    assert [each["status"] for each in notice.body["alerts"] if each["labels"]["feature"] == "score:bad"] == [
        "resolved", "firing",
    ]  # fmt: skip


def test_people_are_reminded_of_pages_each_hour_and_of_warnings_now_and_then() -> None:
    """As the rendered Alertmanager's settings have it."""
    for labels, every in (({}, PEOPLE_REPEAT), (WARNS, PEOPLE_SELDOM)):
        outbox = Outbox.of_people()
        outbox.tell([alert(**labels)])
        outbox.sent(outbox.due(0)[0], 0)
        outbox.tell([alert(**labels)])
        assert outbox.next(1) == every
        assert (outbox.due(every - 1), len(outbox.due(every))) == ([], 1)


def test_what_is_forgotten_is_told_no_more_nor_its_end() -> None:
    """Another monitor tells of it; the rest of its group goes on."""
    outbox = Outbox.of_people()
    outbox.tell([alert(), alert(feature="age")])
    (notice,) = outbox.due(0)
    outbox.forget([alert(), alert(feature="unknown"), alert(service="unknown")])
    outbox.sent(notice, 0)
    outbox.tell([alert(ends=150.0)])
    assert (outbox.size, outbox.due(1)) == (1, [])
    outbox.forget([alert(feature="age")])
    assert (outbox.size, outbox.next(1)) == (0, None)
