"""`affiant config`: is the settings file right, what is in force, and what could be set."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from audit.config import load

from .errors import USAGE
from .options import ConfigOption
from .tables import READ, markdown, problems, shown

app = typer.Typer(no_args_is_help=True, help="Check and show the settings.\n\nExample: affiant config check")


@app.command()
def check(config: ConfigOption = None) -> None:
    """Name every problem of the settings file; exit code 2 when there is one.

    Example: affiant config check --config /etc/affiant/affiant.toml
    """
    loaded = load(config)
    found = problems(loaded)
    for problem in found:
        typer.echo(problem, err=True)
    if found:
        raise typer.Exit(USAGE)
    typer.echo(f"{loaded.path}: right ({len(READ)} tables, {len(loaded.tables.get('plan', []))} in the plan)")


@app.command()
def show(
    config: ConfigOption = None, as_json: bool = typer.Option(False, "--json", help="As one JSON object.")
) -> None:
    """Print every setting with the value that is in force, defaults included.

    Example: affiant config show --json
    """
    content = shown(load(config))
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    typer.echo(f"# {content['file']}\n# data: {content['data']}")
    for table in READ:
        parts = content["tables"][table.name]
        for part in parts if table.repeated else [parts]:
            typer.echo(f"\n{table.heading}")
            for key, value in part.items():
                typer.echo(f"# {key} is not set" if value is None else f"{key} = {json.dumps(value)}")


@app.command()
def docs(
    output: Path | None = typer.Option(None, "--output", "-o", help="A file, in place of the output."),
) -> None:
    """Print the page that describes every setting (docs/settings.md).

    Example: affiant config docs --output docs/settings.md
    """
    if output is None:
        typer.echo(markdown(), nl=False)
    else:
        output.write_text(markdown())
