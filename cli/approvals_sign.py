"""Signing about a digest: what is there is shown, what would not count is refused, then the key is used."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from audit.config import Config, load

from .approvals_open import append, confirm, digest_of, publisher_in, signer_of, text_of, warn
from .approvals_show import cell, day, gates_table, lines, of_roles, screen, table
from .errors import WRONG
from .lineage_open import board_about
from .text import json_text, printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.foresee import Intent


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    type: str
    service: str
    digest: str
    key: Path
    rationale: str
    role: str | None = None
    policy: str | None = None
    break_glass: bool = False
    renew: bool = False
    yes: bool = False
    as_json: bool = False


def sign(config: Path | None, asked: Asked) -> None:
    """Show, refuse or sign, append, and tell what came of it.

    Raises:
        typer.Exit: 1: it would not count, and nothing was signed; or it was signed, and does not count.
    """
    from registry.approvals.foresee import Intent, refusals, waits_for
    from registry.statement import REVOCATION
    from registry.stores import configured_store

    loaded = load(config)
    rationale = text_of(asked.rationale)
    store = configured_store(loaded)
    digest = digest_of(store, asked.digest)
    # What must go can be revoked whatever has become of the store.
    stored, publisher = (True, None) if asked.type == REVOCATION else publisher_in(store, digest)
    with board_about(loaded, digest) as now:
        board = now.under(asked.policy)
        if board is None:
            in_force = now.policy.digest if now.policy is not None else "none"
            _refuse(
                asked,
                digest,
                [f"the policy in force is {in_force}, and {asked.policy} is neither that nor proposed"],
            )
        signer = signer_of(asked.key)
        intent = Intent(
            asked.type, asked.service, digest, signer.id, rationale, round(time.time(), 3), asked.role,
            asked.break_glass, asked.renew,
        )  # fmt: skip
        why = list(refusals(board, intent, publisher=publisher, stored=stored))
        if why:
            _refuse(asked, digest, why)
        if not asked.as_json:
            _show(board, intent, publisher)
        if waiting := waits_for(board, intent):
            rules = board.rules(intent.service, "live")
            if rules is not None and rules.bound:
                warn(
                    f"for live this is none: it is of gate results in which these did not pass: {', '.join(waiting)}"
                )
            else:
                warn(f"this is an approval for live, too, once these gates pass: {', '.join(waiting)}")
        confirm(f"Sign this with {asked.key}?", yes=asked.yes)
        append(loaded, signer, [intent.statement(board)])
    _after(loaded, intent, publisher, asked)


def _refuse(asked: Asked, digest: str, why: list[str]) -> NoReturn:
    if asked.as_json:
        typer.echo(json.dumps({"signed": False, "digest": digest, "reasons": why}, ensure_ascii=False))
    for each in why:
        typer.echo(f"refused: {printable(each)}", err=True)
    raise typer.Exit(WRONG)


def _show(board: Board, intent: Intent, publisher: str | None) -> None:
    from registry.statement import APPROVAL

    out = screen()
    found = gates_table(board, intent.service, intent.digest)
    if found is not None:
        out.print(found)
        out.print()
    elif intent.type == APPROVAL:
        out.print("there are no gate results under the policy in force")
    grid = table("what is signed", "")
    predicate = intent.predicate(board)
    person = board.roots.now.content.keys[intent.key].person
    for name, value in {
        "statement": intent.type,
        "digest": intent.digest,
        "published by": publisher,
        "signed by": f"{person}, with the key {intent.key[:16]}…",
        **predicate,
        "at": day(intent.at),
    }.items():
        if name == "rationale":
            grid.add_row(cell(name), lines(intent.rationale))
        elif value is not None:
            grid.add_row(cell(name), cell(value, "bold red" if name == "break_glass" and value else ""))
    out.print(grid)


def _after(loaded: Config, intent: Intent, publisher: str | None, asked: Asked) -> None:
    """Read the log once more: what others wrote meanwhile may have changed what it is worth."""
    from registry.approvals.proposals import missing
    from registry.statement import APPROVAL

    with board_about(loaded, intent.digest) as now:
        board = now.under(asked.policy) or now
        coming = board is not now
        verdict = board.verdict(intent.service, intent.digest, "live", time.time(), publisher)
        own = next(
            (
                each
                for each in reversed(board.about(intent.digest))
                if each.author == intent.key and each.holds
            ),
            None,
        )
        told: dict[str, Any] = {
            "signed": True,
            "digest": intent.digest,
            "service": intent.service,
            "offset": own.offset if own else None,
            "policy": board.policy and board.policy.digest,
            "policy_in_force": not coming,
            "admitted": verdict.admitted and not coming,
            "reasons": list(verdict.reasons),
            "missing": dict(verdict.missing or {}),
        }
        if intent.break_glass and not verdict.break_glass:
            rules = board.rules(intent.service, "live")
            signed = board.emergency(intent.service, intent.digest, time.time(), publisher)
            told["break_glass_missing"] = missing(rules.break_glass if rules is not None else {}, signed)
        if asked.as_json:
            typer.echo(json_text(told))
        else:
            typer.echo(f"signed, at offset {told['offset']} of the governance log")
            where = f"{intent.digest} for {intent.service}"
            if coming:
                where += ", once that policy is in force"
            if verdict.admitted:
                glass = " BY BREAK-GLASS" if verdict.break_glass else ""
                until = f" until {day(verdict.expires)}" if verdict.expires is not None else ""
                typer.echo(f"{printable(where)}: admitted{glass} as live{until}")
            else:
                typer.echo(f"{printable(where)}: not admitted as live")
                for each in verdict.reasons:
                    typer.echo(f"  {printable(each)}")
                if "break_glass_missing" in told:
                    typer.echo(
                        f"  or by break-glass: {printable(of_roles(told['break_glass_missing']))} more"
                    )
        if intent.type == APPROVAL and verdict.missing:
            from .approvals_webhook import announce

            announce(loaded, intent.service, intent.digest, board=board)
