"""Reading what the gates look at, from files: for the command and for the pytest plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

from audit.errors import ConfigError
from registry.package import Package
from registry.signing.kept import Kept
from registry.table import read_table

from .base import Datasets, Suite

_MAX_FILE: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Files:
    """Where it is. What is absent fails the gates that need it."""

    holdout: Path | None = None
    """.csv or .parquet, with the target."""
    target: str | None = None
    """The target's column; the package's own when not given."""
    training: Path | None = None
    """The table that the model was trained on."""
    documents: Path | None = None
    """.yaml or .json: a mapping."""
    suite: Path | None = None
    """A Great Expectations suite, .json."""


def read_datasets(
    files: Files,
    package: Package,
    live: Package | None = None,
    deprecated: Mapping[str, str] | None = None,
    signatures: Sequence[Kept] | None = None,
) -> Datasets:
    """Read them all, beside what the caller knows.

    Args:
        files: where they are.
        package: to be judged.
        live: to be compared with.
        deprecated: see `registry.lineage.deprecation.deprecated`; None: nobody knows.
        signatures: those that the store keeps with the package; None: nobody looked.

    Raises:
        PublishError: a table cannot be read.
        ConfigError: the documents or the suite cannot be read, or are no mapping.
    """
    documents = None if files.documents is None else _mapping(files.documents)
    suite = None if files.suite is None else _mapping(files.suite)
    return Datasets(
        holdout=None if files.holdout is None else read_table(files.holdout),
        target=files.target or _target(package),
        training=None if files.training is None else read_table(files.training),
        live=live,
        documents=None if documents is None else documents[0],
        documents_digest=None if documents is None else documents[1],
        suite=None if suite is None else Suite(*suite),
        deprecated=deprecated,
        signatures=signatures,
    )


def _target(package: Package) -> str | None:
    told = package.lineage.get("training_table")
    target = told.get("target") if isinstance(told, dict) else None
    return target if isinstance(target, str) else None


def _mapping(path: Path) -> tuple[Mapping[str, Any], str]:
    """A file's mapping, and its digest."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE + 1)
        if len(raw) > _MAX_FILE:
            raise ConfigError(f"{path}: over {_MAX_FILE} bytes")
        content = json.loads(raw) if path.suffix == ".json" else yaml.safe_load(raw)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a mapping is wanted, of keys and texts")
    return content, f"sha256:{sha256(raw).hexdigest()}"
