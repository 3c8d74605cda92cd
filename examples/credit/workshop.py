"""Where the governed demo's model is made: a git repository with a DVC pipeline, and an MLflow server beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import yaml
from system import free_port

from cli.supervisor import die_with

HERE: Final = Path(__file__).resolve().parent
PIPELINE: Final = HERE / "pipeline"
READY_SECONDS: Final = 120.0
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def environment() -> Path:
    """The training environment (DVC, MLflow, XGBoost), made when it is not there: it is no part of Affiant's."""
    script, requirements = HERE.parents[1] / "scripts" / "environment", PIPELINE / "requirements.txt"
    done = subprocess.run(
        [sys.executable, script, "training", requirements], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return Path(done.stdout.strip())


class ComponentAway(Exception):  # noqa: N818 - says what happened
    """What the demo starts did not answer in time."""


class Mlflow:
    """A real MLflow server on the loopback, with its files in a directory: what an earlier one left there is there."""

    def __init__(self, directory: Path, tools: Path) -> None:
        self.address = f"http://127.0.0.1:{free_port(5000)}"
        self._directory = directory
        self._python = tools / "bin" / "python"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._directory.mkdir(exist_ok=True)
        parent = os.getpid()
        argv = [
            self._python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", self.address.rsplit(":", 1)[1],
            "--backend-store-uri", f"sqlite:///{self._directory}/mlflow.db",
            "--artifacts-destination", self._directory / "artifacts", "--workers", "1",
        ]  # fmt: skip
        with (self._directory / "server.txt").open("wb") as output:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **QUIET}, cwd=self._directory, start_new_session=True,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 - one thread, and nothing but prctl
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child is not None
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGTERM)
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def _wait(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        said = (self._directory / "server.txt").read_text(errors="replace")
        raise ComponentAway(
            f"MLflow did not begin within {READY_SECONDS:g} s; the end of what it said:\n{said[-2000:]}"
        )


class Workshop:
    """The repository of those who train: code, parameters and data versions, committed."""

    def __init__(self, directory: Path, tools: Path, more: Mapping[str, str]) -> None:
        """`more`: of the environment in which the pipeline runs."""
        self.directory = directory
        path = f"{tools / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, **QUIET, **more, "PATH": path}

    def begin(self, who: str) -> None:
        """Code and data as they are in the example, in a repository of their own."""
        shutil.copytree(PIPELINE, self.directory)
        (self.directory / "raw").mkdir()
        shutil.copy(HERE / "german_credit.csv", self.directory / "raw")
        for command in (
            ("git", "init", "--quiet", "--initial-branch=main"),
            ("git", "config", "user.name", who),
            ("git", "config", "user.email", f"{who}@example.com"),
            ("dvc", "init", "--quiet"),
            ("dvc", "config", "core.analytics", "false"),
            ("dvc", "config", "core.check_update", "false"),
            ("dvc", "add", "--quiet", "raw/german_credit.csv"),
        ):
            self.run(*command).check_returncode()
        self.commit("The credit model: all columns, threshold 0.5")

    def change(self, **values: object) -> None:
        """Other values in params.yaml."""
        path = self.directory / "params.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}, sort_keys=False))

    def commit(self, message: str) -> str:
        """Everything, and the commit's id."""
        self.run("git", "add", "--all").check_returncode()
        self.run("git", "commit", "--quiet", "--message", message).check_returncode()
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In the repository, with the training environment's tools first on the path."""
        return subprocess.run(
            command, cwd=self.directory, env=self._environment, capture_output=True, text=True, check=False
        )
