"""Each rule on the series that promtool judges it by (tests/integration/alerts/test_rules.py), by our own evaluator."""

from __future__ import annotations

import json
import re

import pytest

from monitoring.alerts.form import Group
from monitoring.alerts.limits import Limits, limits
from monitoring.alerts.outbox import Outbox, for_controller
from monitoring.alerts.rules import groups_of
from monitoring.alerts.samples import History, Sample
from monitoring.alerts.standing import Alert, Standing
from monitoring.controller.alertmanager import parse_message
from tests.components.alert_cases import CASES, Case
from tests.components.alerts import full_policy

BASE = Limits(completeness_hours_warn=1)
MINUTE = 60


def values(notation: str) -> list[float | None]:
    """Series as promtool has them: `0x5` is 0 and five more, `1+2x3` counts up, `_x3` is not there, `stale` ends."""
    found: list[float | None] = []
    for word in notation.split():
        if gap := re.fullmatch(r"_(?:x(\d+))?|stale", word):
            found += [None] * int(gap[1] or 1)
            continue
        whole = re.fullmatch(r"([\d.e]+)(?:\+([\d.]+))?(?:x(\d+))?", word)
        assert whole is not None, word
        first, step, more = float(whole[1]), float(whole[2] or 0), int(whole[3] or 0)
        found += [first + step * number for number in range(more + 1)]
    return found


def read(case: Case) -> list[tuple[str, Sample, list[float | None]]]:
    """Target, name and labels, values by minute."""
    found = []
    for text, notation in case.series.items():
        name, _, rest = text.partition("{")
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))
        found.append((labels.pop("instance", "t"), Sample(name, labels, 0), values(notation)))
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{CASES[number].alert}-{number}")
def test_the_monitor_finds_what_prometheus_finds(number: int) -> None:
    """The same labels fire at the same minute, and none else of that name."""
    case = CASES[number]
    groups = [
        Group(each.name, tuple(rule for rule in each.rules if rule.alert == case.alert), each.interval)
        for each in groups_of(full_policy(), limits(case.limits, BASE))
    ]
    series, history, standing = read(case), History(groups), Standing()
    fires: list[dict[str, str]] = []
    for minute in range(case.at + 1):
        now = float(minute * MINUTE)
        for target in {each[0] for each in series}:
            history.observe(
                target,
                now,
                [
                    sample._replace(value=value)
                    for whose, sample, told in series
                    if whose == target and minute < len(told) and (value := told[minute]) is not None
                ],
            )
        alerts = [alert for group in groups for alert in standing.evaluate(group, history, now)]
        fires = [dict(alert.labels) for alert in alerts if alert.ends is None]
    wanted = [{**labels, "alertname": case.alert} for labels in case.fires]
    assert sorted(map(sorted_items, fires)) == sorted(map(sorted_items, wanted))


def sorted_items(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(labels.items())


def test_what_goes_to_the_controller_is_what_it_hears() -> None:
    """An alert with an action names service, digest and slot: the controller takes it for an alarm."""
    told = [Alert({**labels, "alertname": case.alert}, {}, 1.0) for case in CASES for labels in case.fires]
    wanted = [each for each in told if for_controller(each)]
    outbox = Outbox()
    outbox.tell(told)
    messages = [parse_message(json.dumps(notice.body).encode()) for notice in outbox.due(0.0)]
    alarms = [alarm for message in messages for alarm in message.alarms]
    assert [why for message in messages for why in message.malformed] == []
    assert {each.fingerprint for each in alarms} == {each.fingerprint for each in wanted}
    assert {each.cause for each in alarms} == {"prediction", "input", "performance", "slo"}
