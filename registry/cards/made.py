"""What a card tells of a package's making, by its lineage.json: the publisher's word, of whatever form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .render import figure

_COMMIT_BY: Final[Mapping[str, str]] = {
    "said": " (the publisher named its directory)",
    "work tree": " (of the work tree in which the model or its table lay)",
    "mlflow": " (by MLflow's run)",
}
Row = tuple[object, ...]


def made_of(lineage: Mapping[str, Any]) -> list[Row]:
    """Title and value of what is told; what has another form than ours is shown as it is."""
    git, origin = lineage.get("git"), lineage.get("origin")
    found: list[Row] = [("published by", lineage.get("actor") or "not known")]
    if isinstance(git, dict):
        known = {"True": ", and files differed from it", "False": ""}
        dirty = known.get(str(git.get("dirty")), ", and nobody knows whether files differed from it")
        by = _COMMIT_BY.get(str(git.get("source")), "")
        found.append(("git commit", f"{git.get('commit')}{dirty}{by}"))
    for name in ("image", "command", "runs", "requirements"):
        value = origin.get(name) if isinstance(origin, dict) else None
        if name == "requirements" and isinstance(value, dict):
            value = f"{value.get('file')}, sha256:{value.get('sha256')}"
        if name == "runs" and isinstance(value, list):
            value = ", ".join(
                f"{each.get('stage')} {each.get('id')}" for each in value if isinstance(each, dict)
            )
        if value:
            found.append((name, value))
    # Of old packages too: what was written was always the publishing machine's.
    for name, title in (("parameters", "parameters"), ("environment", "published with")):
        value = lineage.get(name)
        if isinstance(value, dict):
            found += [(f"{title}: {key}", _flat(each)) for key, each in value.items() if key != "of"]
    mlflow = lineage.get("mlflow")
    if isinstance(mlflow, dict):
        found.append(("MLflow", ", ".join(f"{key} {_flat(each)}" for key, each in mlflow.items() if each)))
    return found


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(each)}" for key, each in value.items())[:2000]
    return ", ".join(map(_flat, value))[:2000] if isinstance(value, list) else figure(value)


def data_sets(lineage: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Row]]]:
    """Name, rows and columns of each data set that has a profile of its own."""
    origin = lineage.get("origin")
    listed = origin.get("data") if isinstance(origin, dict) else None
    for each in listed if isinstance(listed, list) else ():
        profile = each.get("profile") if isinstance(each, dict) else None
        if isinstance(profile, dict):
            counts = f"{figure(profile.get('rows'))} rows, {figure(profile.get('duplicates'))} of them twice"
            yield str(each.get("name")), counts, columns_of(profile.get("columns"))


def columns_of(listed: object) -> list[Row]:
    """Name, type, missing and distinct values of each column of a profile."""
    return [
        tuple(figure(each.get(key)) for key in ("name", "type", "missing", "distinct"))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]
