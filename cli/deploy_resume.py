"""`affiant resume`: deployments and controllers may change a service again."""

from __future__ import annotations

import typer

from .approvals_open import JsonOption, KeyOption, YesOption
from .deploy_open import Asked, ReasonOption, ServiceArgument, change
from .options import ConfigOption

app = typer.Typer()


@app.command()
def resume(
    service: ServiceArgument,
    reason: ReasonOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a pause.

    Exit codes: 0 it counts; 1 the service was never deployed, or somebody else's event came first; 2 wrong usage,
    settings or key; 3 the log or the store does not answer.

    Example: affiant resume credit --reason "the audit is over" --key ops.key
    """
    from registry.deployment.change import kept

    asked = Asked("resume", service, key, reason, yes, as_json)
    change(config, asked, lambda scene: kept(scene.before, paused=True))
