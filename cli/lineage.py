"""`affiant lineage`: what a prediction or a package came from, and where data went."""

from __future__ import annotations

from typing import Annotated

import typer

from audit.config import load
from audit.errors import ConfigError
from audit.proof.entry import parse_record_id
from audit.proof.errors import FormatError

from .approvals_show import cell, screen, table
from .audit_open import IndexOption
from .audit_trace import trace_record
from .lineage_export import export
from .lineage_open import Count, JsonOption, VersionArgument, not_admitted, open_lineage, predictions_of
from .lineage_show import places_text, places_told, show_package
from .options import ConfigOption
from .text import counted, json_text, printable

app = typer.Typer(
    no_args_is_help=True,
    help="What a prediction or a package came from, and where data went.\n\nExample: affiant lineage list",
)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="DIGEST|RECORD",
            help="A package: sha256:…, or as much of it as is unique. Or a record id: the package that answered.",
            show_default=False,
        ),
    ],
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a package came from: code, data, runs, image, people, gates, approvals, deployments, where it serves.

    The package is taken from the store and every byte of it verified; each signature is checked. A record is proved
    to be in the sealed log first, as `affiant audit trace` does.

    Exit codes: 0 told; 1 the record is not sealed, the store does not have the package, or a byte is wrong; 2 wrong
    usage or settings; 3 the log or the store does not answer.

    Example: affiant lineage show sha256:5e66a605fa8c
    """
    if _is_record(name):
        trace_record(name, index, config, as_json=as_json)
    elif name.startswith("sha256:"):
        show_package(load(config), name, {}, as_json=as_json)
    else:
        raise ConfigError(f"{name[:80]!r} is neither a package (sha256:…) nor a record id")


@app.command()
def data(
    version: VersionArgument,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every model that was made of a version of data, where each serves now, and how many predictions it made.

    DVC's name and the SHA-256 of the same bytes are one version, when the lineage of any package says so. Predictions
    are counted in the auditor's index, over the sealed log; where nothing is sealed they are not counted.

    Exit codes: 0 listed, be it nothing, without what is named as wrong on the error output; 1 the store's index is
    wrong; 2 wrong usage or settings; 3 the log or the store does not answer.

    Example: affiant lineage data md5:a304afb96060aad90176268345e10355
    """
    from registry.graph import plain

    loaded = load(config)
    with open_lineage(loaded) as lineage:
        found = lineage.data(version)
        refused = not_admitted(loaded, lineage, (place for each in found.models for place in each.serves))
    counts = predictions_of(config, index, [each.digest for each in found.models])
    if as_json:
        told = plain(found)
        for model, one in zip(told["models"], found.models, strict=True):
            model["serves"] = places_told(one.serves, refused)
            model["predictions"] = None if counts is None else plain(counts.get(model["digest"], ()))
        typer.echo(json_text(told))
        return
    for alias in found.aliases:
        typer.echo(printable(f"the same bytes: {alias}"))
    for each in found.deprecated:
        typer.echo(printable(f"DEPRECATED by {each.person}: {each.reason}"))
    if not found.models:
        typer.echo("no package of the store was made of it")
        return
    grid = table("model", "digest", "published", "calls it", "serves", "predictions")
    for model in found.models:
        made = "not counted" if counts is None else _counted(counts.get(model.digest, ()))
        row = (
            model.name,
            model.digest,
            model.created,
            ", ".join(model.names),
            places_text(model.serves, refused),
            made,
        )
        grid.add_row(*map(cell, row))
    screen().print(grid)


@app.command("list")
def list_(
    service: Annotated[
        str | None, typer.Option("--service", "-s", help="Those that serve there.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the store's packages, and where each serves now by the plan; NOT ADMITTED, where it may not answer there.

    Exit codes: 0 listed, without what is named as wrong on the error output; 1 the store's index is wrong; 2 wrong
    settings; 3 the log or the store does not answer.

    Example: affiant lineage list --service credit
    """
    from registry.graph import plain

    loaded = load(config)
    with open_lineage(loaded) as lineage:
        found = lineage.packages(service)
        refused = not_admitted(loaded, lineage, (place for each in found for place in each.serves))
    if as_json:
        told = [{**plain(each), "serves": places_told(each.serves, refused)} for each in found]
        typer.echo(json_text(told))
        return
    if not found:
        typer.echo(
            "no package of the store; `affiant model publish` makes one"
            if service is None
            else "none serves there"
        )
        return
    grid = table("model", "digest", "published", "serves")
    for each in found:
        grid.add_row(*map(cell, (each.name, each.digest, each.created, places_text(each.serves, refused))))
    screen().print(grid)


app.command()(export)


def _is_record(text: str) -> bool:
    try:
        parse_record_id(text)
    except FormatError:
        return False
    return True


def _counted(counts: tuple[Count, ...]) -> str:
    told = (
        f"{each.predictions:,} in {each.service} {each.slot}, {each.first} to {each.last}" for each in counts
    )
    return "; ".join(told) or counted(0, "prediction")
