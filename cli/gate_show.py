"""`affiant gate show`: the gate results of a package that stand in the governance log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from audit.config import load

from .approvals_open import JsonOption, digest_of
from .approvals_show import cell, day, screen, table
from .errors import WRONG
from .lineage_open import board_about
from .model import DigestArgument
from .options import ConfigOption
from .text import json_text

if TYPE_CHECKING:
    from registry.gates.said import SaidResults


def show(
    digest: DigestArgument,
    service: Annotated[
        str | None, typer.Option("--service", "-s", help="One service; else all.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the gate results of a package in the governance log, oldest first, and which of them count.

    Those count that the newest statement of the role gates makes under the policy in force, after any revocation.

    Exit codes: 0 there are some; 1 there are none; 2 wrong usage or settings; 3 the log or the store does not answer.

    Example: affiant gate show sha256:5e66a605fa8c --service credit
    """
    from registry.gates.said import results_of
    from registry.stores import configured_store

    loaded = load(config)
    whole = digest_of(configured_store(loaded), digest)
    with board_about(loaded, whole) as board:
        found = results_of(board, whole, service)
    if as_json:
        typer.echo(json_text({"digest": whole, "results": [each.told() for each in found]}))
    else:
        _print(whole, found)
    if not found:
        raise typer.Exit(WRONG)


def _print(digest: str, found: list[SaidResults]) -> None:
    view = screen()
    view.print(cell(digest))
    for said in found:
        where = f"offset {said.offset}, {day(said.logged / 1000)}, by {said.speaker}"
        view.print()
        view.print(cell(f"{where}: {said.predicate.get('service')}, under {said.predicate.get('policy')}"))
        if not said.may:
            view.print(cell("  this key has not the role gates: it counts for nothing", "bold red"))
        elif said.counts:
            view.print(cell("  these count", "green"))
        else:
            view.print(cell("  these do not count: another policy, newer results, or a revocation since"))
        grid = table("gate", "verdict", "why")
        for each in said.results:
            verdict = each.get("verdict")
            style = "green" if verdict == "passed" else "red"
            grid.add_row(cell(each.get("name")), cell(verdict, style), cell(each.get("reason") or ""))
        view.print(grid)
    if not found:
        view.print(cell("there are no gate results in the governance log; `affiant gate run` makes them"))
