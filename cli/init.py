"""`affiant init`: a settings file that explains itself, and the notary's key beside it."""

from __future__ import annotations

from pathlib import Path

import typer

from audit.config import DEFAULT_FILE
from audit.errors import ConfigError
from audit.notary.keys import FileKey, generate
from audit.proof.note import VerifierKey
from audit.settings import NotarySettings

from .tables import commented_toml

app = typer.Typer()


@app.command()
def init(
    directory: Path = typer.Argument(Path(), help="Where to write it; made when absent."),
) -> None:
    """Write a commented affiant.toml and make the notary's key; what is there already is never overwritten.

    Example: affiant init my-gateway
    """
    target, settings = directory / DEFAULT_FILE, NotarySettings()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with target.open("x") as file:
            file.write(commented_toml({"data": {"directory": "affiant-data"}}))
    except FileExistsError as error:
        raise ConfigError(f"{target} is there already, and is not overwritten") from error
    key, public = directory / settings.key_file, directory / settings.public_key_file
    # One that is there is of a settings file that went: what it has signed is still to be verified.
    there = key.exists()
    vkey = (
        VerifierKey(settings.name, FileKey(key).public_key) if there else generate(key, public, settings.name)
    )
    typer.echo(f"wrote {target}")
    typer.echo(f"the notary's key is in {key}; what it signs is verified with")
    typer.echo(f"  {vkey}")
    typer.echo(
        "next: `affiant model publish FILE …`, its digest into [[plan]], `affiant config check`, `affiant up`"
    )
