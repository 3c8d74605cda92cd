"""The governed demo as a newcomer runs it: a real DVC pipeline, a real MLflow, three signatures, and the commands that
it ends with.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from audit.config import load
from registry.stores import configured_store
from tests.components import environments
from tests.components.process import Process

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "credit"))

from workshop import Mlflow, Workshop

pytestmark = [pytest.mark.slow, pytest.mark.mlflow, pytest.mark.timeout(900)]

Ran = subprocess.CompletedProcess[str]
ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "credit" / "governed.py"
JOB = yaml.safe_load((ROOT / "examples" / "pipelines" / "github-actions.yml").read_text())["jobs"]["judge"]
FAIR: dict[str, object] = {
    "features": {"without": ["age_in_years", "personal_status_and_sex", "foreign_worker"]}, "threshold": "parity",
}  # fmt: skip
UNFAIR: dict[str, object] = {"features": {"without": []}, "threshold": 0.5}
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
    assert "by the signature of pipeline" in text
    assert "one person alone" not in text


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
    lineage = (
        configured_store(load(workshop.parent / "affiant.toml")).pull(gates["report"]["package"]).lineage
    )
    assert lineage["git"] == {"commit": commit, "dirty": False, "source": "mlflow"}
    assert not [each for each in lineage["unknown"] if "commit" in each]


def test_nothing_is_run_twice(demo: Process, workshop: Path) -> None:
    """DVC knows what follows from what: the second model took the split of the first."""
    lock = (workshop / "dvc.lock").read_text()
    assert demo.returncode == 0
    for stage in ("ingest", "preprocess", "train", "publish", "gate"):
        assert f"\n  {stage}:" in lock


@dataclass(frozen=True)
class Pushed:
    """What the workflow runs in."""

    checkout: Workshop
    given: frozenset[str]

    def run(self, message: str, **changed: object) -> tuple[dict[str, Ran], bool]:
        """Commit another params.yaml and run the job: its own steps, as they stand there; whether it succeeded.

        As there, after a step that fails only those run that say `always()`. What installs, and what others' actions
        do, is not run.
        """
        self.checkout.change(**changed)
        self.checkout.commit(message)
        ran: dict[str, Ran] = {}
        good = True
        for step in JOB["steps"]:
            if "run" in step and step["name"] != "Install" and (good or step.get("if") == "always()"):
                done = self.checkout.run("bash", "-e", "-o", "pipefail", "-c", step["run"])
                ran[step["name"]] = done
                good &= done.returncode == 0
        return ran, good

    def judged(self) -> tuple[str, list[str]]:
        """The digest that was published, and its gates that did not pass."""
        read = lambda name: json.loads((self.checkout.directory / name).read_text())  # noqa: E731 - one line
        report = read("gates.json")["report"]
        digest: str = read("package.json")["digest"]
        assert report["package"] == digest
        return digest, [each["name"] for each in report["results"] if each["verdict"] != "passed"]


@pytest.fixture(scope="module")
def pushed(demo: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """A checkout of the demo's repository, its MLflow running again, the demo's store and governance log."""
    assert demo.returncode == 0
    directory, var = tmp_path_factory.mktemp("runner"), demo.log.parent / "var"
    shutil.copytree(var / "workshop", directory / "checkout")
    tools = environments.environment(
        "training", ROOT / "examples" / "credit" / "pipeline" / "requirements.txt"
    )
    with Mlflow(var / "mlflow", tools) as server:
        secrets = {
            "AFFIANT_CONFIG": str(var / "affiant.toml"), "GATES_KEY": "from-the-secret.key",
            "GATES_KEY_PEM": (var / "pipeline.key").read_text(), "MLFLOW_TRACKING_URI": server.address,
        }  # fmt: skip
        yield Pushed(Workshop(directory / "checkout", tools, secrets), frozenset(secrets))


@pytest.mark.long
def test_the_workflow_is_green_when_every_gate_has_passed(demo: Process, pushed: Pushed) -> None:
    """Another parameter, whose model is fair: what follows from it is run, and nothing is left to be done."""
    before = pushed.judged()[0]
    ran, good = pushed.run("A smaller gap", **FAIR, parity_gap=0.049)
    assert good, ran
    said = ran["Train, publish, judge"].stdout
    assert re.findall(r"Running stage '(\w+)'", said) == ["train", "publish", "gate"]
    digest, failed = pushed.judged()
    assert (digest != before, failed) == (True, [])
    assert re.search(r"fairness +passed", ran["What the gates said"].stdout)
    # Nothing else has changed; by which policy it is to be judged, this directory does not know.
    assert pushed.checkout.run("dvc", "status").stdout.split() == ["gate:", "always", "changed"]


def test_the_workflow_trains_publishes_judges_and_fails_with_a_gate(demo: Process, pushed: Pushed) -> None:
    """The unfair model is pushed: what follows from the change is run, the package is another, and the job is red.

    What the gates said is told. The pipeline's key comes out of the secret, and is as secret in its file.
    """
    before = pushed.judged()[0]
    ran, good = pushed.run("All columns", **UNFAIR, parity_gap=0.048)
    assert not good
    said = ran["Train, publish, judge"]
    assert said.returncode != 0
    assert re.findall(r"Running stage '(\w+)'", said.stdout) == ["train", "publish", "gate"], said
    digest, failed = pushed.judged()
    assert (digest != before, failed) == (True, ["fairness"])
    assert re.search(r"fairness +failed", ran["What the gates said"].stdout)
    assert "kept with" in ran["What people read"].stdout
    assert (pushed.checkout.directory / "from-the-secret.key").stat().st_mode & 0o777 == 0o600
    assert set(JOB["env"]) - {"MLFLOW_TRACKING_TOKEN"} <= pushed.given


def test_a_package_of_which_nobody_said_where_it_comes_from_is_not_signed_for(
    demo: Process, pushed: Pushed
) -> None:
    """The model that the pipeline made, published by hand: the gate names what nobody said, and there it ends."""
    keys = demo.log.parent / "var"
    publish = (
        'affiant model publish --from-mlflow "models:/credit/$(cat trained/version)" --table data/seen.csv '
        '--target creditability --positive bad --threshold "$(cat trained/threshold)" --json'
    )
    published = pushed.checkout.run("bash", "-c", publish)
    digest = json.loads(published.stdout)["digest"]
    asked = (
        "--service",
        "credit",
        "--holdout",
        "data/holdout.csv",
        "--documents",
        "documents.yaml",
        "--json",
    )
    ran = pushed.checkout.run("affiant", "gate", "run", digest, *asked, "--key", str(keys / "pipeline.key"))
    failed = {
        each["name"]: each["reason"]
        for each in json.loads(ran.stdout)["report"]["results"]
        if each["verdict"] != "passed"
    }
    assert ran.returncode == 1
    assert "its training command is unknown; its locked requirements is unknown" in failed["lineage"]
    signed = ("--service", "credit", "--role", "legal", "--rationale", "in a hurry", "--yes")
    done = pushed.checkout.run("affiant", "approve", digest, *signed, "--key", str(keys / "lea.key"))
    assert done.returncode == 1
    assert re.search(r"refused: gates that did not pass, or did not run: .*lineage", done.stderr)


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
