"""`affiant label`: what came of predictions, into the log from files and topics."""

from __future__ import annotations

import typer

from .label_import import import_

app = typer.Typer(
    no_args_is_help=True,
    help="What came of predictions: import labels. Single ones go to the gateway (POST /v1/models/NAME:label).\n\n"
    "Example: affiant label import outcomes.csv --service credit",
)
app.command("import")(import_)


@app.callback()
def _group() -> None:
    """With one command typer would take it for the group itself."""
