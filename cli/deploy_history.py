"""`affiant history`: what was deployed, when, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load

from .approvals_open import JsonOption, board_of
from .approvals_show import cell, day, screen, table
from .deploy_open import plan_text
from .options import ConfigOption
from .text import json_text

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.deployment import Deployed, Event

app = typer.Typer()


@app.command()
def history(
    service: Annotated[
        str | None, typer.Argument(help="The service; all when not given.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every deployment event of the governance log, and why those that do not count do not.

    Of a rollout that is under way: its next step, or why it stands still.

    Exit codes: 0 shown; 2 wrong usage or settings; 3 the log does not answer.

    Example: affiant history credit
    """
    from registry.deployment import fold_deployments

    board = board_of(load(config))
    found = fold_deployments(board.roots, board.said)
    if service is not None and service not in found:
        raise typer.BadParameter(
            f"{service!r} was never deployed; {', '.join(found) or 'no service'} was", param_hint="SERVICE"
        )
    shown = list(found.values()) if service is None else [found[service]]
    if as_json:
        typer.echo(json_text({"services": [_told(each, board) for each in shown]}))
        return
    if not shown:
        typer.echo("nothing was ever deployed; `affiant deploy` does")
    for each in shown:
        _print(each, board)


def _print(deployed: Deployed, board: Board) -> None:
    out = screen()
    now = "nothing" if not deployed.plan else plan_text(deployed.plan).replace("\n", ", ")
    out.print(cell(f"{deployed.service}: {now}{', paused' if deployed.paused else ''}", "bold"))
    if (rollout := _rollout(deployed, board)) is not None:
        left = ", ".join(f"{each:.0%}" for each in rollout["left"])
        if rollout["halted"] is None:
            next_ = day(rollout["due"] / 1000)
            told, style = f"the canary moves on by itself: then {left}, not before {next_}", ""
        else:
            told, style = f"the canary stands still ({left} to come): {rollout['halted']}", "yellow"
        out.print(cell(told, style))
    grid = table("logged", "offset", "action", "plan", "by", "reason")
    for each in deployed.events:
        style = "" if each.void is None else "dim"
        why = each.content.reason if each.void is None else f"changes nothing: {each.void}"
        grid.add_row(
            cell(day(each.logged / 1000), style),
            cell(each.offset, style),
            cell(each.content.action, style),
            cell(plan_text(each.content.plan), style),
            cell(each.person or "a key without the role", style),
            cell(why, style),
        )
    out.print(grid)


def _rollout(deployed: Deployed, board: Board) -> dict[str, Any] | None:
    """Times are ms since 1970 UTC, by the log's clock. None: no step is to come."""
    from registry.deployment.state import halted

    found = deployed.rollout
    if found is None:
        return None
    return {
        "digest": found.digest,
        "left": list(found.left),
        "due": found.moved + round(1000 * found.seconds),
        "halted": halted(board.policy, deployed),
    }


def _told(deployed: Deployed, board: Board) -> dict[str, Any]:
    return {
        "service": deployed.service,
        "paused": deployed.paused,
        "plan": [each.model_dump() for each in deployed.plan],
        "rollout": _rollout(deployed, board),
        "events": [_event(each) for each in deployed.events],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "offset": event.offset,
        "logged": event.logged,
        "person": event.person,
        "role": event.role,
        "void": event.void,
        **event.content.model_dump(),
    }
