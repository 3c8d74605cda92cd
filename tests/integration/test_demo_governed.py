"""The governed demo as a newcomer runs it: a real DVC pipeline, a real MLflow, three signatures, and the commands that
it ends with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.components import environments
from tests.components.process import Process

pytestmark = [pytest.mark.slow, pytest.mark.mlflow]

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "credit" / "governed.py"
PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Process:
    """From start to end."""
    directory = tmp_path_factory.mktemp("governed")
    argv = [sys.executable, DEMO, "--directory", directory / "var"]
    process = Process(argv, log=directory / "demo.txt", env=PLAIN, cwd=ROOT)
    process.start()
    try:
        process.wait(deadline_s=400)
    finally:
        process.kill()
    return process


@pytest.fixture
def workshop(demo: Process) -> Path:
    """The repository of those who trained."""
    return demo.log.parent / "var" / "workshop"


def test_the_demo_goes_the_whole_way(demo: Process) -> None:
    """A gate fails, a package is refused, another is signed, deployed, answers and is traced."""
    text = demo.log_text()
    assert demo.returncode == 0, text
    assert "that should not be" not in text
    assert re.search(
        r"fairness +failed +age_in_years: demographic parity difference is 0\.1\d\d; at most 0\.1", text
    )
    assert "`dvc repro` ended with 255: a gate that fails halts the pipeline" in text
    assert "refused: gates that did not pass, or did not run: fairness" in text
    assert "which nobody approved: answered 503" in text
    assert re.search(r"[\d.]+ s later it answers \{'predictions': \[0\.\d+\]\} by sha256:", text)
    for person, role in (("ann", "data-science"), ("lea", "legal"), ("cora", "compliance")):
        assert f"{person} ({role})" in text
        assert f"{role}: read by {person}" in text
    assert "affiant.stage.credit = production" in text
    assert re.search(r"certificate.zip: (\d+) statements, \1 of them sealed; it verifies", text)
    assert text.count("  it holds") == 1


def test_the_lineage_names_commit_data_and_runs(demo: Process, workshop: Path) -> None:
    """What `audit trace` shows is what git, DVC and MLflow have."""
    text = demo.log_text()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=workshop, capture_output=True, text=True, check=True
    ).stdout.strip()
    raw = re.search(r"md5: (\w+)", (workshop / "raw" / "german_credit.csv.dvc").read_text())
    assert raw is not None
    trace = text[text.index("affiant audit trace") :]
    assert re.search(rf"git commit +{commit}", trace)
    assert f"md5:{raw.group(1)}" in trace
    gates = json.loads((workshop / "gates.json").read_text())
    assert gates["passed"]
    assert gates["signed"]


def test_nothing_is_run_twice(demo: Process, workshop: Path) -> None:
    """DVC knows what follows from what: the second model took the split of the first."""
    lock = (workshop / "dvc.lock").read_text()
    assert demo.returncode == 0
    for stage in ("ingest", "preprocess", "train", "publish", "gate"):
        assert f"\n  {stage}:" in lock


def test_the_workflow_of_github_actions_runs(demo: Process, workshop: Path) -> None:
    """Its own steps, as they stand there, in the demo's repository; what installs, and what others' actions do, is not
    run. The pipeline's key comes out of the secret, and is as secret in its file.
    """
    workflow = yaml.safe_load((ROOT / "examples" / "pipelines" / "github-actions.yml").read_text())
    job = workflow["jobs"]["judge"]
    environment = demo_environment(demo, workshop)
    environment["GATES_KEY_PEM"] = (workshop.parent / "pipeline.key").read_text()
    ran = {}
    for step in job["steps"]:
        if "run" in step and step["name"] != "Install":
            ran[step["name"]] = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=workshop, env=environment,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
    assert {name: done.returncode for name, done in ran.items()} == dict.fromkeys(ran, 0), ran
    assert "Data and pipelines are up to date" in ran["Train, publish, judge"].stdout
    assert re.search(r"fairness +passed", ran["What the gates said"].stdout)
    assert (workshop / "from-the-secret.key").stat().st_mode & 0o777 == 0o600
    wanted = set(job["env"]) - {"MLFLOW_TRACKING_TOKEN"}
    assert wanted <= set(environment), "the demo runs the same pipeline with the same variables"


def demo_environment(demo: Process, workshop: Path) -> dict[str, str]:
    """That of the demo's pipeline. MLflow has ended: what has not changed does not ask for it."""
    assert demo.returncode == 0
    tools = environments.environment(
        "training", ROOT / "examples" / "credit" / "pipeline" / "requirements.txt"
    )
    return {
        **os.environ, "PATH": f"{tools / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AFFIANT_CONFIG": str(workshop.parent / "affiant.toml"), "GATES_KEY": "from-the-secret.key",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "DVC_NO_ANALYTICS": "true",
    }  # fmt: skip


def test_each_command_that_it_ends_with_works_as_printed(demo: Process) -> None:
    """Copied from the screen into a shell, in the same directory; the last one revokes."""
    export, *commands = [
        line.strip() for line in demo.log_text().partition("Try next")[2].splitlines() if "affiant" in line
    ]
    assert export.startswith("export AFFIANT_CONFIG=")
    assert len(commands) == 4
    for command in commands:
        typed = command.replace("    #", " --yes    #") if " revoke " in command else command
        done = subprocess.run(
            ["bash", "-c", f"{export}\n{typed}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), command
