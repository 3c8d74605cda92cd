"""One rule, two readers: Prometheus' own test runner and our evaluator, over the same series."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitoring.alerts.form import (
    Burn,
    Condition,
    Gone,
    Group,
    Level,
    Match,
    Nobody,
    Rose,
    Rule,
    Select,
    Since,
    Until,
)
from monitoring.alerts.render import rules_data
from monitoring.alerts.samples import History, Sample
from monitoring.alerts.standing import Standing
from tests.components.prometheus import promtool

STEP = 15
GONE = None
# No ratio and no count of the small numbers here is one of these: a tie would be decided by the last bit of a float.
LIMIT, BAD = 0.3137, 3.71

gauges = st.one_of(st.just(GONE), st.sampled_from([0.0, 1.0, 1.0, 2.0, 2.5, 300.0]))


@dataclass(frozen=True)
class Line:
    """A series: its values by step; None: not there."""

    name: str
    labels: tuple[tuple[str, str], ...]
    target: str
    values: Sequence[float | None]


@st.composite
def counters(draw: st.DrawFn, steps: int) -> list[float | None]:
    """A counter that comes late, rises, begins again, and goes."""
    late = draw(st.integers(0, steps // 2))
    end = draw(st.one_of(st.just(steps), st.integers(late, steps)))
    value, found = float(draw(st.sampled_from([0, 0, 1, 40]))), []
    for rose in draw(st.lists(st.sampled_from([0, 0, 1, 3, 20, -1]), min_size=steps, max_size=steps)):
        value = 0.0 if rose < 0 else value + rose
        found.append(value)
    return [None] * late + found[late:end] + [None] * (steps - end)


def _labelled(draw: st.DrawFn, names: Sequence[str], values: st.SearchStrategy[Any]) -> list[Line]:
    places = [(group, target) for group in ("x", "y") for target in ("t1", "t2")]
    chosen = draw(st.lists(st.sampled_from(places), min_size=1, max_size=4, unique=True))
    return [
        Line(name, (("g", group), ("n", str(i))), target, draw(values))
        for i, (group, target) in enumerate(chosen)
        for name in names
    ]


def _stretched(few: list[Any]) -> list[Any]:
    return [value for value in few for _ in range(8)]


@st.composite
def scenario(draw: st.DrawFn) -> tuple[Rule, list[Line]]:
    """A rule and the series that it reads."""
    steps = 40
    by = draw(st.sampled_from([("g",), (), ("g", "n")]))
    steady = st.lists(gauges, min_size=5, max_size=5).map(_stretched)
    restless = st.lists(gauges, min_size=steps, max_size=steps)
    values = st.one_of(steady, restless)
    kind = draw(st.sampled_from(["level", "since", "until", "rose", "burn", "inverted", "nobody", "gone"]))
    one = Select("m", draw(st.sampled_from([(), (Match("g", "=~", "x|z"),), (Match("n", "!=", "0"),)])))
    when: Condition
    if kind in ("level", "since", "until", "nobody", "gone"):
        lines = _labelled(draw, ["m", "other"], values)
        take = draw(st.sampled_from(["max", "min", "sum"]))
        op = draw(st.sampled_from([">", ">=", "<", "<=", "=="]))
        when = {
            "level": Level(one, by, op, 2, take),
            "since": Since(one, by, 120),
            "until": Until(one, by, 120),
            "nobody": Nobody(one),
            "gone": Gone(one, by, draw(st.sampled_from([60, 240]))),
        }[kind]
    elif kind == "rose":
        lines = _labelled(draw, ["m"], counters(steps))
        when = Rose(one, by, draw(st.sampled_from([60, 120])))
    else:
        parts = _labelled(draw, ["m"], counters(steps))
        rest = [draw(counters(steps)) for _ in parts]
        lines = parts + [
            Line("all", part.labels, part.target, _more(part.values, more))
            for part, more in zip(parts, rest, strict=True)
        ]
        short = draw(st.sampled_from([30, 60]))
        when = Burn(one, Select("all", one.matches), by, 180, short, LIMIT, BAD, inverted=kind == "inverted")
    wait, keep = draw(st.sampled_from([(0, 0), (30, 0), (0, 40), (45, 30)]))
    # A share such as 13/32 lies between two numbers of four digits: the last bit of a float would choose one.
    summary = "{g}" if isinstance(when, Burn | Rose) else "{g} is {value}"
    rule = Rule("A", when, "page", summary, {"cause": "input"}, wait=wait, keep=keep)
    return rule, lines


def _more(part: Sequence[float | None], more: Sequence[float | None]) -> list[float | None]:
    """A whole that rises with its part, at least as fast, and begins again with it."""
    found: list[float | None] = []
    total = before = beyond = 0.0
    for mine, other in zip(part, more, strict=True):
        beyond = max(beyond, other or 0.0)
        if mine is None:
            found.append(None)
            continue
        total = mine if mine < before else total + mine - before
        before = mine
        found.append(total + beyond)
    return found


def expected(rule: Rule, lines: Sequence[Line], steps: int) -> list[list[dict[str, Any]]]:
    """By step: the alerts that fire, as promtool wants them."""
    group = Group("g", (rule,))
    history, standing, found = History([group], points=100_000), Standing(), []
    for step in range(steps):
        for target in ("t1", "t2"):
            samples = [
                Sample(line.name, dict(line.labels), value)
                for line in lines
                if line.target == target and (value := line.values[step]) is not None
            ]
            history.observe(target, step * STEP, samples)
        alerts = standing.evaluate(group, history, step * STEP)
        found.append(
            [
                {
                    "exp_labels": {k: v for k, v in alert.labels.items() if k != "alertname"},
                    "exp_annotations": dict(alert.annotations),
                }
                for alert in alerts
                if alert.ends is None
            ]
        )
    return found


def written(values: Sequence[float | None]) -> str:
    """As promtool's series notation has it; what goes is marked as Prometheus marks it."""
    found, there = [], False
    for value in values:
        found.append(("stale" if there else "_") if value is None else repr(value))
        there = there or value is not None
    return " ".join(found)


@pytest.mark.prometheus
# Without shrinking: each try asks another program, and its answer names the step and the rule.
@settings(max_examples=12, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
@given(st.lists(scenario(), min_size=6, max_size=10))
def test_prometheus_and_the_monitor_find_the_same_alerts(
    scenarios: list[tuple[Rule, list[Line]]],
) -> None:
    """At each step, of each condition: the same alerts, labels and numbers, whatever the series do."""
    with TemporaryDirectory() as name:
        folder, tests = Path(name), []
        for number, (rule, lines) in enumerate(scenarios):
            rules = folder / f"rules{number}.yml"
            rules.write_text(json.dumps(rules_data([Group("g", (rule,))])))
            by_step = expected(rule, lines, 40)
            test = {
                "interval": f"{STEP}s",
                "input_series": [
                    {
                        "series": _series(line),
                        "values": written(line.values),
                    }
                    for line in lines
                ],
                "alert_rule_test": [
                    {"eval_time": f"{step * STEP}s", "alertname": "A", "exp_alerts": alerts}
                    for step, alerts in enumerate(by_step)
                ],
            }
            file = folder / f"test{number}.yml"
            file.write_text(
                json.dumps({"rule_files": [rules.name], "evaluation_interval": f"{STEP}s", "tests": [test]})
            )
            tests.append(file)
        done = promtool("test", "rules", *tests)
        assert done.returncode == 0, done.stdout


def _series(line: Line) -> str:
    labels = ",".join(
        f"{name}={json.dumps(value)}" for name, value in (*line.labels, ("instance", line.target))
    )
    return f"{line.name}{{{labels}}}"
