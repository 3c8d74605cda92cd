"""The policy in the governance log: proposed and signed, compared, shown."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load

from .approvals_open import (
    JsonOption,
    KeyOption,
    RationaleOption,
    RoleOption,
    YesOption,
    append,
    board_of,
    confirm,
    signer_of,
    text_of,
    warn,
)
from .approvals_show import cell, changes_table, of_roles, screen, slot_lines, table
from .approvals_webhook import announce_policy
from .errors import WRONG
from .options import ConfigOption
from .text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from registry.approvals.board import Board
    from registry.approvals.proposals import Proposal
    from registry.policy import Policy

FileArgument = Annotated[Path, typer.Argument(help="policy.yaml.")]


def propose(
    file: FileArgument,
    role: RoleOption,
    rationale: RationaleOption,
    key: KeyOption,
    version: Annotated[
        int | None,
        typer.Option(min=1, help="Else the next one, or that under which others have signed this policy."),
    ] = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a policy and append it to the governance log; it is in force once enough people have signed the same.

    The first policy needs the role `policy` of the root; a later one those whom the policy in force names under
    `change`. Shown before it is signed: what it would change, what each slot then needs, and what is enforced where
    that is another number than the policy's (latency and confidence are counted in bins). A section `canary` must say
    both `gates` and `roles`: without them a canary would need nothing. Warned of as by `affiant policy check`, and of
    what the root does not give.

    Exit codes: 0 signed; 1 it would not count, nothing was signed; 2 wrong usage, settings, key or policy; 3 the log
    does not answer.

    Example: affiant policy propose policy.yaml --role policy --rationale "the first policy" --key cyd.key
    """
    from registry.approvals.propose import (
        PolicyIntent,
        next_version,
        policy_refusals,
        proposal_of,
        still_wanted,
    )
    from registry.policy import load_policy

    loaded, policy = load(config), load_policy(file)
    why = text_of(rationale)
    board = board_of(loaded, create=True)
    signer = signer_of(key)
    number = version if version is not None else next_version(board, policy)
    intent = PolicyIntent(policy, role, signer.id, why, round(time.time(), 3), number)
    refused = policy_refusals(board, intent)
    if refused:
        if as_json:
            typer.echo(json.dumps({"signed": False, "digest": policy.digest, "reasons": refused}))
        for each in refused:
            typer.echo(f"refused: {printable(each)}", err=True)
        raise typer.Exit(WRONG)
    warned = _remarks(board, policy)
    for each in warned:
        warn(each)
    if not as_json:
        before = board.policy.policy if board.policy is not None else None
        _print_changes(before, policy)
        if before is not None:
            typer.echo("\nthen needed:")
            _print_slots(policy)
        tell_enforced(policy)
        typer.echo(f"\n{policy.digest}, version {number}")
    confirm(f"Sign this policy as {printable(role)} with {key}?", yes=yes)
    append(loaded, signer, [intent.statement()])
    board = board_of(loaded)
    wanted = still_wanted(board, policy.digest, number)
    in_force = board.policy is not None and board.policy.digest == policy.digest
    told = {
        "signed": True,
        "digest": policy.digest,
        "version": number,
        "in_force": in_force,
        "missing": dict(wanted),
        "enforced": enforced_of(policy),
        "warnings": warned,
    }
    if as_json:
        typer.echo(json.dumps(told))
    elif in_force:
        typer.echo("signed, and in force")
    else:
        typer.echo(f"signed; still to sign: {printable(of_roles(wanted))}")
    if (proposal := proposal_of(board, policy.digest, number)) is not None:
        announce_policy(loaded, proposal)


def show(
    text: Annotated[bool, typer.Option("--text", help="The policy itself, as YAML.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the policy that is in force: its version, from which offset on, who signed it; and what is proposed.

    Exit codes: 0 shown; 1 none is in force; 2 wrong settings; 3 the log does not answer.

    Example: affiant policy show
    """
    board = board_of(load(config))
    passed, proposals = board.passed(), board.proposals()
    if as_json:
        told: dict[str, Any] = {
            "in_force": None
            if passed is None
            else _told(passed) | {"from_offset": board.policy and board.policy.offset},
            "proposals": [_told(each) for each in proposals],
        }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=True))
    elif text and passed is not None:
        import yaml

        # As ASCII: what a policy says steers no terminal, and YAML reads it back.
        typer.echo(yaml.safe_dump(passed.policy.model_dump(mode="json"), sort_keys=False), nl=False)
    else:
        _print_policies(board, passed, proposals)
    if passed is None:
        raise typer.Exit(WRONG)


def diff(
    file: FileArgument,
    against: Annotated[
        Path | None,
        typer.Option(help="Another policy file; the one in force when not given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a policy would change of the one in force, key by key, defaults written out.

    Exit codes: 0 nothing; 1 something; 2 not a policy, or wrong settings; 3 the log does not answer.

    Example: affiant policy diff policy.yaml
    """
    from registry.approvals.changes import changes
    from registry.policy import load_policy

    policy = load_policy(file)
    if against is not None:
        before: Policy | None = load_policy(against)
    else:
        board = board_of(load(config))
        before = board.policy.policy if board.policy is not None else None
    found = changes(
        before.model_dump(mode="json") if before is not None else {}, policy.model_dump(mode="json")
    )
    if as_json:
        told = [
            {"key": each.key, "before": _value(each.before), "after": _value(each.after)} for each in found
        ]
        typer.echo(
            json.dumps({"digest": policy.digest, "against": before and before.digest, "changes": told})
        )
    else:
        _print_changes(before, policy)
    if found:
        raise typer.Exit(WRONG)


def tell_enforced(policy: Policy) -> None:
    """What is held of objectives, where it is another number than the policy's."""
    from monitoring.enforced import lines

    for each in lines(policy):
        typer.echo(printable(each))


def enforced_of(policy: Policy) -> dict[str, Any]:
    """The same for JSON, of every objective with a limit, by service: seconds or probabilities."""
    from monitoring.enforced import enforced

    return {
        service: [asdict(each) for each in found]
        for service, section in policy.services.items()
        if (found := enforced(section.slo))
    }


def _remarks(board: Board, policy: Policy) -> list[str]:
    """What people should know before they sign: of the root, too, as long as it alone says who signs the policy."""
    from monitoring.alerts.rules import in_vain
    from registry.approvals.alone import of_root
    from registry.approvals.propose import lacking
    from registry.approvals.slots import warnings

    root = board.roots.now
    of_the_root = of_root(root.content, first_policy=True) if board.policy is None else ()
    return list(dict.fromkeys((*of_the_root, *lacking(root, policy), *warnings(policy), *in_vain(policy))))


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _print_changes(before: Policy | None, after: Policy) -> None:
    from registry.approvals.changes import changes

    if before is None:
        typer.echo("there is no policy in force: all of it is new")
        _print_slots(after)
        typer.echo(printable(f"to change it: {of_roles(after.change.roles)}"))
        return
    found = changes(before.model_dump(mode="json"), after.model_dump(mode="json"))
    if not found:
        typer.echo("nothing is changed")
        return
    screen().print(changes_table(found))


def _print_slots(policy: Policy) -> None:
    for each in slot_lines(policy):
        typer.echo(printable(each))


def _told(proposal: Proposal) -> dict[str, Any]:
    from registry.approvals.slots import needs_of

    return {
        "digest": proposal.policy.digest,
        "version": proposal.version,
        "first_signed_at_offset": proposal.offset,
        "signed": [{"person": person, "role": role} for person, role in proposal.signed.items()],
        "missing": dict(proposal.missing),
        "slots": [each.told() for each in needs_of(proposal.policy)],
    }


def _print_policies(board: Board, passed: Proposal | None, proposals: list[Proposal]) -> None:
    out = screen()
    grid = table("version", "digest", "", "signed by", "missing")
    for each in [*([passed] if passed is not None else []), *proposals]:
        here = each is passed
        state = (
            f"in force from offset {board.policy.offset}" if here and board.policy is not None else "proposed"
        )
        people = ", ".join(f"{person} ({role})" for person, role in each.signed.items())
        grid.add_row(
            cell(each.version), cell(each.policy.digest), cell(state, "green" if here else "yellow"), cell(people),
            cell(of_roles(each.missing) if each.missing else ""),
        )  # fmt: skip
    if grid.row_count:
        out.print(grid)
    if passed is None:
        out.print("no policy is in force: nothing is admitted")
        return
    out.print()
    out.print(_slots_table(passed.policy))


def _slots_table(policy: Policy) -> Table:
    from registry.approvals.slots import needs_of

    services = table("service", "slot", "gates", "signers", "at most", "break-glass")
    for each in needs_of(policy):
        glass = policy.services[each.service].break_glass
        services.add_row(
            cell(each.service if each.slot == "live" else ""),
            cell(each.slot, "bold red" if each.open else ""),
            cell(", ".join(each.gates) or "none"),
            cell(of_roles(each.signers)),
            cell("" if each.share is None else f"{each.share:.1%}"),
            cell(of_roles(glass.roles) if glass is not None else "none"),
        )
    return services
