"""Which alerts stand: conditions that hold long enough fire, as in Prometheus, and are told with the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from .evaluate import holds, shown
from .form import SHOWN_AS, Group, Rule
from .promql import FIELD, NUMBER
from .samples import History, Labelled

ALERTNAME: Final = "alertname"
_OFFSET, _PRIME, _64 = 14_695_981_039_346_656_037, 1_099_511_628_211, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Alert:
    """One that fires, or has just ended."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: float
    """When it began to fire, s since 1970 UTC."""
    ends: float | None = None
    """None while it fires."""

    @property
    def fingerprint(self) -> str:
        """Of the labels, as Alertmanager makes it: FNV-1a of 64 bits, 16 hex digits."""
        found = _OFFSET
        for name, value in sorted(self.labels.items()):
            for byte in (*name.encode(), 255, *value.encode(), 255):
                found = ((found ^ byte) * _PRIME) & _64
        return f"{found:016x}"


@dataclass(slots=True)
class _Active:
    since: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    fired: float | None = None
    left: float | None = None
    """Since when its condition holds no more, and it is kept firing."""


class Standing:
    """The state of every rule's alerts between evaluations. Times that `evaluate` is given MUST NOT go back."""

    def __init__(self, *, runbooks: str = "", extra: Mapping[str, str] = MappingProxyType({})) -> None:
        """`runbooks`: the address that a runbook's name is put behind; empty: none is told. `extra`: more labels."""
        self._runbooks = runbooks
        self._extra = extra
        self._active: dict[tuple[str, Labelled, Labelled], _Active] = {}
        """Group, what tells its rule from others, and labels of what the condition found."""

    def evaluate(self, group: Group, history: History, now: float) -> list[Alert]:
        """The alerts of a group that fire at `now`, and those that have ended with this evaluation."""
        found: list[Alert] = []
        for rule in group.rules:
            found += self._rule((group.name, self._own(rule)), rule, history, now)
        return found

    def keep(self, groups: Iterable[Group], now: float) -> list[Alert]:
        """Other rules from now on: alerts of rules that are no more have ended."""
        names = {(group.name, self._own(rule)) for group in groups for rule in group.rules}
        gone = [key for key in self._active if key[:2] not in names]
        ended = [self._active.pop(key) for key in gone]
        return [_alert(each, now) for each in ended if each.fired is not None]

    def _rule(self, where: tuple[str, Labelled], rule: Rule, history: History, now: float) -> list[Alert]:
        vector = holds(rule.when, history, now)
        told: list[Alert] = []
        for key, value in vector.items():
            active = self._active.get((*where, key))
            if active is None:
                labels = dict(key) | self._labels(rule)
                active = self._active[*where, key] = _Active(now, MappingProxyType(labels))
            active.left = None
            active.annotations = said_of(rule, active.labels, value, history, now, self._runbooks)
            if active.fired is None and now - active.since >= rule.wait:
                active.fired = now
            if active.fired is not None:
                told.append(_alert(active))
        for at in [at for at in self._active if at[:2] == where and at[2] not in vector]:
            active = self._active[at]
            if active.fired is not None and rule.keep:
                active.left = now if active.left is None else active.left
                if now - active.left < rule.keep:
                    told.append(_alert(active))
                    continue
            del self._active[at]
            if active.fired is not None:
                told.append(_alert(active, now))
        return told

    def _own(self, rule: Rule) -> Labelled:
        return tuple(sorted(self._labels(rule).items()))

    def _labels(self, rule: Rule) -> dict[str, str]:
        return {**self._extra, **rule.labels, "severity": rule.severity, ALERTNAME: rule.alert}


def said_of(
    rule: Rule, labels: Mapping[str, str], value: float, history: History, now: float, runbooks: str
) -> Mapping[str, str]:
    """What a rule says for people: its annotations, as Prometheus fills in the templates of `promql`."""

    def filled(found: re.Match[str]) -> str:
        return NUMBER % value if found[1] == SHOWN_AS else labels.get(found[1], "")

    said = {"summary": FIELD.sub(filled, rule.summary)}
    for figure in rule.figures:
        number = shown(figure, labels, history, now)
        said[figure.name] = "" if number is None else NUMBER % number
    if runbooks:
        said["runbook_url"] = runbook(runbooks, rule)
    return said


def runbook(base: str, rule: Rule) -> str:
    """The address of a rule's runbook."""
    return f"{base.rstrip('/')}/{rule.alert}.md"


def _alert(active: _Active, ends: float | None = None) -> Alert:
    assert active.fired is not None
    return Alert(active.labels, MappingProxyType(dict(active.annotations)), active.fired, ends)
