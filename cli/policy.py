"""`affiant policy`: check a policy, publish its schema; sign one into force, compare and show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .approvals_open import warn
from .approvals_policy import diff, enforced_of, propose, show, tell_enforced
from .approvals_show import slot_lines
from .errors import WRONG
from .text import printable

app = typer.Typer(
    no_args_is_help=True,
    help="What a service's traffic needs: check policy.yaml, sign it into force, show what is in force.\n\n"
    "Example: affiant policy check policy.yaml",
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="policy.yaml.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Read a policy and say what it asks for, slot by slot; its digest is what gates and approvals name.

    A section `canary` that does not say both `gates` and `roles` is refused: a canary would need nothing. Warned of:
    what one person may do alone, roles with a work of their own that approve packages, canaries for which nobody signs.

    Latency and confidence are counted in bins: where an objective's limit is none of their edges, what is enforced in
    its place is said.

    Exit codes: 0 it is one; 1 `affiant policy propose` would not sign it, and why; 2 it is none: which key
    is wrong.

    Example: affiant policy check examples/credit/policy.yaml
    """
    from monitoring.alerts.rules import in_vain
    from registry.approvals.slots import needs_of, unwritten, warnings
    from registry.policy import load_policy

    policy = load_policy(file)
    refused, remarks = unwritten(policy), [*warnings(policy), *in_vain(policy)]
    if as_json:
        told = {
            "digest": policy.digest,
            "policy": policy.model_dump(mode="json"),
            "slots": [each.told() for each in needs_of(policy)],
            "enforced": enforced_of(policy),
            "warnings": remarks,
            "refused": refused,
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(policy.digest)
        for each in slot_lines(policy):
            typer.echo(printable(each))
        tell_enforced(policy)
    for each in remarks:
        warn(each)
    for each in refused:
        typer.echo(f"refused: {printable(each)}", err=True)
    if refused:
        raise typer.Exit(WRONG)


@app.command()
def schema() -> None:
    """Print the JSON schema of policy.yaml, for editors and for checks elsewhere.

    Exit code: 0.

    Example: affiant policy schema > policy.schema.json
    """
    from registry.policy import schema as made

    typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))


for _command in (propose, show, diff):
    app.command()(_command)
