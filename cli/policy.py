"""`affiant policy`: check a policy, publish its schema; sign one into force, compare and show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .approvals_policy import diff, enforced_of, propose, show, tell_enforced

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
    """Read a policy and say what it asks for; its digest is what gates and approvals name.

    Latency and confidence are counted in bins: where an objective's limit is none of their edges, what is enforced in
    its place is said.

    Exit codes: 0 it is one; 2 it is not, and which key is wrong.

    Example: affiant policy check examples/credit/policy.yaml
    """
    from registry.policy import load_policy

    policy = load_policy(file)
    if as_json:
        told = {
            "digest": policy.digest,
            "policy": policy.model_dump(mode="json"),
            "enforced": enforced_of(policy),
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(policy.digest)
    for name, service in policy.services.items():
        roles = ", ".join(f"{people} × {role}" for role, people in service.approvals.roles.items())
        typer.echo(f"{name}: gates {', '.join(service.gates.required)}; signers {roles}")
    tell_enforced(policy)


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
