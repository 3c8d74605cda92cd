"""What Grafana's own types say of the dashboards, by TypeScript's compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitoring.dashboards import Ground, rendered
from tests.components.alerts import full_policy
from tests.components.grafana import complaints

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
