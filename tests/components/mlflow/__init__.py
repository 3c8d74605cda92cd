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

import base64
import json
import os
import urllib.request
from functools import cache
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from tests.components import environments
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process

REQUIREMENTS: Final = Path(__file__).parent / "requirements.txt"
PASSWORD: Final = "correct horse battery"
"""The administrator's, whose name is admin: whoever has none is not let in."""
_AUTH: Final = """\
[mlflow]
default_permission = READ
database_uri = sqlite:///{database}
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""
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
    """A tracking server and model registry over SQLite, with its artifacts in files under `artifacts`.

    It asks for a name and a password; others than the administrator may read (`add_reader`).
    """

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet. `directory` is empty or this server's own."""
        self.port = free_port()
        self.artifacts = directory / "artifacts"
        self._directory = directory
        binaries = environment() / "bin"
        self.process = Process(
            [
                binaries / "mlflow", "server", "--host", HOST, "--port", str(self.port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{directory / 'mlflow.db'}",
                "--artifacts-destination", self.artifacts, "--app-name", "basic-auth",
            ],
            log=directory / "mlflow.log",
            env={
                **QUIET,
                "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
                "MLFLOW_AUTH_CONFIG_PATH": str(directory / "auth.ini"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for tests",
            },
            cwd=directory,
            name="mlflow",
        )  # fmt: skip

    @property
    def address(self) -> str:
        """MLFLOW_TRACKING_URI, with the administrator's name and password."""
        return f"http://admin:{quote(PASSWORD)}@{HOST}:{self.port}"

    @property
    def plain(self) -> str:
        """The same without: whoever asks there is not let in."""
        return f"http://{HOST}:{self.port}"

    def add_reader(self, name: str) -> str:
        """Make a user who may read; returns MLFLOW_TRACKING_URI for them."""
        body = json.dumps({"username": name, "password": PASSWORD}).encode()
        basic = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        asked = urllib.request.Request(
            f"{self.plain}/api/2.0/mlflow/users/create",
            body,
            {"Content-Type": "application/json", "Authorization": f"Basic {basic}"},
        )
        with urllib.request.urlopen(asked, timeout=30):
            return f"http://{name}:{quote(PASSWORD)}@{HOST}:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it accepts connections; it makes its database first."""
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "auth.ini").write_text(
            _AUTH.format(password=PASSWORD, database=self._directory / "auth.db")
        )
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port), what="accepting connections", deadline_s=120)
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
