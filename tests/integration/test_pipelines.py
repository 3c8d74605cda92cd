"""The examples for other people's pipelines: read by Airflow and Kubeflow themselves, and what they call exists.

What they install is held by its hash, which the test of installing shows with pip itself.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from tests.components.pipelines import python_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "pipelines"
PIPELINE = ROOT / "examples" / "credit" / "pipeline"
WORKFLOW = EXAMPLES / "github-actions.yml"
STAGES = ["ingest", "preprocess", "train", "publish", "gate"]
DAG = """
import json, runpy, sys
dag = runpy.run_path(sys.argv[1])["dag"]
print(json.dumps({
    task.task_id: [sorted(task.upstream_task_ids), task.bash_command, task.is_teardown, task.on_failure_fail_dagrun]
    for task in dag.tasks
}))
"""
DAG_RUN = """
import json, runpy, sys
from airflow.utils.db import upgradedb
upgradedb()
run = runpy.run_path(sys.argv[1])["dag"].test()
print(json.dumps([run.state, {each.task_id: each.state for each in run.get_task_instances()}]))
"""


def test_airflow_reads_the_dag(tmp_path: Path) -> None:
    """Airflow's own classes make it: the stages of dvc.yaml in their order, then what the gates said."""
    done = subprocess.run(
        [python_of("airflow"), "-c", DAG, EXAMPLES / "airflow_dag.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tasks: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    assert list(tasks) == [*STAGES, "show"]
    assert (
        list(yaml.safe_load((EXAMPLES.parent / "credit" / "pipeline" / "dvc.yaml").read_text())["stages"])
        == STAGES
    )
    for before, after in zip(STAGES, [*STAGES[1:], "show"], strict=True):
        assert tasks[after][0] == [before]
        assert tasks[before][1] == f"dvc repro --single-item {before}"
    # The run's state is that of the last task that is no teardown: else showing would make a success of a failed gate.
    assert [name for name, task in tasks.items() if task[2]] == ["show"]
    assert tasks["show"][3] is False


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("failing", "state", "gate"), [("gate", "failed", "failed"), ("none", "success", "success")]
)
def test_airflow_fails_the_run_with_the_gate(tmp_path: Path, failing: str, state: str, gate: str) -> None:
    """Airflow runs the tasks itself; `dvc` and `affiant` are commands that fail or do not."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, line in (
        ("dvc", f'[ "$3" != {failing} ]'),
        ("affiant", "echo shown"),
        ("python", "echo sha256:0"),
    ):
        (commands / name).write_text(f"#!/bin/sh\n{line}\n")
        (commands / name).chmod(0o755)
    done = subprocess.run(
        [python_of("airflow"), "-c", DAG_RUN, EXAMPLES / "airflow_dag.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={
            "PATH": f"{commands}:/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path),
            "AIRFLOW_VAR_CREDIT_WORKSHOP": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended, tasks = json.loads(done.stdout.splitlines()[-1])
    assert (ended, tasks["gate"], tasks["show"]) == (state, gate, "success")


def test_kubeflow_compiles_the_component(tmp_path: Path) -> None:
    """Its compiler makes it, and what it runs is a command of ours."""
    target = tmp_path / "gate.yaml"
    done = subprocess.run(
        [python_of("kfp"), EXAMPLES / "kubeflow_component.py", target],
        capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load(target.read_text())
    container = made["deploymentSpec"]["executors"]["exec-gate"]["container"]
    assert container["command"][:2] == ["sh", "-ec"]
    script = container["command"][2]
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    options = {word for word in [*container["args"], *script.split()] if word.startswith("--")}
    assert options <= options_of(["gate", "run"])
    assert set(made["components"]["comp-gate"]["inputDefinitions"]["artifacts"]) == {"holdout", "documents"}


def commands() -> list[list[str]]:
    """Every `affiant …` of the DVC pipeline and of the examples, as words."""
    files = [
        EXAMPLES / "github-actions.yml",
        EXAMPLES / "airflow_dag.py",
        EXAMPLES.parent / "credit" / "pipeline" / "dvc.yaml",
    ]
    text = "\n".join(" ".join(path.read_text().split()) for path in files)
    text = re.sub(r"\$\((?:[^()]|\([^()]*\))*\)", "X", text)  # what the shell puts in
    found = re.findall(r"affiant ((?:model|gate|card) [a-z]+(?: [^>|`]*?))(?= > |\"|$| - | deps:|`)", text)
    return [shlex.split(each.replace('"', "")) for each in found]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[:2]))
def test_every_command_that_they_call_has_these_options(words: list[str]) -> None:
    """Else a pipeline would fail where nobody looks."""
    assert {word for word in words if word.startswith("--")} <= options_of(words[:2])


def test_the_commands_were_found() -> None:
    """Publishing, judging and cards, at least."""
    assert {("model", "publish"), ("gate", "run"), ("gate", "show"), ("card", "attach")} <= {
        tuple(each[:2]) for each in commands()
    }


def options_of(path: list[str]) -> set[str]:
    """The options of a command."""
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.get_command(None, name)
    return {option for each in command.params for option in each.opts}


def install_step() -> dict[str, Any]:
    """What the workflow installs by."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["judge"]["steps"]
    (found,) = [each for each in steps if each.get("name") == "Install"]
    return dict(found)


def wheel(folder: Path) -> Path:
    """One that is called as ours, and in which the command only says that it is there."""
    made, info = folder / "affiant-0.1.0-py3-none-any.whl", "affiant-0.1.0.dist-info"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("affiant.py", "def main() -> None:\n    print('the wheel that was meant')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: affiant\nVersion: 0.1.0\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\naffiant = affiant:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return made


@pytest.mark.parametrize("filled_in", [True, False], ids=["hash", "placeholder"])
def test_the_workflow_installs_the_wheel_of_that_hash_and_no_other(tmp_path: Path, filled_in: bool) -> None:
    """Its own lines, by pip itself: with another hash than the wheel's, as with the placeholder's, it is refused."""
    step, made = install_step(), wheel(tmp_path)
    assert set(step["env"]["AFFIANT_SHA256"]) == {"0"}
    assert len(step["env"]["AFFIANT_SHA256"]) == 64
    for name in ("requirements.txt", "affiant.txt"):
        (tmp_path / name).write_text("")  # what these hold is fetched from an index, which is not asked here
    base, paths = tmp_path / "base", tmp_path / "paths"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    environment = {
        "PATH": f"{base / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_PATH": str(paths), "PIP_NO_INDEX": "1", "AFFIANT_WHEEL": made.as_uri(),
        "AFFIANT_SHA256": sha256(made.read_bytes()).hexdigest() if filled_in else step["env"]["AFFIANT_SHA256"],
    }  # fmt: skip
    (tmp_path / "temp").mkdir()
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    if not filled_in:
        assert (done.returncode != 0, "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr) == (True, True)
        assert not paths.exists()
        return
    assert done.returncode == 0, done.stderr
    command = Path(paths.read_text().strip()) / "affiant"
    said = subprocess.run([command], capture_output=True, text=True, check=True).stdout
    assert said == "the wheel that was meant\n"
    assert [each.name for each in command.parent.iterdir()] == [
        "affiant"
    ]  # and no other `python` on the path


def test_whose_actions_the_workflow_runs_is_said_by_their_commit() -> None:
    """A tag may be moved, to what reads the pipeline's key. Which commit, whoever copies it says: 0… is none."""
    named = re.findall(r"uses: *(\S+)", WORKFLOW.read_text())
    assert len(named) >= 3
    assert {each.partition("@")[2] for each in named} == {"0" * 40}


INSTALLERS = re.compile(
    r"\b(?:(?:pip[\d.]*|pipx|uv pip|uv tool|uv|poetry|conda|pdm)\s+(?:install|add|run|download|inject)|uvx)\s+"
    r"(?P<words>[^\n;&|`]*)"
)
BY_NAME = re.compile(r"affiant(?:[-_]verify)?(?:\[[^\]]*\])?(?:[=<>!~].*)?")


def asked_of_an_index(text: str) -> Iterator[str]:
    """Commands of a text that let an index say what `affiant` is."""
    for found in INSTALLERS.finditer(text.replace("\\\n", " ")):
        words = re.sub(
            r"\S+ @ (?=[^\s#]+#sha256=)", "", found["words"]
        )  # held by its hash: `name @ url#sha256=…`
        if any(BY_NAME.fullmatch(word.strip("'\"(),.")) for word in words.split()):
            yield found[0]


def test_nothing_that_we_ship_installs_affiant_by_its_name() -> None:
    """No public index has it: whoever takes the name there would run in the job that holds a key."""
    folders = ("examples", "docs", "deploy", "verifier", "cli", "scripts", "requirements", ".ci")
    files = [
        path
        for each in folders
        for path in (ROOT / each).rglob("*")
        if path.is_file() and "var" not in path.parts
    ]
    files += ROOT.glob("*.md")
    texts = {
        path: path.read_bytes().decode(errors="replace") for path in files if path.stat().st_size < 2**21
    }
    assert len(texts) > 100
    assert [(str(path), each) for path, text in texts.items() for each in asked_of_an_index(text)] == []


@pytest.mark.parametrize(
    ("line", "by_name"),
    [
        ("pipx install 'affiant[registry,gates]'", True),
        ("pip install -U \\\n  affiant==0.1.0", True),
        ("uv tool install affiant", True),
        ("uvx affiant up", True),
        ("pip install --no-deps affiant_verify-0.1.0-py3-none-any.whl", False),
        ('pip install --no-deps "affiant @ $AFFIANT_WHEEL#sha256=$AFFIANT_SHA256"', False),
        ('pip install --no-deps "affiant @ $AFFIANT_WHEEL"', True),
    ],
)
def test_what_is_looked_for_is_found(line: str, by_name: bool) -> None:
    """Else the test above would pass by looking at nothing."""
    assert bool(list(asked_of_an_index(line))) == by_name


def trained_by() -> dict[str, Any]:
    """The stages that the training image's entrypoint runs: what it names, and what that depends on."""
    stages: dict[str, Any] = yaml.safe_load((PIPELINE / "dvc.yaml").read_text())["stages"]
    (entry,) = re.findall(r"(?m)^ENTRYPOINT (\[.*\])$", (PIPELINE / "Dockerfile").read_text())
    program, command, *named = json.loads(entry)
    assert (program, command) == ("dvc", "repro")
    made = {out: name for name, stage in stages.items() for out in stage["outs"] if isinstance(out, str)}
    wanted = list(named or stages)
    for name in wanted:
        wanted += [made[each] for each in stages[name]["deps"] if made.get(each, name) not in wanted]
    return {name: stages[name] for name in wanted}


def test_the_training_image_has_what_its_stages_run() -> None:
    """Its Python, and what requirements.txt brings: each program, and each library that a script imports."""
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (PIPELINE / "requirements.txt").read_text()))
    found = trained_by()
    assert list(found) == ["train", "preprocess", "ingest"]
    assert "dvc" in locked
    modules = {"sklearn": "scikit-learn", "yaml": "pyyaml", "xgboost": "xgboost-cpu"}
    own = {path.stem for path in PIPELINE.glob("*.py")}
    for name, stage in found.items():
        program, script = shlex.split(stage["cmd"])[:2]
        assert program == "python" or program in locked, name
        assert script in stage["deps"], name
        for path in (PIPELINE / script, PIPELINE / "steps.py", PIPELINE / "worktree.py"):
            imported = set(re.findall(r"(?m)^\s*(?:import|from) (\w+)", path.read_text()))
            theirs = imported - own - set(sys.stdlib_module_names)
            assert {modules.get(each, each) for each in theirs} <= locked, path


def test_the_training_says_truthfully_whether_its_files_are_the_commits(tmp_path: Path) -> None:
    """An edit, a new module, another version of data: yes. What the pipeline writes, and a key beside it: no."""
    changed = runpy.run_path(str(PIPELINE / "worktree.py"))["changed"]

    def git(*words: str) -> None:
        own = ("-c", "user.name=tim", "-c", "user.email=tim@example.com")
        subprocess.run(["git", *own, *words], cwd=tmp_path, check=True, capture_output=True)

    files = ("train.py", "params.yaml", "requirements.txt", "raw/german_credit.csv.dvc")
    (tmp_path / "raw").mkdir()
    for name in files:
        (tmp_path / name).write_text("one\n")
    assert changed(tmp_path) is None  # no git: nobody knows
    git("init", "--quiet")
    assert changed(tmp_path) is True  # no commit has them
    git("add", "--all")
    git("commit", "--quiet", "--message", "one")
    for name in ("dvc.lock", "raw/.gitignore", "package.json", "gates.html", "gates.key"):
        (tmp_path / name).write_text("written meanwhile\n")
    assert changed(tmp_path) is False
    for name in files:
        (tmp_path / name).write_text("two\n")
        assert changed(tmp_path) is True, name
        git("checkout", "--quiet", name)
    assert changed(tmp_path) is False
    (tmp_path / "raw" / "helper.py").write_text("one\n")
    assert changed(tmp_path) is True
