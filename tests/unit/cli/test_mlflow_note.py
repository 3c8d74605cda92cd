"""What a publishing says when MLflow does not take its tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.model_source import say_in_mlflow
from registry.mlflow.take import Taken
from tests.components.mlflow.wrong import WrongServer

DIGEST = "sha256:" + "ab" * 32


def test_who_may_only_read_is_told_and_has_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag is for people; without it nothing fails."""
    version = {"model_version": {"name": "credit", "version": "3", "source": "models:/m-1"}}
    denied = b'{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'
    config = tmp_path / "affiant.toml"
    config.write_text("")
    with WrongServer([(200, {}, json.dumps(version).encode()), (403, {}, denied)]).running() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        said = say_in_mlflow(config, Taken(b"", "m.ubj", {}, None, None, ("credit", "3")), DIGEST)
    assert said is not None
    assert "could not be tagged" in said
    assert "Permission denied" in said
    assert say_in_mlflow(config, Taken(b"", "m.ubj", {}, None, None, None), DIGEST) is None
