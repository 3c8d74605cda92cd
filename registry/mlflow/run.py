"""What MLflow knows of a run, as it goes into the lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from registry.errors import NotFound, PublishError
from registry.lineage import GitState

from .answers import mapping, members, pairs, writable
from .client import Client

_MAX_PARENTS: Final = 32
_COMMIT: Final = "mlflow.source.git.commit"
_DIRTY: Final = "mlflow.source.git.dirty"
_PARENT: Final = "mlflow.parentRunId"
# Long lists that MLflow keeps for itself; what they say stands elsewhere.
_OWN: Final = {"mlflow.log-model.history", "mlflow.loggedArtifacts"}


def run_facts(client: Client, run: str) -> dict[str, Any]:
    """A run: parameters, newest metrics, tags, data sets, and the runs that it is nested in, the nearest first.

    Raises:
        PublishError: there is no such run.
        StoreUnavailable: the server does not answer.
    """
    told = get_run(client, run)
    info, data = told["info"], mapping(told, "data")
    tags = pairs(data.get("tags"))
    return {
        "id": run,
        **_info(info),
        "user": info.get("user_id"),
        "status": info.get("status"),
        "parameters": pairs(data.get("params")),
        "metrics": metrics(data.get("metrics")),
        "tags": {key: value for key, value in tags.items() if key not in _OWN},
        "inputs": inputs(told.get("inputs")),
        "parents": _parents(client, tags.get(_PARENT), run),
    }


def get_run(client: Client, run: str) -> dict[str, Any]:
    """MLflow's own words on a run; `info` is there. Raises PublishError: there is no such run."""
    try:
        told = client.get("runs/get", run_id=run).get("run")
    except NotFound as error:
        raise PublishError(f"run {run}: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("info"), dict):
        raise PublishError(f"{client.server} says nothing of run {run}")
    return told


def git_of(*told: Mapping[str, str]) -> GitState | None:
    """The commit of the first tags that have one: the run's, then the logged model's.

    Whether files differed from it, MLflow says only where somebody has it do so.
    """
    for tags in told:
        if commit := tags.get(_COMMIT):
            dirty = {"true": True, "false": False}.get(tags.get(_DIRTY, "").lower())
            return GitState(commit, dirty, "mlflow")
    return None


def metrics(listed: object) -> dict[str, Any]:
    """Name → {value, step}; a value that is no finite number is the text that MLflow says (NaN)."""
    return {
        each["key"]: {"value": each.get("value"), "step": each.get("step")}
        for each in members(listed)
        if isinstance(each.get("key"), str)
    }


def inputs(told: object) -> list[dict[str, Any]]:
    """The data sets that the run says it took; `digest` is MLflow's own, of a sample: a name, no proof."""
    found = []
    for each in members(mapping(told).get("dataset_inputs")):
        data = mapping(each, "dataset")
        found.append(
            {
                "name": data.get("name"),
                "digest": data.get("digest"),
                "context": pairs(each.get("tags")).get("mlflow.data.context"),
                "source_type": data.get("source_type"),
                "source": parsed(data.get("source")),
                "schema": parsed(data.get("schema")),
                "profile": parsed(data.get("profile")),
            }
        )
    return found


def parsed(said: object) -> Any:
    """JSON in a text, as MLflow likes it; the text itself when it is none, or holds what JSON must not."""
    if not isinstance(said, str):
        return said
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return said
    return value if writable(value) else said


def _parents(client: Client, parent: str | None, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seen = {run}
    while parent is not None and parent not in seen and len(found) < _MAX_PARENTS:
        seen.add(parent)
        try:
            told = get_run(client, parent)
        except PublishError:  # deleted for good: that it was there is still known
            found.append(
                {"id": parent, "name": None, "experiment": None, "started_ms": None, "ended_ms": None}
            )
            break
        found.append({"id": parent, **_info(told["info"])})
        parent = pairs(mapping(told, "data").get("tags")).get(_PARENT)
    return found


def _info(info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": info.get("run_name"),
        "experiment": info.get("experiment_id"),
        "started_ms": info.get("start_time"),
        "ended_ms": info.get("end_time"),
    }
