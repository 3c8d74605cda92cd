"""`affiant audit trace`: from a prediction to the package that made it, and to what that was made of."""

from __future__ import annotations

from pathlib import Path

from audit.config import load
from audit.errors import NoSuchRecord
from audit.proof.entry import Entry, Key
from audit.proof.exchange import fields_of

from .audit_open import IndexOption, opened
from .audit_records import JsonOption
from .lineage_show import show_package
from .options import ConfigOption
from .record_ids import RecordArgument


def trace(
    record: RecordArgument,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which package answered, and everything it came from: code, data, runs, people, gates, approvals, deployments.

    1. the record is proved to be in the sealed log; 2. its entry names the package by the digest of its manifest;
    3. the package is taken from the model store, and every byte of it is verified against that digest;
    4. its lineage.json is shown as it is; 5. so is what the governance log says of it, each signature checked.
    So the chain from the answer to the lineage is one of hashes; that the lineage tells the truth is the word of who
    published it. Exit code 1 when the record is not sealed, when the sealed log has different entries under its id,
    when no model answered, or when the store does not have the package.

    Example: affiant audit trace 9f86d081884c7d659a2feaa0c55ad015-42
    """
    trace_record(record, index, config, as_json=as_json)


def trace_record(record: str, index: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Prove a record, and tell everything about the package that answered.

    Raises:
        NoSuchRecord: it is not sealed, or no model answered.
        NotProved, NotSealed, FormatError: it cannot be proved.
        NotFound, PackageError: the store has no such package, or wrong bytes.
    """
    with opened(config, index) as records:
        proved = records.prove(record)
    entry = proved.entry
    digest = entry.get(Key.DIGEST)
    if digest is None:
        raise NoSuchRecord(f"{record}: no model answered, its entry names none ({_why(entry)})")
    head = {
        "record": record,
        "origin": proved.opened.checkpoint.origin,
        "offset": proved.located.offset,
        "size": proved.opened.checkpoint.size,
        "service": entry.get(Key.SERVICE),
        "slot": fields_of(entry).get("slot"),
    }
    show_package(load(config), f"sha256:{digest.hex()}", head, as_json=as_json)


def _why(entry: Entry) -> str:
    fields = fields_of(entry)
    return ", ".join(f"{name} {fields[name]}" for name in ("kind", "status", "reason") if name in fields)
