"""`affiant promote`: the canary becomes live."""

from __future__ import annotations

import typer

from .approvals_open import JsonOption, KeyOption, YesOption
from .deploy_open import Asked, ReasonOption, ServiceArgument, change
from .options import ConfigOption

app = typer.Typer()


@app.command()
def promote(
    service: ServiceArgument,
    reason: ReasonOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a service's canary live, alone. It needs all that live needs.

    Exit codes: 0 it counts; 1 it would not count, or somebody else's event came first; 2 wrong usage, settings or key;
    3 the log or the store does not answer.

    Example: affiant promote credit --reason "a day without a complaint" --key ops.key
    """
    from registry.deployment.change import promoted

    change(config, Asked("promote", service, key, reason, yes, as_json), lambda scene: promoted(scene.before))
