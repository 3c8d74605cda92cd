"""What a dashboard is, before Grafana's own library draws it: panels, their questions and their limits.

Pure data: what a dashboard asks can be read and held against what is exported without the library (draw.py has it).
A question is PromQL; `$service` and the like are the dashboard's variables, regular expressions all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from monitoring.alerts.limits import Limits
from registry.policy import Policy

Kind = Literal["lines", "number", "table"]
Unit = Literal["short", "none", "percentunit", "s", "h", "bytes", "Bps", "reqps", "dateTimeAsIso", "cps"]
"""Grafana's names of units. `s` and `h` are durations, `percentunit` a share of 1, `cps` a count a second."""
Colour = Literal["green", "orange", "red"]

RATE: Final = "$__rate_interval"
"""Grafana fills in a window that holds some scrapes."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the name of each of its series: `{{label}}` is filled in."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on, a panel has this colour."""

    value: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. `title` and `about` are for people: plain words, whole sentences in `about`."""

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Kind = "lines"
    steps: tuple[Step, ...] = ()
    """Ascending; below the first one it is green, or `base`."""
    base: Colour = "green"
    alerts: tuple[str, ...] = ()
    """Alerts about the same thing: their runbooks are linked."""
    width: int = 8
    """Of 24."""
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader chooses: the values that a metric's label has. It MUST be used by some question."""

    name: str
    label: str
    metric: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. Its uid is for ever: addresses of people's bookmarks have it."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What thresholds are taken from. Without a policy those of a policy that says nothing hold."""

    limits: Limits = field(default_factory=Limits)
    policy: Policy | None = None
    runbooks: str = ""
    """Address before the name of each alert's runbook; empty: nothing is linked."""


def above(warn: float, page: float) -> tuple[Step, ...]:
    """The more, the worse."""
    return (Step(warn, "orange"), Step(page, "red"))


BAD: Final = (Step(1, "red"),)
"""Of what should be 0."""
WARN: Final = (Step(1, "orange"),)
"""Of what should be 0 and wakes nobody."""


def number(title: str, about: str, expr: str, **more: object) -> Panel:
    """A panel of one number."""
    return Panel(title, about, (Query(expr),), **{"kind": "number", "width": 4, **more})  # type: ignore[arg-type]


def lines(title: str, about: str, *queries: tuple[str, str], **more: object) -> Panel:
    """A panel of lines; (question, name of its lines) each."""
    return Panel(title, about, tuple(Query(*each) for each in queries), **more)  # type: ignore[arg-type]


def quantiles(metric: str, matches: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """p50, p95 and p99 of a histogram of seconds."""
    group = f"le, {by}" if by else "le"
    name = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (
            f"histogram_quantile({share}, sum by ({group}) (rate({metric}_bucket{{{matches}}}[{RATE}])))",
            f"{name}{text}",
        )
        for share, text in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )
