"""The runs of a lineage, as its publisher tells of them: ids, times, what follows what."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from audit.proof.errors import FormatError
from registry.lineage.origin import STAGES

from .fold import Document

_RUNS: Final = uuid.UUID("5a1ff2f4-5f3a-5b0e-9f9e-6f3ad1a7c0de")
"""The name space of run ids that are no UUIDs themselves."""
_LAST_MS: Final = 32_503_680_000_000
"""The year 3000: what is later is no time of a run."""


def time_of(document: Document) -> str:
    """When it was made. The form holds the manifest to some text, not to a time."""
    try:
        at = datetime.fromisoformat(document.created)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise FormatError(f"{document.digest}: was made at {document.created!r}, which is no time")
    return document.created


def mlflow_times(lineage: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """When MLflow says that the training began and ended."""
    run = part(part(lineage, "mlflow"), "run")
    started, ended = (run.get(name) for name in ("started_ms", "ended_ms"))
    if type(started) is not int or type(ended) is not int or not 0 < started <= ended < _LAST_MS:
        return None, None
    return instant(started), instant(ended)


def instant(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339, UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said_runs(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Stage → the run's id, as the publisher says."""
    runs = items(part(lineage, "origin").get("runs"))
    return {
        str(run["stage"]): run["id"]
        for run in runs
        if run.get("stage") in STAGES and isinstance(run.get("id"), str)
    }


def run_ids(document: Document, runs: Mapping[str, str]) -> dict[str, str]:
    """Stage → a UUID, no two the same. A training that nobody named is told by the package that it made."""
    found: dict[str, str] = {}
    for stage in STAGES:
        if stage not in runs:
            continue
        try:
            own = str(uuid.UUID(runs[stage]))
        except ValueError:
            own = ""
        # One id for several stages is one run elsewhere, and several here.
        found[stage] = own if own and own not in found.values() else made_id(stage, runs[stage])
    return {"training": made_id("package", document.digest), **found}


def made_id(kind: str, identity: str) -> str:
    """A UUID that is made of something else, always the same."""
    return str(uuid.uuid5(_RUNS, f"{kind} {identity.encode(errors='replace').decode()}"))


def linked(lineage: Mapping[str, Any], before: str | None, after: str | None) -> bool:
    """Whether the publisher says that the second run took what the first made."""
    links = part(lineage, "origin").get("links")
    return before is not None and isinstance(links, list) and [before, after] in links


def part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object of a document, empty when it is none."""
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def items(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; empty when it is none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
