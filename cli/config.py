"""`affiant config`: is the settings file right, what is in force, and what could be set."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from audit.config import load
from audit.config import read as read_file

from .approvals_show import cell, screen
from .approvals_show import table as grid
from .config_uses import Use, contradictions, uses
from .errors import USAGE
from .options import ConfigOption
from .tables import READ, markdown, problems, shown
from .text import counted, json_text, printable

app = typer.Typer(no_args_is_help=True, help="Check and show the settings.\n\nExample: affiant config check")


@app.command()
def check(
    config: ConfigOption = None, as_json: bool = typer.Option(False, "--json", help="As one JSON object.")
) -> None:
    """Name every problem of the settings file; of one that is right, say what each component would use.

    Whether tables go together is looked at when each of them is right.

    Nothing is made and nobody is asked: whether what is named answers, `affiant doctor` says. Exit codes: 0 it is
    right, 2 it is not.

    Example: affiant config check --config /etc/affiant/affiant.toml
    """
    loaded = read_file(config)
    found = problems(loaded) or contradictions(loaded)
    used = [] if found else uses(loaded)
    if as_json:
        content = {
            "file": str(loaded.path),
            "right": not found,
            "problems": found,
            "uses": [asdict(use) for use in used],
        }
        typer.echo(json_text(content))
    else:
        for problem in found:
            typer.echo(printable(problem), err=True)
    if found:
        raise typer.Exit(USAGE)
    if not as_json:
        plan = counted(len(loaded.tables.get("plan", [])), "package")
        typer.echo(f"{loaded.path}: right ({len(READ)} tables, {plan} in the plan)")
        _tell(used)


def _tell(used: list[Use]) -> None:
    shown_uses = grid("component", "what", "where", "")
    for use in used:
        shown_uses.add_row(
            *map(cell, (use.component, use.what, use.where, "not there" if use.there is False else ""))
        )
    screen().print(shown_uses)


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
