"""`affiant audit`: what an auditor asks of the log, without trusting who wrote it."""

from __future__ import annotations

import typer

from .audit_bundle import bundle
from .audit_completeness import completeness
from .audit_recompute import recompute
from .audit_records import prove, show
from .audit_replay import replay
from .audit_search import search
from .audit_trace import trace
from .audit_verify import verify

app = typer.Typer(
    no_args_is_help=True,
    help="Verify, look up, prove and replay what was recorded.\n\nExample: affiant audit verify",
)
for command in (verify, show, search, prove, trace, replay, recompute, bundle, completeness):
    app.command()(command)


@app.callback()
def audit() -> None:
    """Verify, look up, prove and replay what was recorded.

    Example: affiant audit verify
    """
