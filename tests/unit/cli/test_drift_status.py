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
