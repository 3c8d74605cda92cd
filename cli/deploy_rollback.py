"""`affiant rollback`: back to what answered before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .approvals_open import JsonOption, KeyOption, YesOption, digest_of
from .deploy_open import Asked, ReasonOption, Scene, ServiceArgument, change
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.deployment import Placed

app = typer.Typer()


@app.command()
def rollback(
    service: ServiceArgument,
    reason: ReasonOption,
    key: KeyOption,
    to: Annotated[
        str | None,
        typer.Option(help="The digest to go back to, which must have been live before.", show_default=False),
    ] = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a canary or shadow off; where there is none, go back to the newest digest that was live and still may be.

    Never to one that a rollback has left, unless --to names it; never to one that is not admitted.

    Exit codes: 0 it counts; 1 there is nothing to go back to, or somebody else's event came first; 2 wrong usage,
    settings or key; 3 the log or the store does not answer.

    Example: affiant rollback credit --reason "complaints since noon" --key ops.key
    """
    from registry.deployment.change import rolled_back

    def plan(scene: Scene) -> list[Placed]:
        wanted = None if to is None else digest_of(scene.store, to)
        return rolled_back(scene.before, scene.admitted, wanted)

    change(config, Asked("rollback", service, key, reason, yes, as_json), plan)
