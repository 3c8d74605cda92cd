"""`affiant model sync-mlflow`: gates, approvals and stages, written back to MLflow's model registry."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from audit.config import load

from .errors import UNAVAILABLE
from .every import EveryOption, TouchOption, repeat
from .model_source import mlflow_client
from .options import ConfigOption
from .text import printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.graph import Lineage


def sync_mlflow(
    config: ConfigOption = None,
    every: EveryOption = None,
    touch: TouchOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Write gate results, approvals and stages to MLflow, as tags and aliases of the models' versions.

    The governance log is read, what counts is compared with the tags that are there, and what differs is written:
    calling it twice changes nothing. It is for people to see, and nothing of ours reads it back. The server is the
    settings' store's, or that of MLFLOW_TRACKING_URI. With --every it outlives a server or a log that is away, and says
    so.

    Exit codes: 0 MLflow says what the log says, or --every was told to end; 2 wrong settings; 3 MLflow or the log did
    not answer, or refused.

    Example: affiant model sync-mlflow --every 60
    """
    repeat(lambda: _sync(config, as_json), every, touch)


def _sync(config: Path | None, as_json: bool) -> None:
    """Once."""
    from registry.mlflow.versions import Versions
    from registry.mlflow.write_back import write_back

    from .approvals_open import board_of
    from .lineage_open import open_lineage

    loaded = load(config)
    client = mlflow_client(loaded)
    try:
        board = board_of(loaded)
        # Each package is fetched once and for ever: its index has who published it.
        with open_lineage(loaded) as lineage:
            publishers = {digest: _publisher(lineage, digest) for digest in _digests(board)}
        with Console(stderr=True).status("writing back") as status:  # nothing where there is no terminal
            step = lambda what: status.update(escape(printable(what)))  # noqa: E731 - one line
            written = write_back(
                board.said, board.roots, Versions(client), step, publisher=publishers.get, now=time.time()
            )
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"server": client.server, **asdict(written)}, indent=2, ensure_ascii=True))
    else:
        for change in written.changes:
            typer.echo(printable(change))
        for problem in written.problems:
            typer.echo(f"not written: {printable(problem)}", err=True)
        typer.echo(f"{written.versions} versions at {client.server}; {len(written.changes)} changes")
    if written.problems:
        raise typer.Exit(UNAVAILABLE)


def _digests(board: Board) -> set[str]:
    """Packages that something was said of."""
    return {digest for each in board.said if each.holds for digest in each.subjects}


def _publisher(lineage: Lineage, digest: str) -> str | None:
    """Who published a package; None: it does not say, or the store does not have it."""
    from registry.errors import NotFound
    from registry.lineage.publisher import actor_of

    try:
        return actor_of(lineage.package(digest).lineage)
    except NotFound:
        return None
