"""`affiant deploy`: a package answers for a service, alone or beside what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .approvals_open import JsonOption, KeyOption, YesOption, digest_of
from .deploy_open import Asked, ReasonOption, Scene, ServiceArgument, change
from .model import DigestArgument
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.deployment import Placed

app = typer.Typer()


def share(value: str) -> float:
    """10%, or 0.1. Raises typer.BadParameter."""
    text = value.strip()
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no share; write it as 10% or 0.1") from None
    if not 0 < found <= 1:
        raise typer.BadParameter(f"{value!r} is not more than 0% and up to 100%")
    return found


@app.command()
def deploy(  # noqa: PLR0917 - a command takes its options one by one
    service: ServiceArgument,
    digest: DigestArgument,
    reason: ReasonOption,
    key: KeyOption,
    canary: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="As a canary that answers this share: 10%."),
    ] = None,
    shadow: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="As a shadow that is shown this share: 100%."),
    ] = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a package answer for a service: a signed event in the governance log, which gateways follow within 2 s.

    What admission does not admit, and a canary larger than the policy allows, are refused before anything is signed;
    gateways ask admission by themselves all the same. No request is dropped by the swap.

    Exit codes: 0 it counts; 1 it would not count, or somebody else's event came first; 2 wrong usage, settings or key;
    3 the log or the store does not answer.

    Example: affiant deploy credit sha256:5e66a605fa8c --canary 10% --reason "gates and signatures are there"
    --key ops.key
    """
    from registry.deployment.change import placed

    def plan(scene: Scene) -> list[Placed]:
        return placed(scene.before, digest_of(scene.store, digest), canary=canary, shadow=shadow)

    change(config, Asked("deploy", service, key, reason, yes, as_json), plan)
