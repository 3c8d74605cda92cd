r"""A real MLflow server as a child process, and MLflow's own environment for those who train.

    with MlflowServer(directory) as server:
        train(server, "script.py", "argument")     # with MLflow's own client, in its own environment
        MlflowStore(mlflow_access(server.address))

MLflow needs other versions of libraries than this project (pyarrow), so that it lives in an environment of its own,
made in the cache from `requirements.txt` here, which is hashed and pinned. To renew it:

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --no-header requirements.in -o requirements.txt
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final, Self

from tests.components import environments
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process

REQUIREMENTS: Final = Path(__file__).parent / "requirements.txt"
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it looks up its host otherwise
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
}


@cache
def environment() -> Path:
    """MLflow's environment; see `environments.environment`."""
    return environments.environment("mlflow", REQUIREMENTS)


def train(server: MlflowServer, script: Path, *arguments: str) -> str:
    """Run a script with MLflow's own client against the server; what it printed.

    Raises:
        ComponentError: it failed.
    """
    return environments.run(
        [str(environment() / "bin" / "python"), str(script), *arguments],
        {**QUIET, "MLFLOW_TRACKING_URI": server.address},
    )


class MlflowServer(Component):
    """A tracking server and model registry over SQLite, with its artifacts in files under `artifacts`."""

    def __init__(self, directory: Path, *options: str) -> None:
        """Nothing runs yet. `directory` is empty or this server's own; `options` are the server's further ones."""
        self.port = free_port()
        self.artifacts = directory / "artifacts"
        self._directory = directory
        binaries = environment() / "bin"
        self.process = Process(
            [
                binaries / "mlflow", "server", "--host", HOST, "--port", str(self.port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{directory / 'mlflow.db'}",
                "--artifacts-destination", self.artifacts, *options,
            ],
            log=directory / "mlflow.log",
            env={**QUIET, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"},
            cwd=directory,
            name="mlflow",
        )  # fmt: skip

    @property
    def address(self) -> str:
        """MLFLOW_TRACKING_URI."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it accepts connections; it makes its database first."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port), what="accepting connections", deadline_s=120)
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
