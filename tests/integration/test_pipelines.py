"""The examples for other people's pipelines: read by Airflow and Kubeflow themselves, and what they call exists."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from tests.components.pipelines import python_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "pipelines"
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
