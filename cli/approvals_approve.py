"""`affiant approve`: a signed word for a digest in a service."""

from __future__ import annotations

from typing import Annotated

import typer

from .approvals_open import JsonOption, KeyOption, RationaleOption, RoleOption, ServiceOption, YesOption
from .approvals_sign import Asked, sign
from .model import DigestArgument
from .options import ConfigOption

app = typer.Typer()


@app.command()
def approve(  # noqa: PLR0917 - a command takes its options one by one
    digest: DigestArgument,
    service: ServiceOption,
    role: RoleOption,
    rationale: RationaleOption,
    key: KeyOption,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="An emergency: without gates, for hours, seen by all.")
    ] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="Sign again although your approval still counts: before it ends.")
    ] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            help="The digest of the policy that you mean: the one in force, or one that is proposed.",
            show_default=False,
        ),
    ] = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a digest for a service, in a role, for a reason: signed, and appended to the governance log.

    First the gate results and what will be signed are shown. What would not count is refused, with the reason:
    a key without the role, the publisher (in an emergency, too), somebody who has signed already, a digest that the
    store does not have, no gate results under the policy in force.

    Exit codes: 0 signed; 1 it would not count, nothing was signed; 2 wrong usage, settings or key; 3 the log or the
    store does not answer.

    Example: affiant approve sha256:5e66a605fa8c --service credit --role legal --rationale reasons.md --key ann.key
    """
    from registry.statement import APPROVAL

    sign(
        config,
        Asked(APPROVAL, service, digest, key, rationale, role, policy, break_glass, renew, yes, as_json),
    )
