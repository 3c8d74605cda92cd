"""What an alert rule is: a condition over metrics, written once. `promql` says it to Prometheus, `evaluate` looks.

A condition MUST mean the same in both: tests/property/test_alerts_agree.py feeds both the same series. So there are few
of them, each with its meaning here; this is no language. An instant value is that of the newest scrape; a window of w
seconds at t is (t - w, t], as in Prometheus 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Severity = Literal["warn", "page"]
Labels = tuple[str, ...]

SHOWN_AS: Final = "value"
"""In a text, {value} is what the condition found; any other {name} is a label."""


@dataclass(frozen=True, slots=True)
class Match:
    """A label that a series must have. `~` and `!~` take a regular expression of the whole value (RE2 and re both)."""

    label: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


@dataclass(frozen=True, slots=True)
class Select:
    """Series of one name, as scraped: a counter's ends in `_total`."""

    name: str
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """The series of each group, as one number, compared with a limit."""

    select: Select
    by: Labels
    op: Literal[">", ">=", "<", "<=", "=="]
    limit: float
    take: Literal["max", "min", "sum"] = "max"


@dataclass(frozen=True, slots=True)
class Since:
    """A time (s since 1970 UTC) that is longer ago than that."""

    select: Select
    by: Labels
    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """A time (s since 1970 UTC) that comes sooner than that, or is past."""

    select: Select
    by: Labels
    seconds: float


@dataclass(frozen=True, slots=True)
class Rose:
    """A counter that rose in the window, or is above 0 and was not there before (in the day before the window)."""

    select: Select
    by: Labels
    window: int


@dataclass(frozen=True, slots=True)
class Burn:
    """The share of `part` in `whole` is above the limit in the long window and in the short one.

    `part` counts what is bad, or, with `inverted`, what is good. And at least `minimum` were bad in the long window.
    """

    part: Select
    whole: Select
    by: Labels
    long: int
    short: int
    limit: float
    minimum: float
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Nobody:
    """The sum of all series is below 1, or there is none."""

    select: Select


@dataclass(frozen=True, slots=True)
class Gone:
    """Groups of series of which none is there, and one was within so many seconds; the value: how many were.

    `up` of a target that does not answer is 0. Of what nobody finds to be asked any more, there is no `up`.
    """

    select: Select
    by: Labels
    seconds: int


Condition = Level | Since | Until | Rose | Burn | Nobody | Gone


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that an alert shows: the largest of the series with the alert's own labels."""

    name: str
    select: Select
    on: Labels
    """Labels of the alert that the series must have, too."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert. Its labels are those of the condition's groups and `labels`; no two rules of one name may give the
    same ones.
    """

    alert: str
    when: Condition
    severity: Severity
    summary: str
    """One line for people; {service} and {value} are filled in."""
    labels: Mapping[str, str] = field(default_factory=dict)
    wait: int = 0
    """Seconds that it must hold before it fires."""
    keep: int = 0
    """Seconds that it goes on firing when it holds no more: a monitor that takes over is no news."""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, every `interval` seconds (0: as often as the server does)."""

    name: str
    rules: tuple[Rule, ...]
    interval: int = 0


REMEMBERED: Final = 86_400
"""Seconds before its window in which `Rose` looks whether a counter was there."""


def selects(condition: Condition) -> tuple[Select, ...]:
    """Every series that a condition reads."""
    match condition:
        case Burn():
            return (condition.part, condition.whole)
        case _:
            return (condition.select,)


def windows(condition: Condition) -> tuple[int, ...]:
    """Seconds back that it looks at series; empty for conditions of the newest scrape."""
    match condition:
        case Burn():
            return (condition.long, condition.short)
        case Rose():
            return (condition.window, condition.window + REMEMBERED)
        case Gone():
            return (condition.seconds,)
        case _:
            return ()
