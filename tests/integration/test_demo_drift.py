"""The drift demo as a newcomer runs it: two versions, a broken input, a rollback, and whether it was right."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.process import Process

pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "credit" / "drifting.py"
PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Process:
    """From start to end."""
    directory = tmp_path_factory.mktemp("drift")
    argv = [sys.executable, DEMO, "--no-open", "--directory", directory / "var"]
    process = Process(argv, log=directory / "demo.txt", env=PLAIN, cwd=ROOT)
    process.start()
    try:
        process.wait(deadline_s=400)
    finally:
        process.kill()
    return process


@pytest.fixture
def var(demo: Process) -> Path:
    """Where it happened."""
    return demo.log.parent / "var"


@pytest.mark.timeout(420)
def test_version_1_comes_back_by_itself_and_that_was_right(demo: Process) -> None:
    """No request is refused on the way; the decision is computed again, to the bit."""
    text = demo.log_text()
    assert demo.returncode == 0, text
    assert "that should not be" not in text
    assert re.search(
        r"[\d.]+ s and [\d,]+ broken applications later version 1 answers; none was refused", text
    )
    alerts, back = text.index("$ affiant alerts firing\n"), text.index("later version 1 answers")
    assert re.search(r"^  \S+ +page +AffiantScoreDrift +.*score:bad", text[alerts:back], re.MULTILINE), text
    assert "it was right" in text
    assert re.search(r"duration_in_month +signed .* page *$", text, re.MULTILINE)


def test_the_rollback_is_signed_by_the_controller_with_its_evidence(demo: Process, var: Path) -> None:
    """And the report is of just these records."""
    said = subprocess.run(
        [sys.executable, "-m", "cli.main", "history", "credit", "--json", "--config", var / "affiant.toml"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    (service,) = json.loads(said.stdout)["services"]
    last = [each for each in service["events"] if each["void"] is None][-1]
    assert (last["action"], last["person"]) == ("rollback", "robot")
    page = (var / "drift.html").read_text()
    assert 'id="duration_in_month"' in page
    assert f"--event {last['offset']}" in page
