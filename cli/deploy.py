"""`affiant deploy`: a package answers for a service, alone or beside what is live."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .approvals_open import JsonOption, KeyOption, YesOption, digest_of
from .deploy_open import Asked, ReasonOption, Scene, ServiceArgument, change
from .model import DigestArgument
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.deployment import Placed, Steps

app = typer.Typer()
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])")


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


def span(value: str) -> float:
    """Seconds of 90s, 10m, 2h or 1d. Raises typer.BadParameter."""
    found = _SPAN.fullmatch(value.strip())
    if found is None:
        raise typer.BadParameter(f"{value!r} is no time; write it as 90s, 10m, 2h or 1d")
    return float(found[1]) * _SECONDS[found[2]]


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
    then: Annotated[
        list[float] | None,
        typer.Option(
            parser=share,
            metavar="SHARE",
            help="With --canary: the share after the next step; may be given again, 100% makes it live.",
        ),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option(
            parser=span, metavar="TIME", help="With --then: from one step to the next, at least: 10m."
        ),
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

    With --then and --step the canary's share moves on by itself: `affiant controller` takes the steps, which you sign
    now, once the comparison with what is live is shown to hold, and takes it back when it does not. It compares by
    `canary.rollout` of the policy: without it the steps are refused, as nobody would take them. With it, a canary
    without steps is compared as well: it may be taken back, and moves no further.

    Exit codes: 0 it counts; 1 it would not count, or somebody else's event came first; 2 wrong usage, settings or key;
    3 the log or the store does not answer.

    Example: affiant deploy credit sha256:5e66a605fa8c --canary 1% --then 5% --then 100% --step 10m
    --reason "gates and signatures are there" --key ops.key
    """
    from registry.deployment.change import placed

    def plan(scene: Scene) -> list[Placed]:
        return placed(scene.before, digest_of(scene.store, digest), canary=canary, shadow=shadow)

    steps = steps_of(canary, then, step)
    change(config, Asked("deploy", service, key, reason, yes, as_json, steps), plan)


def steps_of(canary: float | None, then: list[float] | None, step: float | None) -> Steps | None:
    """The steps that the options name. Raises typer.BadParameter: they make no sense together."""
    from registry.deployment import Steps

    if not then and step is None:
        return None
    if canary is None or not then or step is None:
        raise typer.BadParameter("--then and --step go together, and with --canary")
    if any(before >= after for before, after in pairwise([canary, *then])):
        raise typer.BadParameter("the shares of --canary and --then must ascend")
    return Steps(shares=then, seconds=step)
