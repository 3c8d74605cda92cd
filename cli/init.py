"""`affiant init`: a settings file that explains itself."""

from __future__ import annotations

from pathlib import Path

import typer

from audit.config import DEFAULT_FILE
from audit.errors import ConfigError

from .tables import commented_toml

app = typer.Typer()


@app.command()
def init(
    directory: Path = typer.Argument(Path(), help="Where to write it; made when absent."),
) -> None:
    """Write a commented affiant.toml; one that is there already is never overwritten.

    Example: affiant init my-gateway
    """
    target = directory / DEFAULT_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with target.open("x") as file:
            file.write(commented_toml({"data": {"directory": "affiant-data"}}))
    except FileExistsError as error:
        raise ConfigError(f"{target} is there already, and is not overwritten") from error
    typer.echo(f"wrote {target}")
    typer.echo(
        "next: `affiant model publish FILE …`, its digest into [[plan]], `affiant config check`, `affiant up`"
    )
