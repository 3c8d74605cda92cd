"""Whatever an MLflow server answers: an error of ours, or a lineage that can be written. Never anything else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.manifest import canonical_json
from registry.mlflow.client import Client
from registry.mlflow.take import take
from registry.mlflow.versions import Versions
from registry.settings import mlflow_access
from registry.stores.mlflow import MlflowStore
from tests.components.mlflow.wrong import Answer, WrongServer

DIGEST = "sha256:" + "ab" * 32
TAGS = [{"key": "affiant.digest", "value": DIGEST}, {"key": "affiant.kept", "value": f"affiant/{'ab' * 32}"}]
VERSION = {
    "name": "credit",
    "version": "3",
    "source": "models:/m-1",
    "run_id": "r1",
    "tags": TAGS,
    "aliases": ["a"],
}
ROOT = "/api/2.0/mlflow/"
GOOD: dict[str, Any] = {
    ROOT + "model-versions/get": {"model_version": VERSION},
    ROOT + "model-versions/search": {"model_versions": [VERSION]},
    ROOT + "registered-models/get": {"registered_model": {"aliases": [{"alias": "a", "version": "3"}]}},
    ROOT + "logged-models/m-1": {
        "model": {"info": {"model_id": "m-1", "name": "model", "source_run_id": "r1", "tags": TAGS}}
    },
    ROOT + "logged-models/m-1/artifacts/directories": {
        "files": [{"path": "MLmodel", "is_dir": False, "file_size": 9}, {"path": "model.json", "file_size": 15}]
    },
    ROOT + "artifacts/list": {"files": [{"path": "a.txt", "file_size": 1}]},
    ROOT + "runs/get": {
        "run": {
            "info": {"run_id": "r1", "run_name": "n", "artifact_uri": "mlflow-artifacts:/1/r1/artifacts"},
            "data": {
                "params": [{"key": "p", "value": "1"}],
                "metrics": [{"key": "m", "value": 0.5, "step": 0}],
                "tags": [{"key": "mlflow.parentRunId", "value": "r1"}],
            },
            "inputs": {"dataset_inputs": [{"dataset": {"name": "d", "schema": "{}"}, "tags": TAGS}]},
            "outputs": {"model_outputs": [{"model_id": "m-1"}]},
        }
    },
}  # fmt: skip
MLMODEL = {
    "flavors": {"xgboost": {"data": "model.json"}},
    "signature": {"inputs": "[]"},
    "mlflow_version": "3",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield from places(member, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else at one place."""
    if not path:
        return new
    copied = copy.deepcopy(value)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copied


class World:
    """A server whose answers are good but for one place in one of them."""

    def __init__(self) -> None:
        self.answers = dict(GOOD)
        self.description: Any = MLMODEL

    def __call__(self, path: str) -> Answer:
        parts = urlsplit(path)
        if "artifacts/files" in parts.path or "get-artifact" in parts.path:
            wanted = unquote(parts.query)
            body = json.dumps(self.description) if "MLmodel" in wanted else '{"learner": {}}'
            return 200, {}, body.encode()
        found = self.answers.get(parts.path)
        missing = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}'
        return (200, {}, json.dumps(found).encode()) if found is not None else (404, {}, missing)


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[World, Client]]:
    """The server, and a client of it."""
    answering = World()
    with WrongServer([], answering).running() as server:
        client = Client(mlflow_access(server.address, {}), timeout=10)
        yield answering, client
        client.close()


def uses(client: Client) -> list[Callable[[], object]]:
    """What is done with a server."""
    store = MlflowStore(mlflow_access(client.server, {}), timeout=10)
    store._client.close()
    store._client = client
    versions = store._versions = Versions(client)
    return [
        lambda: canonical_json(take(client, "models:/credit/3").lineage),
        lambda: canonical_json(take(client, "runs:/r1/model").lineage),
        store.list,
        lambda: store.pull(DIGEST),
        lambda: versions.aliases("credit"),
        lambda: versions.link("credit", 3, DIGEST),
    ]


def test_the_good_answers_are_good(world: tuple[World, Client]) -> None:
    """Else what follows would show nothing."""
    first, second, *_, aliases, link = uses(world[1])
    assert b'"a.txt"' in first()  # type: ignore[operator]
    assert b'"m-1"' in second()  # type: ignore[operator]
    assert aliases() == {"a": 3}
    assert link() is True


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_answer_is_a_failure_of_ours_or_none(world: tuple[World, Client], data: st.DataObject) -> None:
    """One place of one answer is something else: a number for a text, a list for an object, nothing."""
    answering, client = world
    answering.answers, answering.description = dict(GOOD), MLMODEL
    which = data.draw(st.sampled_from([*GOOD, "MLmodel"]))
    whole = MLMODEL if which == "MLmodel" else GOOD[which]
    wrong = changed(whole, data.draw(st.sampled_from(list(places(whole)))), data.draw(JSON))
    if which == "MLmodel":
        answering.description = wrong
    else:
        answering.answers[which] = wrong
    for use in uses(client):
        with suppress(RegistryError):
            use()
