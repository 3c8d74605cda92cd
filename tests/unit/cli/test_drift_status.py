"""`affiant drift status` of a monitor that says this and that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app


def package(**more: Any) -> dict[str, Any]:
    """What a monitor says of one without columns."""
    return {
        "service": "credit", "slot": "live", "digest": "sha256:" + "0" * 64, "rows": 7, "checks": 1,
        "window_rows": 7, "unsupported": None, "threshold": 9.2, "alarms": {}, "columns": [], "labels": None,
    } | more  # fmt: skip


@pytest.mark.parametrize("labels", [None, {}, {"unlooked": {"sex\x1b[2J": "no feature of the model"}}])
def test_attributes_that_nobody_looks_at_are_named(
    labels: dict[str, Any] | None, tmp_path: Path, served: Callable[[Path], str]
) -> None:
    """With the reason; a monitor of before, or one that reads no labels, says nothing of it."""
    (tmp_path / "figures").write_text(json.dumps([package(labels=labels)]))
    settings = tmp_path / "affiant.toml"
    settings.write_text(f'[data]\ndirectory = "."\n[controller]\nmonitor_url = "{served(tmp_path)}"\n')
    done = CliRunner().invoke(app, ["drift", "status", "--config", str(settings)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert ("decisions by sex\ufffd[2J are not looked at: no feature of the model" in said) == bool(labels)
    assert "\x1b[2J" not in done.output


def test_labels_in_no_figure_and_positive_decisions_are_told(
    tmp_path: Path, served: Callable[[Path], str]
) -> None:
    """And why nobody judges the coverage."""
    labels = {"unlooked": {}, "unmatched": {"waiting": 1234, "no class": 2}, "short": "for too short a time"}
    scores = {"between": [0.1, 0.9], "outside": 3, "scores": 12, "unheld": ["bad above 0.9 is not told"]}
    told = package(labels=labels, decided={"rows": 8, "positive": 3}, scores=scores)
    (tmp_path / "figures").write_text(json.dumps([told]))
    settings = tmp_path / "affiant.toml"
    settings.write_text(f'[data]\ndirectory = "."\n[controller]\nmonitor_url = "{served(tmp_path)}"\n')
    done = CliRunner().invoke(app, ["drift", "status", "--config", str(settings)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "labels of the service that are in no figure: 1,234 waiting, 2 no class" in said
    assert "for too short a time" in said
    assert "37.5% of all rows were decided positive" in said
    assert "25.0% of all scores lie outside of 0.1 to 0.9" in said
    assert "bad above 0.9 is not told" in said


def test_a_canary_that_nobody_compares_is_told(tmp_path: Path, served: Callable[[Path], str]) -> None:
    """With the reason."""
    told = [package(uncompared=None), package(slot="canary", uncompared="one of 2 canaries\x1b[2J")]
    (tmp_path / "figures").write_text(json.dumps(told))
    settings = tmp_path / "affiant.toml"
    settings.write_text(f'[data]\ndirectory = "."\n[controller]\nmonitor_url = "{served(tmp_path)}"\n')
    done = CliRunner().invoke(app, ["drift", "status", "--config", str(settings)])
    assert done.exit_code == 0, done.output
    assert done.output.count("one of 2 canaries\ufffd[2J") == 1
    assert "None" not in done.output
