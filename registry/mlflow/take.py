"""A model out of MLflow: its bytes, and all that MLflow knows of its making.

In this order, so that nothing is read that is refused anyhow:
1  what the address names              2  MLmodel: which flavour; a pickle is refused here
3  sizes, before anything is fetched   4  the model file, and what an ONNX model keeps beside it
5  the run, its parents, its inputs    6  the digests of every artifact
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from registry.errors import DigestMismatch, NotFound, PublishError
from registry.formats import refuse_pickle
from registry.lineage import GitState
from registry.manifest import MODELS, digest_of

from .answers import mapping, pairs, writable
from .client import Client
from .files import File, Files
from .mlmodel import Described, describe
from .onnx_data import inlined, kept_outside
from .run import git_of, run_facts
from .where import Found, find

MAX_MODEL: Final = min(role.max_bytes for role in MODELS.values())
MAX_TABLE: Final = 1 << 30
MAX_HASHED: Final = 1 << 30
"""The most bytes of artifacts that are read for their digests alone; what is beyond has none, and that is said."""
_MAX_DESCRIPTION: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A model and where it came from."""

    model: bytes
    file: str
    """The model file's name."""
    lineage: Mapping[str, Any]
    """`mlflow` of the lineage document."""
    git: GitState | None
    """The commit of the training, by the run's tag."""
    run: str | None
    version: tuple[str, str] | None
    """Name and version in MLflow's model registry."""


def take(client: Client, address: str, progress: Callable[[str], None] = lambda _: None) -> Taken:
    """Fetch a model; `address` as `where.find` takes it.

    MUST NOT read a pickle in any way but for its digest, and MUST NOT fetch more than the limits, which the sizes
    that the server says are held against first.

    Raises:
        PickleRefused: it is kept as a pickle (or skops), with the way out.
        PublishError: nothing is there, no flavour that is served, or too large.
        StoreUnavailable: the server does not answer, or does not let us in.
    """
    found = find(client, address)
    progress("reading what MLflow says of it")
    described = _described(found)
    file = described.file if described else found.path
    _check_size(found.files.find(file), file)
    progress("fetching the model")
    model, whose, outside = _fetch(found.files, file)
    facts = run_facts(client, found.run) if found.run is not None else None
    progress("hashing its artifacts")
    artifacts, complete = _artifacts(found)
    place = (found.files.kind, found.files.whole(file))
    if any((row["of"], row["path"]) == place and row["sha256"] != whose for row in artifacts):
        raise PublishError(f"{file}: it was changed while it was read; publish again")
    lineage = {
        **_document(found, described, facts),
        "file": file,
        "model_sha256": _hex(model),
        "tensors_inlined": outside,
        "artifacts": artifacts,
        "artifacts_complete": complete,
    }
    if not writable(lineage):
        raise PublishError(f"{address}: its MLmodel says what cannot be written as JSON")
    git = git_of(facts["tags"] if facts else {}, pairs(mapping(found.model, "info").get("tags")))
    version = found.version
    named = (str(version["name"]), str(version["version"])) if version is not None else None
    return Taken(model, PurePosixPath(file).name, lineage, git, found.run, named)


def take_run(client: Client, run: str) -> tuple[dict[str, Any], GitState | None]:
    """What MLflow knows of a run whose model is in memory here, as `mlflow` and `git` of `publish` take it.

    For scikit-learn, whose models MLflow keeps as pickles: `registry.convert.publish_sklearn` in the process that
    trained it, or has it.

    Raises:
        PublishError: there is no such run.
        StoreUnavailable: the server does not answer, or does not let us in.
    """
    facts = run_facts(client, run)
    found = Found(f"runs:/{run}", Files(client, "run", run), run)
    artifacts, complete = _artifacts(found)
    lineage = {
        **_document(found, None, facts),
        "file": None,
        "model_sha256": None,
        "tensors_inlined": [],
        "artifacts": artifacts,
        "artifacts_complete": complete,
    }
    return lineage, git_of(facts["tags"])


def run_file(client: Client, run: str, path: str, limit: int = MAX_TABLE) -> bytes:
    """An artifact of a run, such as the training table.

    Raises:
        PublishError: not there, or longer than `limit` bytes.
    """
    files = Files(client, "run", run)
    there = files.find(path)
    if there is None:
        raise PublishError(f"run {run} has no artifact {path!r}")
    if there.size > limit:
        raise PublishError(f"{path}: {there.size} bytes, more than {limit}")
    try:
        return files.read(path, limit)
    except DigestMismatch as error:
        raise PublishError(f"run {run}: {error}") from error


def _document(found: Found, described: Described | None, facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """What does not depend on any artifact's bytes."""
    return {
        "server": found.files.client.server,
        "address": found.address,
        "version": _version(found.version),
        "logged_model": _logged(found.model),
        "flavour": described.flavour if described else None,
        "flavours": list(described.flavours) if described else [],
        "mlflow_version": described.mlflow_version if described else None,
        "signature": described.signature if described else None,
        "environment": described.environment if described else None,
        "run": facts,
    }


def _described(found: Found) -> Described | None:
    """MLmodel, or None where the address names one file."""
    if found.path:
        refuse_pickle(b"", found.path)
        return None
    try:
        data = found.files.read("MLmodel", _MAX_DESCRIPTION)
    except (NotFound, DigestMismatch) as error:
        raise PublishError(
            f"{found.address}: no MLmodel of at most {_MAX_DESCRIPTION} bytes is there; "
            "name a model that was logged, or the model file itself"
        ) from error
    return describe(data, found.address)


def _check_size(there: File | None, file: str) -> None:
    if there is None:
        raise PublishError(f"{file}: MLflow does not have the file that its description names")
    if there.size > MAX_MODEL:
        raise PublishError(f"{file}: {there.size} bytes, more than the {MAX_MODEL} that a model may have")


def _fetch(files: Files, file: str) -> tuple[bytes, str, list[dict[str, Any]]]:
    """The model, whole: ONNX tensors that MLflow keeps in files beside it are put into it.

    Returns it, the SHA-256 of the model file as it was, and the files that were put in.
    """
    try:
        model = files.read(file, MAX_MODEL)
        folder = str(PurePosixPath(file).parent)
        beside = files.below("" if folder == "." else folder)
        outside: list[dict[str, Any]] = []
        parts: dict[str, bytes] = {}
        for name in kept_outside(model, file):  # which refuses a pickle, whatever it is called
            parts[name] = beside.read(name, MAX_MODEL - sum(len(part) for part in parts.values()))
            outside.append({"path": name, "sha256": _hex(parts[name])})
    except (NotFound, DigestMismatch) as error:
        raise PublishError(f"{file}: {error}") from error
    return inlined(model, parts) if parts else model, _hex(model), outside


def _artifacts(found: Found) -> tuple[list[dict[str, Any]], bool]:
    """Path, length and SHA-256 of the logged model's files and of its run's artifacts; and whether of all of them."""
    client = found.files.client
    places = [Files(client, "model", found.files.of)] if found.files.kind == "model" else []
    if found.run is not None:
        places.append(Files(client, "run", found.run))
    left, complete, told = MAX_HASHED, True, []
    for files in places:
        members, whole = files.walk()
        complete &= whole
        for member in members:
            row: dict[str, Any] = {
                "of": files.kind,
                "path": member.path,
                "bytes": member.size,
                "sha256": None,
            }
            if member.size <= left:
                try:
                    row["sha256"], row["bytes"] = files.digest(member.path, left)
                except (NotFound, DigestMismatch):
                    row["problem"] = "it is not what the listing says"
                left -= row["bytes"] if row["sha256"] else 0
            else:
                row["problem"] = "too large to be read for its digest"
            told.append(row)
    return told, complete


def _hex(data: bytes) -> str:
    return digest_of(data).removeprefix("sha256:")


def _version(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "name": told.get("name"),
        "version": told.get("version"),
        "created_ms": told.get("creation_timestamp"),
        "description": told.get("description"),
        "aliases": told.get("aliases") or [],
        "tags": pairs(told.get("tags")),
    }


def _logged(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    info = told["info"]
    return {
        "id": info.get("model_id"),
        "name": info.get("name"),
        "created_ms": info.get("creation_timestamp_ms"),
        "status": info.get("status"),
        "tags": {
            key: value for key, value in pairs(info.get("tags")).items() if key != "mlflow.modelVersions"
        },
    }
