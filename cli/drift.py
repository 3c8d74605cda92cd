"""`affiant drift`: what the monitor says of what is served, in the terminal and as a page."""

from __future__ import annotations

import typer

from .drift_report import report
from .drift_status import status

app = typer.Typer(
    no_args_is_help=True,
    help="How far what is asked and answered is from the training data.\n\nExample: affiant drift status",
)
app.command()(status)
app.command()(report)
