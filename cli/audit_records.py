"""`affiant audit show` and `prove`: one record, and that it is in the sealed log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .audit_open import IndexOption, opened
from .errors import WRONG
from .log import print_exchange
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .record_ids import RecordArgument
from .text import counted, json_text, printable

if TYPE_CHECKING:
    from audit.erasure.told import Erased

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def show(
    record: RecordArgument,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print one exchange as `affiant log show` does, and prove that it is in the sealed log.

    The entry is proved under the newest signed checkpoint, the payload by the entry's digest, the entries before
    and after it and its journal's opening the same way. Needs the store alone; the log only for payloads that
    are not archived yet. Exit code 1 when it is not there, or when something about it does not hold: also when another
    entry in the sealed log has its id (the first of them is shown, and the others' places).

    Example: affiant audit show 9f86d081884c7d659a2feaa0c55ad015-42
    """
    with opened(config, index) as records:
        shown = records.show(record)
    described = shown.describe()
    if as_json:
        typer.echo(json_text(described))
    else:
        print_exchange(described)
        _print_proof(described, shown.erased)
    if False in shown.exchange.holds.values():
        raise typer.Exit(WRONG)


def _print_proof(described: Mapping[str, Any], erased: Erased | None) -> None:
    proof = described["proof"]
    witnesses = f", vouched for by {', '.join(proof['witnesses'])}" if proof["witnesses"] else ""
    typer.echo("")
    typer.echo(
        printable(
            f"sealed at offset {proof['index']}, of {counted(proof['size'], 'entry', 'entries')} of the tree "
            f"{proof['origin']}: {counted(proof['hashes'], 'hash', 'hashes')} lead from it to the root "
            f"{proof['root']}, signed by the notary{witnesses}"
        )
    )
    if described["others"]:
        places = ", ".join(f"{each['partition']}:{each['offset']}" for each in described["others"])
        typer.echo(
            f"another entry has its id, at {places} (PARTITION:OFFSET); `affiant audit verify` says what is wrong"
        )
    if erased is not None:
        typer.echo(printable(f"its payload is erased: {erased.words()}"))
    elif described["payload_from"] is None and described["entry"].get("payload_length"):
        typer.echo("its payload is neither in the archive, nor in the log, nor in the object store")


def prove(
    record: RecordArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "--out", "-o", help="The receipt's file, for example record.tlog-proof."),
    ],
    force: ForceOption = False,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a receipt: a file that proves to anybody who has the log's key that the record is in it.

    It is a C2SP `.tlog-proof` with the entry inside; it is verified before it is written.
    `affiant-verify receipt FILE --key VKEY` checks it on a machine with nothing else.
    Exit code 1 when the record is not sealed, or not where the index says, or when the sealed log has different entries
    under its id: then somebody has put one there, both places are named, and `affiant audit verify` says what is wrong.

    Example: affiant audit prove 9f86d081884c7d659a2feaa0c55ad015-42 -o record.tlog-proof
    """
    check_output(output, force=force)
    with opened(config, index) as records:
        proved = records.prove(record)
    raw = proved.receipt.encode()
    write_output(output, raw, force=force)
    checkpoint = proved.opened.checkpoint
    told = {
        "record": record,
        "file": str(output),
        "bytes": len(raw),
        "origin": checkpoint.origin,
        "index": proved.receipt.index,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "hashes": len(proved.receipt.proof),
        "witnesses": [each.key.name for each in proved.opened.cosignatures],
    }
    typer.echo(json.dumps(told, indent=2) if as_json else _proved(told))


def _proved(told: Mapping[str, Any]) -> str:
    witnesses = (
        f", and by {', '.join(told['witnesses'])}" if told["witnesses"] else "; no witness vouches for it"
    )
    lines = {
        "proved": f"record {told['record']} is in the sealed log",
        "tree": told["origin"],
        "offset": f"{told['index']}, of {counted(told['size'], 'entry', 'entries')} under this checkpoint",
        "checkpoint": f"root {told['root']}, signed by the notary{witnesses}",
        "receipt": f"{told['file']}, {counted(told['bytes'], 'byte')}, {counted(told['hashes'], 'hash', 'hashes')}",
        "check it": f"affiant-verify receipt {told['file']} --key VKEY (the notary's, from its owner)",
    }
    return "\n".join(f"{name:<12}{printable(line)}" for name, line in lines.items())
