"""What one webhook is still to be told, as Alertmanager's messages, version 4. Pure: who sends says what came of it.

Alerts are grouped by service, digest and slot. A group is told when one of its alerts is new or has ended, and again
after `repeat` seconds while one fires. MUST: an alert that has ended is told as resolved once that it fires was told,
and only then; one fingerprint stands once in a message; what is kept is bounded. What people are told is all of it, but
a warning beside a page about the same thing, as in the rendered Alertmanager's settings.
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from audit.backoff import backoff

from .routes import EQUAL
from .rules import ACTION
from .standing import Alert

Key = tuple[str, ...]
GROUPED: Final = ("service", "digest", "slot")
REPEAT: Final = 300.0
"""Seconds: a controller that was down, or waits for its cool-down, hears of it again."""
PEOPLE_REPEAT, PEOPLE_SELDOM = 3600.0, 14_400.0
"""Seconds until people are reminded: of a page, and where there are only warnings."""
FIRST, LONGEST = 1.0, 60.0
"""Seconds until the next try after the first failure, doubled with each, and at most."""
MOST_ALERTS: Final = 500
"""In one message."""
MOST_KEPT: Final = 5000
_NEVER: Final = "0001-01-01T00:00:00Z"


def for_controller(alert: Alert) -> bool:
    """Whether the policy lets the controller do something about it."""
    return ACTION in alert.labels


def _everything(_: Alert) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about one group."""

    key: Key
    body: Mapping[str, Any]
    alerts: tuple[Alert, ...]


@dataclass(slots=True)
class _Kept:
    alert: Alert
    told: float | None = None
    """Start of the firing that was told last; None: none was."""


@dataclass(slots=True)
class _Group:
    alerts: dict[str, _Kept] = field(default_factory=dict)
    changed: bool = False
    sent: float = 0.0
    due: float = 0.0
    failures: int = 0


class Outbox:
    """Not for several threads at once. Times are seconds, of any one clock."""

    def __init__(
        self,
        *,
        wanted: Callable[[Alert], bool] = for_controller,
        receiver: Literal["controller", "people"] = "controller",
        repeat: float = REPEAT,
        seldom: float | None = None,
        most: int = MOST_KEPT,
    ) -> None:
        """Nothing is to be told yet.

        Args:
            wanted: which alerts this webhook is for.
            receiver: who it is; people are told of no warning beside a page about the same thing.
            repeat: seconds until a group that fires is told again.
            seldom: the same where nothing pages; as `repeat` when not given.
            most: alerts that are kept.
        """
        self._wanted: Final = wanted
        self.receiver: Final = receiver
        self._repeat: Final = repeat
        self._seldom: Final = repeat if seldom is None else seldom
        self._most: Final = most
        self._groups: Final[dict[Key, _Group]] = {}
        self.left_out = 0
        """Alerts that were too many to be kept."""

    @classmethod
    def of_people(cls) -> Self:
        """Everything, as the rendered Alertmanager's settings have it."""
        return cls(wanted=_everything, receiver="people", repeat=PEOPLE_REPEAT, seldom=PEOPLE_SELDOM)

    def tell(self, alerts: Iterable[Alert]) -> None:
        """What fires, and what has ended. What is not in it stays as it was."""
        pages: list[Alert] = []
        others: list[Alert] = []
        for alert in alerts:
            if self._wanted(alert):
                (pages if alert.labels.get("severity") == "page" else others).append(alert)
        for alert in pages:
            self._take(alert)
        muted = self._paged() if self.receiver == "people" and others else frozenset()
        for alert in others:
            if alert.ends is not None or _thing(alert) not in muted or self._knows(alert):
                self._take(alert)

    def forget(self, alerts: Iterable[Alert]) -> None:
        """Somebody else tells of them from now on: neither that they fire is told again, nor that they end."""
        for alert in alerts:
            key = _key(alert)
            group = self._groups.get(key)
            if group is None:
                continue
            group.alerts.pop(alert.fingerprint, None)
            if not group.alerts:
                del self._groups[key]

    def due(self, now: float) -> list[Notice]:
        """The messages that are to be sent now."""
        found = []
        for key, group in self._groups.items():
            every = self._every(group)
            again = every is not None and now - group.sent >= every
            if (group.changed or again) and now >= group.due:
                alerts = tuple(kept.alert for kept in group.alerts.values())
                found.append(Notice(key, self._body(key, alerts), alerts))
        return found

    def next(self, now: float) -> float | None:
        """When something will be due if nothing changes; None: nothing will."""
        found = []
        for group in self._groups.values():
            if group.changed:
                found.append(max(now, group.due))
            elif (every := self._every(group)) is not None:
                found.append(max(now, group.due, group.sent + every))
        return min(found, default=None)

    def sent(self, notice: Notice, now: float) -> None:
        """The webhook took it, or will never take it."""
        group = self._groups.get(notice.key)
        if group is None:
            return
        group.sent, group.due, group.failures, group.changed = now, now, 0, False
        for alert in notice.alerts:
            kept = group.alerts.get(alert.fingerprint)
            if kept is None:
                continue
            if alert.ends is None:
                kept.told = alert.starts
            elif kept.alert.starts == alert.starts:
                del group.alerts[alert.fingerprint]
        for kept in group.alerts.values():
            # What has changed while the message was under way.
            group.changed |= kept.alert.ends is not None or kept.told != kept.alert.starts
        if not group.alerts:
            del self._groups[notice.key]

    def failed(self, notice: Notice, now: float) -> None:
        """It is to be sent again, later."""
        group = self._groups.get(notice.key)
        if group is not None:
            group.failures += 1
            group.due = now + backoff(group.failures, FIRST, LONGEST)
            group.changed = True

    @property
    def size(self) -> int:
        """Alerts that are kept."""
        return sum(len(group.alerts) for group in self._groups.values())

    def _every(self, group: _Group) -> float | None:
        """Seconds until it is told again; None: nothing of it fires."""
        fire = [kept.alert for kept in group.alerts.values() if kept.alert.ends is None]
        if not fire:
            return None
        return self._repeat if any(each.labels.get("severity") == "page" for each in fire) else self._seldom

    def _paged(self) -> frozenset[Key]:
        """What pages are about that fire."""
        return frozenset(
            _thing(kept.alert)
            for group in self._groups.values()
            for kept in group.alerts.values()
            if kept.alert.ends is None and kept.alert.labels.get("severity") == "page"
        )

    def _knows(self, alert: Alert) -> bool:
        group = self._groups.get(_key(alert))
        return group is not None and alert.fingerprint in group.alerts

    def _take(self, alert: Alert) -> None:
        key = _key(alert)
        fingerprint = alert.fingerprint
        group = self._groups.get(key)
        kept = group.alerts.get(fingerprint) if group is not None else None
        if kept is None or group is None:
            if alert.ends is not None:
                return  # nobody was told that it fires
            if self.size >= self._most:
                self.left_out += 1
                return
            group = self._groups.setdefault(key, _Group())
            group.alerts[fingerprint] = _Kept(alert)
            group.changed = True
            return
        if alert.ends is not None and kept.told is None:
            del group.alerts[fingerprint]
            if not group.alerts:
                del self._groups[key]
            return
        same = (kept.alert.starts, kept.alert.ends) == (alert.starts, alert.ends)
        kept.alert = alert
        group.changed |= not same

    def _body(self, key: Key, alerts: tuple[Alert, ...]) -> dict[str, Any]:
        shown = alerts[:MOST_ALERTS]
        labels = {name: value for name, value in zip(GROUPED, key, strict=True) if value}
        fires = any(alert.ends is None for alert in alerts)
        return {
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}",
            "truncatedAlerts": len(alerts) - len(shown),
            "status": "firing" if fires else "resolved",
            "receiver": self.receiver,
            "groupLabels": labels,
            "commonLabels": _common(alert.labels for alert in shown),
            "commonAnnotations": _common(alert.annotations for alert in shown),
            "externalURL": "",
            "alerts": [_said(alert) for alert in shown],
        }


def _key(alert: Alert) -> Key:
    return tuple(alert.labels.get(label, "") for label in GROUPED)


def _thing(alert: Alert) -> Key:
    """What it is about: a page and a warning of the same thing have it in common."""
    return tuple(alert.labels.get(label, "") for label in EQUAL)


def _said(alert: Alert) -> dict[str, Any]:
    return {
        "status": "firing" if alert.ends is None else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _time(alert.starts),
        "endsAt": _NEVER if alert.ends is None else _time(alert.ends),
        "generatorURL": "",
        "fingerprint": alert.fingerprint,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _common(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] | None = None
    for labels in each:
        found = (
            dict(labels)
            if found is None
            else {name: value for name, value in found.items() if labels.get(name) == value}
        )
    return found or {}
