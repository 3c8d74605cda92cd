"""What others' checkers say of the dashboards: Grafana's types, by TypeScript's compiler, and Prometheus' promtool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitoring.dashboards import Ground, boards, rendered
from tests.components.alerts import full_policy
from tests.components.grafana import complaints
from tests.components.prometheus import promtool

pytestmark = pytest.mark.prometheus


def test_grafana_s_own_types_say_that_they_are_dashboards(tmp_path: Path) -> None:
    """And say what is wrong with one that is none: the library that makes them checks nothing."""
    files = rendered(Ground(policy=full_policy(), runbooks="https://example.org/runbooks"))
    texts = {Path(name).stem: text for name, text in files.items() if name.endswith(".json")}

    def spoil(place: int, *way: str, value: object) -> str:
        found = json.loads(texts["affiant-drift"])
        where = found["panels"][place]
        for key in way[:-1]:
            where = where[int(key) if key.isdigit() else key]
        where[way[-1]] = value
        return json.dumps(found)

    spoilt = {
        "mode": spoil(1, "fieldConfig", "defaults", "thresholds", "mode", value="absolut"),
        "question": spoil(2, "targets", "0", "expr", value=None),
        "option": spoil(3, "options", "colorMode", value="loud"),
        "kind": spoil(1, "type", value="statistic"),
    }
    found = complaints(tmp_path, texts | spoilt)
    assert {line.partition(".ts")[0] for line in found if not line.startswith(" ")} == set(spoilt)


@pytest.mark.parametrize("debian", [False, True], ids=["Prometheus 3", "Debian's"])
def test_promtool_takes_every_question(tmp_path: Path, *, debian: bool) -> None:
    """As the expression of a rule each; and refuses one that is none."""
    exprs = [
        query.expr.replace("$__rate_interval", "1m")
        for board in boards(Ground(policy=full_policy()))
        for row in board.rows
        for panel in row.panels
        for query in panel.queries
    ]

    def checked(*found: str) -> int:
        rules = [{"record": f"question:{at}", "expr": each} for at, each in enumerate(found)]
        file = tmp_path / "rules.yml"
        file.write_text(json.dumps({"groups": [{"name": "questions", "rules": rules}]}))
        return promtool("check", "rules", file, debian=debian).returncode

    assert checked(*exprs) == 0
    assert checked(*exprs, "sum(") != 0
