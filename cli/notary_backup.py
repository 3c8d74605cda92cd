"""`affiant notary backup` and `restore`: a copy of what the notary keeps, and its way back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from audit.config import load
from audit.errors import ConfigError
from audit.notary.backup import Copied
from audit.notary.backup import backup as copy
from audit.notary.backup import restore as put_back
from audit.objects.directory import DirectoryObjects
from audit.settings import NotarySettings
from audit.trees import configured_trees

from .options import ConfigOption
from .text import counted, json_text, printable

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
DirectoryArgument = Annotated[Path, typer.Argument(help="Where the copy is; a backup makes it when absent.")]
_MOST = 1 << 20


def backup(directory: DirectoryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Copy trees, states and archive into a directory, while the notary may go on; again, it takes what is new.

    The notary's key is not in it: keep that apart. Payloads in a [notary] payload_store of their own are not, either.
    Exit code 1 when the directory holds another history, or a newer one; 3 when the store does not answer.

    Example: affiant notary backup /backup/affiant
    """
    loaded = load(config)
    name = loaded.section("notary", NotarySettings).name
    source = configured_trees(loaded).objects
    with _telling(quiet=as_json) as told:
        copied = copy(source, DirectoryObjects(directory.absolute()), name, told)
    _tell(copied, "copied", as_json=as_json)


def restore(
    directory: DirectoryArgument,
    config: ConfigOption = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(
            help="The newest checkpoint that anybody has of a tree; for each tree one.", show_default=False
        ),
    ] = None,
    nothing_newer: Annotated[
        bool, typer.Option("--nothing-newer", help="Say that no checkpoint was signed after the copy.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a copy back into a store that has none of its trees. Nothing is written before all of it was verified.

    A copy that is older than a checkpoint that is known is refused: a notary that went on from it would sign smaller
    heads than it has signed. Ask auditors, witnesses and gateways for the newest. Exit code 1 when it is refused, or
    damaged; 2 when neither --known nor --nothing-newer says what was signed last; 3 when the store does not answer.

    Example: affiant notary restore /backup/affiant --known newest.checkpoint
    """
    loaded = load(config)
    if not known and not nothing_newer:
        raise ConfigError("--known FILE, or --nothing-newer: which is the newest checkpoint that was signed?")
    trees = configured_trees(loaded)
    name, public_key = trees.trust.name, trees.trust.public_key()
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory")
    notes = [_read(path) for path in known or ()]
    with _telling(quiet=as_json) as told:
        copied = put_back(
            DirectoryObjects(directory.absolute()), trees.objects, name, public_key, notes, told
        )
    _tell(copied, "restored", as_json=as_json)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise ConfigError(f"--known {path}: {error.strerror}") from error


@contextmanager
def _telling(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that says which object is copied; how many there are, nobody knows before the end."""
    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with console.status("verifying") as status:
        yield lambda name: status.update(printable(name))


def _tell(copied: Copied, word: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text({"trees": copied.sizes, "objects": copied.objects}))
        return
    for origin, size in copied.sizes.items():
        typer.echo(f"{printable(origin)}: {counted(size, 'leaf', 'leaves')}")
    typer.echo(f"{counted(copied.objects, 'object')} {word}")
