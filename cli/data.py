"""`affiant data`: versions of data, and which of them are not to be trained on any more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from audit.config import Config, load
from audit.errors import IndexUnusable
from registry.errors import StoreError

from .approvals_open import KeyOption, YesOption, append, board_of, confirm, signer_of, text_of, warn
from .approvals_show import cell, day, screen, table
from .errors import WRONG
from .lineage_open import JsonOption, VersionArgument, open_lineage
from .lineage_show import places_text
from .options import ConfigOption
from .text import counted, json_text, printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.graph import DataLineage

app = typer.Typer(
    no_args_is_help=True,
    help="Versions of data: list them, deprecate one, signed.\n\nExample: affiant data list",
)

ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", "-m", help="Why, as text, or the name of a text file; it is signed and kept.", show_default=False
    ),
]  # fmt: skip


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every version of data that a package of the store was made of, or that somebody deprecated.

    Exit codes: 0 listed, without what is named as wrong on the error output; 1 the store's index is wrong; 2 wrong
    settings; 3 the log or the store does not answer.

    Example: affiant data list
    """
    from registry.graph import plain

    with open_lineage(load(config)) as lineage:
        found = lineage.versions()
    if as_json:
        typer.echo(json_text(plain(found)))
        return
    if not found:
        typer.echo("no package of the store says what it was made of")
        return
    grid = table("name", "version", "models", "")
    for each in found:
        gone = each.deprecated
        why = "" if gone is None else f"DEPRECATED {day(gone.at)} by {gone.person}: {gone.reason}"
        grid.add_row(
            cell(", ".join(each.names)),
            cell(each.version),
            cell(each.models),
            cell(why, "red" if why else ""),
        )
    screen().print(grid)


@app.command()
def deprecate(
    version: VersionArgument,
    reason: ReasonOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deprecate a version of data: a package that was made of it gets through the gate `lineage` no more.

    Other names of the same bytes, by the lineage of any package, are deprecated with it. What serves already goes on.
    The key needs the role `data`. A store that is damaged or does not answer keeps nobody from signing: then the names
    count that are known from before, and that is said; sign again when it answers.

    Exit codes: 0 signed; 1 the key may not, nothing was signed; 2 wrong usage, settings or key; 3 the log does not
    answer.

    Example: affiant data deprecate md5:a304afb96060aad90176268345e10355 --reason "consent withdrawn" --key bob.key
    """
    _sign(config, version, reason, key, deprecated=True, yes=yes, as_json=as_json)


@app.command()
def restore(
    version: VersionArgument,
    reason: ReasonOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the deprecation of a version of data back. The key needs the role `data`.

    Exit codes: as of `affiant data deprecate`.

    Example: affiant data restore md5:a304afb96060aad90176268345e10355 --reason "it was another" --key bob.key
    """
    _sign(config, version, reason, key, deprecated=False, yes=yes, as_json=as_json)


def _sign(
    config: Path | None, version: str, reason: str, key: Path, *, deprecated: bool, yes: bool, as_json: bool
) -> None:
    """Show what it touches, refuse what would not count, sign, append."""
    from registry.lineage.deprecation import DATA_ROLE, encode_deprecation

    loaded, why = load(config), text_of(reason)
    board = board_of(loaded)
    signer = signer_of(key)
    person = board.roots.now.person(signer.id, DATA_ROLE, board.end)
    if person is None:
        _refuse(f"the key {signer.id[:16]}… has not the role {DATA_ROLE}", version, as_json=as_json)
    found = _found(loaded, version, board)
    # A package may know the bytes by any of their names, and who judges it has no other package to ask.
    names = [version, *found.aliases]
    if not deprecated:
        names = [each.version for each in found.deprecated]
        if not names:
            _refuse(f"{version} is not deprecated", version, as_json=as_json)
    if not as_json:
        typer.echo(f"{', '.join(names)}: {counted(len(found.models), 'package')} of the store made of it")
        grid = table("model", "digest", "serves")
        for each in found.models:
            grid.add_row(*map(cell, (each.name, each.digest, places_text(each.serves))))
        screen().print(grid)
    confirm(f"Sign this with {key}?", yes=yes)
    at = round(time.time(), 3)
    append(
        loaded, signer, [encode_deprecation(each, why, person, at, deprecated=deprecated) for each in names]
    )
    _after(loaded, version, deprecated=deprecated, as_json=as_json)


def _found(loaded: Config, version: str, board: Board | None) -> DataLineage:
    """The version, its other names and the packages made of it, as far as they can be had.

    What keeps us from knowing other names MUST NOT keep anybody from deprecating the one that they name: it is said.

    Args:
        loaded: the settings.
        version: whole.
        board: the governance log, when it was just read; it has what was said of the version itself.
    """
    from registry.graph import DataLineage
    from registry.lineage.deprecation import fold_deprecations

    for packages in (True, False):
        try:
            with open_lineage(loaded, packages=packages) as lineage:
                return lineage.data(version)
        except StoreError as error:
            warn(f"the store's packages are not known as they are now: {error}")
        except IndexUnusable as error:
            warn(f"other names of the same bytes are not known: {error}")
            break
    board = board if board is not None else board_of(loaded)
    said = fold_deprecations(board.roots, board.said).get(version)
    return DataLineage(version, (), (said,) if said is not None and said.deprecated else (), ())


def _refuse(why: str, version: str, *, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json_text({"signed": False, "version": version, "reasons": [why]}))
    typer.echo(f"refused: {printable(why)}", err=True)
    raise typer.Exit(WRONG)


def _after(loaded: Config, version: str, *, deprecated: bool, as_json: bool) -> None:
    """Read the log once more: what others wrote meanwhile may say something else."""
    from registry.graph import plain

    found = _found(loaded, version, None)
    now = found.deprecated
    if as_json:
        typer.echo(json_text({"signed": True, **plain(found)}))
    elif now:
        offsets = ", ".join(str(each.offset) for each in now)
        typer.echo(f"signed; deprecated by the governance log's offset {offsets}")
    else:
        typer.echo(f"signed; {version} is not deprecated")
    if bool(now) != deprecated:
        typer.echo("somebody else's word came after it, and counts", err=True)
        raise typer.Exit(WRONG)
