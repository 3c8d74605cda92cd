"""`affiant lineage export`: the lineage for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load
from audit.proof.errors import FormatError

from .errors import WRONG
from .lineage_open import JsonOption, open_lineage
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import counted, json_text, printable

if TYPE_CHECKING:
    from registry.graph import Lineage


def export(
    openlineage: Annotated[
        Path,
        typer.Option("--openlineage", help="OpenLineage events, one JSON object a line.", show_default=False),
    ],
    namespace: Annotated[
        str, typer.Option(help="Of jobs and data sets: those of the same name in it are the same.")
    ] = "affiant",
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the lineage of every package, and where each serves, as OpenLineage events for Marquez, DataHub and others.

    Runs that the publishers named, the data that the training read, the package that it made, the services that read
    the package. Whatever takes OpenLineage over HTTP takes each line; the same lineage gives the same run ids, so that
    it may be sent again.

    Exit codes: 0 written; 1 a package cannot be exported, or a byte of the store is wrong: the rest is written; 2 wrong
    usage or settings; 3 the log or the store does not answer.

    Example: affiant lineage export --openlineage lineage.ndjson
    """
    check_output(openlineage, force=force)
    wrong: list[str] = []
    with open_lineage(load(config)) as lineage:
        # No character beyond ASCII: a line is a line to every reader.
        lines = [json.dumps(event, separators=(",", ":")) for event in _events(lineage, namespace, wrong)]
    write_output(openlineage, "".join(f"{line}\n" for line in lines).encode(), force=force)
    for each in wrong:
        typer.echo(printable(f"WRONG  {each}"), err=True)
    if as_json:
        typer.echo(json_text({"file": str(openlineage), "events": len(lines), "wrong": wrong}))
    else:
        typer.echo(printable(f"{openlineage}: {counted(len(lines), 'event')}"))
    if wrong:
        raise typer.Exit(WRONG)


def _events(lineage: Lineage, namespace: str, wrong: list[str]) -> Iterator[dict[str, Any]]:
    from importlib.metadata import version

    from registry.graph.openlineage import Export

    writer = Export(f"https://affiant.dev/affiant/{version('affiant')}", namespace)
    places = {each.digest: each.serves for each in lineage.packages()}
    names, deprecated = {}, lineage.deprecations()
    for document in lineage.documents():
        names[document.digest] = document.name
        try:
            yield from writer.package(document, deprecated, places[document.digest])
        except FormatError as error:
            wrong.append(str(error))
    yield from writer.services([place for each in places.values() for place in each], names)
