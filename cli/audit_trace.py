"""`affiant audit trace`: from a prediction to the package that made it, and to what that was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from audit.config import load
from audit.errors import NoSuchRecord
from audit.proof.entry import Entry, Key
from audit.proof.exchange import fields_of
from registry.package import Package
from registry.stores import configured_store

from .audit_open import IndexOption, opened
from .audit_records import JsonOption
from .options import ConfigOption
from .record_ids import RecordArgument
from .text import json_text, printable


def trace(
    record: RecordArgument,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which package answered, and what its lineage tells: code, data, runs, training table, publisher.

    1. the record is proved to be in the sealed log; 2. its entry names the package by the digest of its manifest;
    3. the package is taken from the model store, and every byte of it is verified against that digest;
    4. its lineage.json is shown as it is. So the chain from the answer to the lineage is one of hashes; that the
    lineage tells the truth is the word of who published it.
    Exit code 1 when the record is not sealed, no model answered, or the store does not have the package.

    Example: affiant audit trace 9f86d081884c7d659a2feaa0c55ad015-42
    """
    with opened(config, index) as records:
        proved = records.prove(record)
    entry = proved.entry
    digest = entry.get(Key.DIGEST)
    if digest is None:
        raise NoSuchRecord(f"{record}: no model answered, its entry names none ({_why(entry)})")
    package = configured_store(load(config)).pull(f"sha256:{digest.hex()}")
    told = {
        "record": record,
        "origin": proved.opened.checkpoint.origin,
        "offset": proved.located.offset,
        "size": proved.opened.checkpoint.size,
        "service": entry.get(Key.SERVICE),
        "slot": fields_of(entry).get("slot"),
        "package": _described(package),
        "lineage": dict(package.lineage),
    }
    if as_json:
        typer.echo(json_text(told))
    else:
        _print(told)


def _why(entry: Entry) -> str:
    fields = fields_of(entry)
    return ", ".join(f"{name} {fields[name]}" for name in ("kind", "status", "reason") if name in fields)


def _described(package: Package) -> dict[str, Any]:
    return {
        "digest": package.digest,
        "name": package.name,
        "model_type": package.model_type,
        "published": package.created,
        "bytes": package.size,
        "parts": {role: layer.digest for role, layer in package.parsed.roles.items()},
    }


def _print(told: Mapping[str, Any]) -> None:
    # Each on a line of its own, whatever the screen's width: digests are there to be copied.
    for name, value in _flat({name: told[name] for name in told if name != "lineage"}):
        typer.echo(printable(f"{name:<32}  {value}"))
    typer.echo("")
    for name, value in _flat(told["lineage"]):
        typer.echo(printable(f"lineage {name:<24}  {value}"))


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names joined by spaces, and values; what nobody said is left out."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
