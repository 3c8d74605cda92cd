"""What an address of MLflow's names: a version of a registered model, a logged model, or artifacts of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import NotFound, PublishError

from .answers import mapping, members, text
from .client import Client, Refused
from .files import Files
from .run import get_run

_MODEL_ID: Final = re.compile(r"m-[0-9A-Za-z]{1,64}")
_RUN: Final = re.compile(r"runs:/+(?P<run>[0-9A-Za-z_-]{1,64})/(?P<path>.+)")
_VERSION: Final = re.compile(r"models:/+(?P<name>[^/:@]{1,256})/(?P<version>[0-9]{1,18})")
_ALIAS: Final = re.compile(r"models:/+(?P<name>[^/:@]{1,256})@(?P<alias>[\w-]{1,255})")
_LOGGED: Final = re.compile(r"models:/+(?P<model>m-[0-9A-Za-z]{1,64})(/(?P<path>.*))?")


@dataclass(frozen=True, slots=True)
class Found:
    """What an address names. `path` is not empty where one file is named, not a model's directory."""

    address: str
    files: Files
    run: str | None
    version: Mapping[str, Any] | None = None
    """MLflow's own words on the version of a registered model."""
    model: Mapping[str, Any] | None = None
    """And on the logged model."""
    path: str = ""


def find(client: Client, address: str) -> Found:
    """Ask the server what an address names.

    `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-…`, `runs:/RUN/PATH`. A word that names today's newest
    (`latest`, a stage) is refused: which model it was could not be told later; an alias is resolved, and the version
    recorded.

    Raises:
        PublishError: no such address, or nothing is there.
        StoreUnavailable: the server does not answer, or does not let us in.
    """
    try:
        if match := _RUN.fullmatch(address):
            return _in_run(client, address, match["run"], match["path"].strip("/"))
        if (match := _LOGGED.fullmatch(address)) and not match["path"]:
            return _logged(client, address, match["model"], None)
        if match := _VERSION.fullmatch(address):
            asked = client.get("model-versions/get", name=match["name"], version=match["version"])
        elif match := _ALIAS.fullmatch(address):
            asked = client.get("registered-models/alias", name=match["name"], alias=match["alias"])
        else:
            raise PublishError(
                f"{address!r} names no model: models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID or "
                "runs:/RUN/PATH is wanted (not latest, and no stage: they name another one tomorrow)"
            )
    except NotFound as error:
        raise PublishError(f"{address}: {error}") from error
    except Refused as error:
        if error.code != "INVALID_PARAMETER_VALUE":  # its word for an alias that is not there, among others
            raise
        raise PublishError(f"{address}: {error}") from error
    version = asked.get("model_version")
    if not isinstance(version, dict):
        raise PublishError(f"{address}: {client.server} says no version")
    return _of_version(client, address, version)


def model_id(source: object) -> str | None:
    """The logged model that is a version's source; None when it is something else."""
    text = source.removeprefix("models:/") if isinstance(source, str) else ""
    return text if _MODEL_ID.fullmatch(text) else None


def _of_version(client: Client, address: str, version: Mapping[str, Any]) -> Found:
    source, run = text(version.get("source")) or "", text(version.get("run_id"))
    if (logged := model_id(source)) is not None:
        return _logged(client, address, logged, version)
    if match := _RUN.fullmatch(source):
        found = _in_run(client, address, match["run"], match["path"].strip("/"))
        return Found(address, found.files, found.run, version, found.model, found.path)
    if run is not None:  # what MLflow 2 wrote: an address below the artifacts of the run
        root = (text(get_run(client, run)["info"].get("artifact_uri")) or "").rstrip("/")
        if root and source.startswith(root + "/"):
            return Found(address, Files(client, "run", run, source[len(root) + 1 :].strip("/")), run, version)
    raise PublishError(
        f"{address}: its source is neither a logged model's nor below its run's artifacts, and cannot be read "
        "through the server; download it, and publish the file"
    )


def _logged(client: Client, address: str, logged: str, version: Mapping[str, Any] | None) -> Found:
    model = client.get(f"logged-models/{logged}").get("model")
    if not isinstance(model, dict) or not isinstance(model.get("info"), dict):
        raise PublishError(f"{address}: {client.server} says no logged model")
    run = text(model["info"].get("source_run_id"))
    return Found(address, Files(client, "model", logged), run, version, model)


def _in_run(client: Client, address: str, run: str, path: str) -> Found:
    """MLflow 3 keeps a run's logged models elsewhere and calls them by the same address: they are looked at first."""
    told = get_run(client, run)
    for output in members(mapping(told, "outputs").get("model_outputs")):
        logged = model_id(f"models:/{output.get('model_id')}")
        if logged is None:
            continue
        found = _logged(client, address, logged, None)
        name = text(mapping(found.model, "info").get("name"))
        if name is not None and path == name:
            return Found(address, found.files, run, None, found.model)
        if name is not None and path.startswith(name + "/"):
            return Found(address, found.files, run, None, found.model, path[len(name) + 1 :])
    files = Files(client, "run", run)
    if files.find(path) is not None:
        return Found(address, files, run, path=path)
    return Found(address, files.below(path), run)
