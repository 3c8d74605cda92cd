"""`affiant status`: what is signed for a digest, and what is missing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from audit.config import load

from .approvals_open import JsonOption, board_of, digest_of, publisher_in
from .approvals_show import cell, day, gates_table, of_roles, screen, table
from .errors import WRONG
from .lineage_open import board_about
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.status import Status
    from registry.stores import Store

app = typer.Typer()


@app.command()
def status(
    digest: Annotated[
        str | None,
        typer.Argument(help="sha256:…, or as much of it as is unique; all that wait when not given."),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", help="One service; else each for which something was said."),
    ] = None,
    slot: Annotated[
        Literal["live", "canary", "shadow"], typer.Option(help="The slot that the exit code is about.")
    ] = "live",
    policy: Annotated[
        str | None,
        typer.Option(help="Ask of a policy that is proposed: its digest.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is there and what is missing before a digest may answer, for each slot; without a digest, what waits.

    It asks what a gateway asks, of the same log; a gateway asks by itself.

    Exit codes: 0 admitted, or no digest was given; 1 not admitted; 2 wrong usage or settings; 3 the log or the store
    does not answer.

    Example: affiant status sha256:5e66a605fa8c --service credit
    """
    from registry.stores import configured_store

    loaded = load(config)
    store = configured_store(loaded)
    if digest is None:
        board = _under(board_of(loaded), policy)
        _overview(board, store, _services(board, service), slot, as_json=as_json)
        return
    whole = digest_of(store, digest)
    with board_about(loaded, whole) as now:
        board = _under(now, policy)
        found = _of(board, store, _services(board, service), whole, every=service is not None)
    if as_json:
        told = {
            "digest": whole,
            "policy": board.policy and board.policy.digest,
            "services": [each.told() for each in found],
        }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=True))
    else:
        typer.echo(whole)
        for each in found:
            _print(board, each)
        if board.policy is None:
            typer.echo("no policy is in force: nothing is admitted")
    may = [each.slot(slot) for each in found]
    if not may or not all(each is not None and each.admitted for each in may):
        raise typer.Exit(WRONG)


def _under(board: Board, policy: str | None) -> Board:
    found = board.under(policy)
    if found is None:
        raise typer.BadParameter(f"{policy} is neither in force nor proposed", param_hint="--policy")
    return found


def _services(board: Board, service: str | None) -> list[str]:
    known = list(board.policy.policy.services) if board.policy is not None else []
    if service is not None and service not in known:
        raise typer.BadParameter(
            f"the policy in force has no service {service!r}; it has {', '.join(known) or 'none'}",
            param_hint="--service",
        )
    return [service] if service is not None else known


def _of(board: Board, store: Store, services: list[str], digest: str, *, every: bool) -> list[Status]:
    from registry.approvals.status import status_of

    _, publisher = publisher_in(store, digest)
    found = [status_of(board, each, digest, now=time.time(), publisher=publisher) for each in services]
    spoken = [each for each in found if each.history]
    return found if every or not spoken else spoken


def _overview(board: Board, store: Store, services: list[str], slot: str, *, as_json: bool) -> None:
    from registry.approvals.status import waiting

    found = [
        each
        for each in waiting(board, lambda digest: publisher_in(store, digest)[1], time.time())
        if each.service in services
    ]
    if as_json:
        told = {
            "policy": board.policy and board.policy.digest,
            "services": services,
            "digests": [each.told() for each in found],
        }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=True))
        return
    if board.policy is None:
        typer.echo("no policy is in force; `affiant policy propose` brings one")
        return
    grid = table("service", "digest", slot, "missing")
    for service in services:
        own = [each for each in found if each.service == service]
        if not own:
            grid.add_row(cell(service), cell("nothing was said of any digest"), cell(""), cell(""))
        for each in own:
            state = each.slot(slot)
            if state is None:
                continue
            grid.add_row(
                cell(service),
                cell(each.digest),
                _word(state.admitted, state.break_glass),
                cell("; ".join(state.reasons)),
            )
    screen().print(grid)


def _word(admitted: bool, break_glass: bool) -> Text:
    if break_glass:
        return cell("BREAK-GLASS", "bold red")
    return cell("admitted", "green") if admitted else cell("waits", "yellow")


def _print(board: Board, status: Status) -> None:
    out = screen()
    out.print()
    signed = f", and by the signature of {', '.join(status.published_by)}" if status.published_by else ""
    out.print(
        cell(status.service, "bold"),
        cell(f"published by {status.publisher or 'nobody that is known'}{signed}"),
    )
    grid = table("slot", "", "wants", "approved by", "missing")
    for each in status.slots:
        by = ", ".join(f"{person} ({role})" for role, person in each.approved_by)
        until = f", until {day(each.expires)}" if each.expires is not None else ""
        grid.add_row(
            cell(each.slot),
            _word(each.admitted, each.break_glass),
            cell(of_roles(each.wanted)),
            cell(by + until),
            cell(of_roles(each.missing) if each.missing else ""),
        )
    out.print(grid)
    for each in status.slots:
        for reason in each.reasons:
            out.print(cell(f"  {each.slot}: {reason}"))
    if status.emergency:
        out.print(
            cell(
                "  break-glass: " + ", ".join(f"{who} ({role})" for who, role in status.emergency.items()),
                "bold red",
            )
        )
    gates = gates_table(board, status.service, status.digest)
    if gates is not None:
        out.print()
        out.print(gates)
    if status.history:
        out.print()
        said = table("offset", "what", "by", "role", "when", "why")
        for event in status.history:
            what = (
                ("break-glass " if event["break_glass"] else "")
                + str(event["kind"])
                + ("" if event["this_policy"] or event["kind"] == "revocation" else " (other policy)")
            )
            at = event["at"]
            when = day(at) if isinstance(at, int | float) else ""
            said.add_row(
                cell(event["offset"]),
                cell(what),
                cell(event["by"]),
                cell(event["role"] or ""),
                cell(when),
                cell(" ".join(str(event["rationale"] or "").split())[:200]),
            )
        out.print(said)
