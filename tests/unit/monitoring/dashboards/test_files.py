"""The files are those that are kept, and what Grafana's own types say a dashboard is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import run
from monitoring.dashboards import Ground, rendered
from monitoring.dashboards.files import SOURCE
from tests.components.alerts import FULL_POLICY, full_policy

KEPT = Path(__file__).resolve().parents[4] / "deploy" / "grafana"
FILES = rendered(Ground(policy=full_policy(), runbooks="https://example.org/runbooks/"))
BOARDS = {Path(name).stem: json.loads(text) for name, text in FILES.items() if name.endswith(".json")}
PANELS = [(uid, panel) for uid, board in BOARDS.items() for panel in board["panels"]]


def test_what_is_kept_is_what_is_made() -> None:
    """deploy/grafana is `affiant dashboards render --out deploy/grafana`, to the byte."""
    kept = {str(path.relative_to(KEPT)): path.read_text() for path in KEPT.rglob("*") if path.is_file()}
    assert kept == rendered()


def test_nothing_lies_on_something_else() -> None:
    """Panels fill the grid of 24 columns, each cell once."""
    for board in BOARDS.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not taken & cells, panel["title"]
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_panel_asks_the_prometheus_that_is_chosen() -> None:
    """No other source, and no address, in any dashboard."""
    for board in BOARDS.values():
        text = json.dumps(board)
        assert set(re.findall(r'"uid": "([^"]*\$[^"]*)"', text)) == {"${source}"}
        assert board["templating"]["list"][0]["type"] == "datasource"
        assert set(re.findall(r"https?://[^\"]+/", text)) <= {"https://example.org/runbooks/"}
    assert all(
        target["datasource"]["uid"] == "${source}"
        for _, panel in PANELS
        for target in panel.get("targets", ())
    )


def test_a_panel_leads_to_its_runbooks() -> None:
    """By address where there is one, and by name always."""
    (panel,) = [each for _, each in PANELS if each["title"] == "Oldest record not in the log"]
    assert [link["url"] for link in panel["links"]] == ["https://example.org/runbooks/AffiantUnshipped.md"]
    assert panel["description"].endswith("Runbooks: AffiantUnshipped.")


def test_grafana_is_told_where_everything_is() -> None:
    """The provisioning files, as YAML."""
    files = rendered(prometheus="http://p:9090", interval="5s", folder="/dashboards")
    (source,) = yaml.safe_load(files["provisioning/datasources/affiant.yaml"])["datasources"]
    assert (source["url"], source["jsonData"]["timeInterval"], source["uid"]) == (
        "http://p:9090",
        "5s",
        SOURCE,
    )
    (provider,) = yaml.safe_load(files["provisioning/dashboards/affiant.yaml"])["providers"]
    assert provider["options"]["path"] == "/dashboards"


def affiant(*arguments: Any) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as ended:
        run([str(each) for each in arguments])
    return int(ended.value.code or 0)


def test_the_command_writes_them_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as the library; what is there already stays; --force replaces."""
    out, policy = tmp_path / "grafana", tmp_path / "policy.yaml"
    policy.write_bytes(FULL_POLICY)
    given = (
        "dashboards",
        "render",
        "--out",
        out,
        "--policy",
        policy,
        "--runbooks",
        "https://example.org/runbooks/",
    )
    assert affiant(*given, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["policy"] == full_policy().digest
    assert {str(Path(each).relative_to(out)): Path(each).read_text() for each in told["files"]} == FILES
    assert affiant(*given) == 2
    assert "--force" in capsys.readouterr().err
    assert affiant(*given, "--force") == 0


def test_without_the_extra_it_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line, and exit code 2."""
    monkeypatch.delitem(sys.modules, "monitoring.dashboards.draw", raising=False)
    for name in [name for name in sys.modules if name.startswith("grafana_foundation_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    assert affiant("dashboards", "render", "--out", tmp_path / "out") == 2
    assert "affiant[dashboards]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
