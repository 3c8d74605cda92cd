"""Alertmanager's message, read strictly: one bad alert stops none of the others, and nothing is guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.errors import FormatError
from monitoring.controller.alertmanager import MOST_ALERTS, parse_message


def alert(**changed: Any) -> dict[str, Any]:
    """As Alertmanager 0.28 sends it."""
    labels = {
        "alertname": "ModelPredictionDrift", "service": "credit", "digest": "0123456789ab", "slot": "live",
        "severity": "page", "cause": "prediction", "feature": "score:p",
    } | changed.pop("labels", {})  # fmt: skip
    labels = {name: value for name, value in labels.items() if value is not None}
    return {
        "status": "firing", "labels": labels, "annotations": {"summary": "drift"},
        "startsAt": "2027-01-15T08:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "fingerprint": "b3f00d0123456789",
    } | changed  # fmt: skip


def message(*alerts: Any, **changed: Any) -> bytes:
    """The whole."""
    return json.dumps(
        {
            "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "controller",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am",
            "alerts": list(alerts),
        }
        | changed
    ).encode()  # fmt: skip


def test_an_alert_is_an_alarm() -> None:
    """All that the controller reads of it."""
    (alarm,) = parse_message(message(alert())).alarms
    assert (alarm.name, alarm.service, alarm.digest, alarm.slot) == (
        "ModelPredictionDrift", "credit", "0123456789ab", "live",
    )  # fmt: skip
    assert (alarm.severity, alarm.cause, alarm.status) == ("page", "prediction", "firing")
    assert alarm.starts_at == pytest.approx(1_800_000_000.123456)
    assert alarm.labels["feature"] == "score:p"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"labels": {"digest": None}}, "no label digest"),
        ({"labels": {"service": None, "cause": None}}, "no label cause, service"),
        ({"labels": {"digest": "0123"}}, "labels.digest"),
        ({"labels": {"digest": "0123456789ab\u001b[2J"}}, "labels.digest"),
        ({"labels": {"digest": "0123456789AB"}}, "labels.digest"),
        ({"labels": {"service": "../credit"}}, "labels.service"),
        ({"labels": {"slot": "main"}}, "slot"),
        ({"labels": {"severity": "critical"}}, "severity"),
        ({"labels": {"cause": "mood"}}, "cause"),
        ({"labels": {"more": "x" * 1025}}, "labels.more"),
        ({"labels": {"more": 1}}, "labels.more"),
        ({"labels": {f"l{number}": "x" for number in range(64)}}, "labels"),
        ({"status": "pending"}, "status"),
        ({"startsAt": "yesterday"}, "startsAt"),
        ({"startsAt": "2027-13-15T08:00:00Z"}, "month"),
        ({"startsAt": "2027-01-15T08:00:00"}, "startsAt"),
        ({"startsAt": 1800000000}, "startsAt"),
        ({"fingerprint": ""}, "fingerprint"),
        ({"fingerprint": "a b"}, "fingerprint"),
    ],
)
def test_what_is_no_alarm_is_told_and_stops_no_other(changed: dict[str, Any], why: str) -> None:
    """And says where."""
    found = parse_message(message(alert(), alert(**changed), alert(fingerprint="other")))
    assert [each.fingerprint for each in found.alarms] == ["b3f00d0123456789", "other"]
    (malformed,) = found.malformed
    assert malformed.startswith("alerts.1: ")
    assert why in malformed


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "webhook"),
        (b"{", "webhook"),
        (b"[]", "webhook"),
        (b"[" * 100_000, "webhook"),
        (message(alert(), version="3"), "version"),
        (message(*[alert()] * (MOST_ALERTS + 1)), "alerts"),
        (message("x"), "alerts.0"),
        (message(alert()).replace(b'"alerts"', b'"alert"'), "alerts"),
        ("Ä".encode("latin-1"), "webhook"),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, why: str) -> None:
    """In one line."""
    with pytest.raises(FormatError, match=why):
        parse_message(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["status", "labels", "annotations", "startsAt", "fingerprint"]), values)
)
def test_any_content_is_an_alarm_or_malformed(changed: dict[str, Any]) -> None:
    """Never a failure of another kind."""
    raw = json.dumps({"version": "4", "alerts": [{**alert(), **changed}]}).encode()
    try:
        found = parse_message(raw)
    except FormatError:
        return  # NaN and infinity are no JSON
    assert len(found.alarms) + len(found.malformed) == 1
