"""Every question of every dashboard, asked of a real Prometheus that watches a running system: no panel is empty."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from monitoring.dashboards import Ground, boards
from monitoring.dashboards.form import Board, Panel
from monitoring.dashboards.rollback import ROLLED_BACK
from tests.components.afar import Afar
from tests.components.process import wait_until
from tests.components.prometheus import Prometheus
from tests.components.whole import POLICY, ROLLS_BACK, Whole

pytestmark = [pytest.mark.prometheus, pytest.mark.kafka, pytest.mark.slow]

PANELS = [
    (board, panel) for board in boards(Ground(policy=POLICY)) for row in board.rows for panel in row.panels
]
HERE = {
    "affiant_audit_minute_answered": "only a look that follows another knows what came between",
}
"""What is rightly without data here, and why. Data all the same is a fault of this table."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One for all questions."""
    with Whole(tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.fixture(scope="module")
def server(whole: Whole, kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Its Prometheus, which also watches what a machine that is well does not show."""
    with Afar(tmp_path_factory.mktemp("afar") / "afar", kafka, ROLLS_BACK) as afar:
        both = {job: [*addresses, *afar.targets.get(job, ())] for job, addresses in whole.targets.items()}
        whole.server.retarget(both, ca=afar.ca)
        yield whole.server


def filled(expr: str) -> str:
    """With what Grafana fills in, when everything is chosen."""
    found = expr.replace("$__rate_interval", "15s")
    return re.sub(r"\$[a-z]+", ".*", found)


def questions(panel: Panel) -> list[str]:
    """Those that must have an answer."""
    exprs = [query.expr for query in panel.queries]
    return [each for each in exprs if not any(name in each for name in HERE)]


def silent(server: Prometheus, exprs: list[str]) -> list[str]:
    """Those without an answer; NaN is none."""
    return [each for each in exprs if all(math.isnan(sample.value) for sample in server.query(filled(each)))]


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{b.uid}: {p.title}" for b, p in PANELS])
def test_no_panel_is_empty(server: Prometheus, board: Board, panel: Panel) -> None:
    """Each question has an answer, or there is a reason why not; no panel has such questions alone."""
    wanted = questions(panel)
    assert wanted
    wait_until(
        lambda: silent(server, wanted) == [],
        what=f"answers of {panel.title}",
        details=lambda: "\n".join(silent(server, wanted)),
    )


def test_names_of_lines_are_filled_in(server: Prometheus) -> None:
    """A label that the answer does not have would leave a gap in the name of its line."""
    gaps, seen = set(), 0
    for _, panel in PANELS:
        for query in panel.queries:
            wanted = set(re.findall(r"\{\{([a-z_]+)\}\}", query.legend))
            for sample in server.query(filled(query.expr)):
                seen += 1
                if not wanted <= set(sample.labels):
                    gaps.add((panel.title, query.legend, str(sample.labels)))
    assert gaps == set()
    assert seen > 200


def test_each_reason_is_one(server: Prometheus) -> None:
    """Questions that it speaks of are there, and have no answer; Prometheus takes them all the same."""
    exprs = [query.expr for _, panel in PANELS for query in panel.queries]
    for name in HERE:
        of_it = [each for each in exprs if name in each]
        assert of_it
        assert silent(server, of_it) == of_it


def test_a_rollback_is_a_line_through_every_panel(whole: Whole) -> None:
    """In the minute in which it happened."""
    (first,) = whole.server.query("min_over_time(timestamp(affiant_controller_rollbacks_total)[10m:1s])")
    (sample,) = whole.server.query(ROLLED_BACK, at=first.value + 5)
    assert (sample.labels["service"], sample.value) == ("credit", 1)
