"""What a data scientist has logged, with MLflow's own client, in the session's server."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registry.mlflow.client import Client
from registry.settings import mlflow_access
from tests.components.approvals import Done, affiant
from tests.components.mlflow import MlflowServer, train
from tests.components.packages import CREDIT_CSV, TARGET


@dataclass(frozen=True)
class Logged:
    """Ids by name (see train.py), in a server; `name` is the registered model and the experiment."""

    server: MlflowServer
    name: str
    ids: dict[str, str]

    def client(self) -> Client:
        """Without memory."""
        return Client(mlflow_access(self.server.address))

    def model_files(self, which: str) -> Path:
        """Where the server keeps a logged model."""
        (found,) = self.server.artifacts.glob(f"*/models/{self.ids[which]}/artifacts")
        return found

    def asked(self) -> str:
        """What the server was asked so far."""
        return self.server.process.log_text()


@pytest.fixture(scope="session")
def logged(mlflow_server: MlflowServer) -> Logged:
    """The models of train.py."""
    name = f"credit-{uuid.uuid4().hex[:8]}"
    out = train(mlflow_server, Path(__file__).with_name("train.py"), str(CREDIT_CSV), name)
    return Logged(mlflow_server, name, json.loads(out.splitlines()[-1]))


class Publisher:
    """Runs `affiant model …` in a directory of its own, against the server."""

    def __init__(self, directory: Path, settings: str = "") -> None:
        self.config = directory / "affiant.toml"
        self.config.write_text(settings)

    def __call__(self, *arguments: object) -> Done:
        return affiant("model", *arguments, "--config", self.config, "--json")

    def publish(self, address: str, *more: object, table: object = CREDIT_CSV) -> Done:
        """The credit model; more options replace nothing."""
        return self(
            "publish",
            "--from-mlflow",
            address,
            "--table",
            table,
            "--target",
            TARGET,
            "--positive",
            "bad",
            *more,
        )

    def ok(self, *arguments: object, **more: object) -> Any:
        """The output of a publishing that must succeed."""
        done = self.publish(*arguments, **more)  # type: ignore[arg-type]
        assert done.code == 0, done
        return done.json

    def lineage(self, digest: str) -> dict[str, Any]:
        """Of a package in its store."""
        found: dict[str, Any] = self("show", digest).json["lineage"]
        return found


@pytest.fixture
def publisher(logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """With an empty store of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", logged.server.address)
    return Publisher(tmp_path)
