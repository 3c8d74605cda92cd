"""Dashboards ask for what there is, say it in plain words, and show all that is exported."""

from __future__ import annotations

import re

import pytest

from monitoring.alerts.limits import limits
from monitoring.alerts.rules import groups_of
from monitoring.dashboards import Ground, boards
from monitoring.dashboards.form import Board, Panel
from monitoring.dashboards.rollback import ROLLED_BACK
from registry.policy import parse_policy
from tests.components.alerts import FULL_POLICY, full_policy
from tests.components.exported import exported

BOARDS = boards(Ground(policy=full_policy()))
PANELS = [(board, panel) for board in BOARDS for row in board.rows for panel in row.panels]
EXPORTED = exported()
FOREIGN = {"ALERTS"}
"""Prometheus' own."""
UNSHOWN: dict[str, str] = {}
"""Exported and in no dashboard, with the reason. Nothing is, so far."""


def asked(panel: Panel) -> set[str]:
    """The metrics that a panel reads."""
    return {
        name for query in panel.queries for name in re.findall(r"\baffiant_[a-z_]+\b|\bALERTS\b", query.expr)
    }


def names(found: list[tuple[Board, Panel]]) -> list[str]:
    """For the names of tests."""
    return [f"{board.uid}: {panel.title}" for board, panel in found]


def test_each_metric_that_is_asked_for_is_exported() -> None:
    """Under that very name, with a counter's or a histogram's ending."""
    known = {name for series in EXPORTED.values() for name in series} | FOREIGN
    for board, panel in PANELS:
        assert asked(panel) <= known, (board.uid, panel.title)
    assert set(re.findall(r"affiant_[a-z_]+", ROLLED_BACK)) <= known
    variables = {each.metric for board in BOARDS for each in board.variables}
    assert variables <= known


def test_each_metric_that_is_exported_is_shown() -> None:
    """Or there is a reason."""
    shown = {name for _, panel in PANELS for name in asked(panel)}
    unseen = {name for name, series in EXPORTED.items() if not shown & set(series)}
    assert unseen == set(UNSHOWN)
    assert len(EXPORTED) > 90


def test_each_alert_has_its_panel() -> None:
    """Who is woken looks at one; and a panel names only alerts that there are."""
    named = {alert for _, panel in PANELS for alert in panel.alerts}
    made = {rule.alert for group in groups_of(full_policy()) for rule in group.rules}
    assert named == made


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=names(PANELS))
def test_a_panel_speaks_plainly(board: Board, panel: Panel) -> None:
    """It has a title, a sentence about it, a unit, and lines that have names."""
    assert re.fullmatch(r"[A-Z].{2,40}", panel.title)
    assert re.fullmatch(r"[A-Z0-9].{20,}\.", panel.about)
    assert "affiant_" not in panel.title + panel.about
    assert 0 < len(panel.queries) <= 26
    assert list(panel.steps) == sorted(panel.steps, key=lambda step: step.value)
    if panel.kind == "lines":
        assert all(query.legend for query in panel.queries)
        # Two questions under one name would be one line that contradicts itself; of limits, each service has one.
        legends = [each.legend for each in panel.queries if not each.legend.startswith("limit")]
        assert len(set(legends)) == len(legends)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_whole(board: Board) -> None:
    """Panels have titles of their own, rows are full or end, and what one chooses is used."""
    titles = [panel.title for row in board.rows for panel in row.panels]
    assert len(titles) == len(set(titles))
    asked_for = " ".join(query.expr for row in board.rows for panel in row.panels for query in panel.queries)
    assert set(re.findall(r"\$([a-z]+)", asked_for)) == {each.name for each in board.variables}
    for row in board.rows:
        assert all(panel.width in (4, 6, 8, 12, 16, 24) for panel in row.panels), row.title


def test_uids_are_for_ever() -> None:
    """Bookmarks have them."""
    assert [board.uid for board in BOARDS] == [
        "affiant-gateway", "affiant-record", "affiant-drift", "affiant-objectives", "affiant-rollback",
        "affiant-governance",
    ]  # fmt: skip


def exprs(ground: Ground, title: str) -> list[str]:
    """The questions of the panel of that title."""
    return [
        query.expr
        for board in boards(ground)
        for row in board.rows
        for panel in row.panels
        if panel.title == title
        for query in panel.queries
    ]


def test_the_policy_s_limits_are_drawn() -> None:
    """Those of each service; where no policy is given, those of one that says nothing."""
    text = FULL_POLICY.replace(b"    drift:\n", b"    drift:\n      ks: 0.17\n      psi: 0.31\n")
    policy = parse_policy(text, "policy.yaml")
    ks = exprs(Ground(policy=policy), "KS distance")
    assert any('service="credit"' in each and each.endswith("+ 0.17") for each in ks)
    assert any('service="plain"' in each and each.endswith("+ 0.1") for each in ks)
    assert any(each.endswith("+ 0.31") for each in exprs(Ground(policy=policy), "PSI less its expectation"))
    assert exprs(Ground(), "KS distance")[-1].endswith("+ 0.1")


def test_limits_of_the_alerts_are_those_of_the_panels() -> None:
    """One number changed in both places."""
    ground = Ground(limits(["unshipped_seconds_page=77"]))
    found = [
        step.value
        for board in boards(ground)
        for row in board.rows
        for panel in row.panels
        if "AffiantUnshipped" in panel.alerts
        for step in panel.steps
    ]
    assert 77 in found
