"""What the commands of deployments share: what is there, what would not count, signing, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from audit.config import Config, load

from .approvals_open import append, board_of, confirm, signer_of, text_of
from .approvals_show import cell, day, screen, table
from .errors import WRONG
from .text import json_text, printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.deployment import Deployed, Deployment, Placed, Steps
    from registry.deployment.event import Action
    from registry.stores import Store

ServiceArgument = Annotated[str, typer.Argument(help="The service.", show_default=False)]
ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason",
        "-m",
        help="Why, as text, or the name of a text file; signed and kept.",
        show_default=False,
    ),
]
_SLOTS: Final = {"live": "green", "canary": "yellow", "shadow": "dim"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    action: Action
    service: str
    key: Path
    reason: str
    yes: bool
    as_json: bool
    steps: Steps | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a change is made from."""

    board: Board
    store: Store
    before: Deployed

    def admitted(self, digest: str, slot: str = "live") -> tuple[str, ...]:
        """Why a digest may not be in a slot of the service; empty: it may."""
        from registry.errors import NotFound
        from registry.lineage.deprecation import deprecated, deprecated_in
        from registry.lineage.publisher import actor_of

        try:
            lineage = self.store.pull(digest).lineage
        except NotFound:
            return ("the store does not have it",)
        verdict = self.board.verdict(self.before.service, digest, slot, time.time(), actor_of(lineage))
        if any(digest == each.content.live for each in self.before.counted):
            data: tuple[str, ...] = ()  # it was live before: nothing new is deployed
        else:
            data = deprecated_in(lineage, deprecated(self.board.roots, self.board.said))
        return data if verdict.admitted else (*verdict.reasons, *data)


def scene_of(loaded: Config, service: str) -> Scene:
    """Raises: as `board_of`."""
    from registry.deployment.state import deployed_of
    from registry.stores import configured_store

    board = board_of(loaded)
    return Scene(board, configured_store(loaded), deployed_of(board.roots, board.said, service))


def change(config: Path | None, asked: Asked, plan_of: Callable[[Scene], list[Placed]]) -> None:
    """Work out the plan, refuse what would not count or not be served, sign, append, and tell what came of it.

    Raises:
        DeploymentRefused: the change makes no sense.
        typer.Exit: 1: it would not count, and nothing was signed; or it was signed, and somebody else was first.
    """
    from registry.deployment import Deployment, encode_deployment

    loaded = load(config)
    reason = text_of(asked.reason, "--reason")
    scene = scene_of(loaded, asked.service)
    plan = plan_of(scene)
    signer = signer_of(asked.key)
    person, why = _refusals(scene, asked, plan, signer.id)
    if why:
        if asked.as_json:
            typer.echo(json_text({"signed": False, "service": asked.service, "reasons": why}))
        for each in why:
            typer.echo(f"refused: {printable(each)}", err=True)
        raise typer.Exit(WRONG)
    last = scene.before.last
    event = Deployment(
        service=asked.service, action=asked.action, plan=plan, after=None if last is None else last.offset,
        reason=reason, actor=person, at=round(time.time(), 3), steps=asked.steps,
    )  # fmt: skip
    if not asked.as_json:
        _show(scene, event, person)
    confirm(f"Sign this with {asked.key}?", yes=asked.yes)
    append(loaded, signer, [encode_deployment(event)])
    _after(loaded, asked, event)


def _refusals(scene: Scene, asked: Asked, plan: list[Placed], key: str) -> tuple[str, list[str]]:
    from registry.deployment import DEPLOY_ROLE
    from registry.deployment.state import may_deploy, too_much, unmoved

    why: list[str] = []
    rollback = asked.action == "rollback"
    person = may_deploy(scene.board.roots, key, scene.board.end, rollback=rollback)
    if person is None:
        why.append(f"the key {key[:16]}… has not the role {DEPLOY_ROLE}")
    if scene.before.paused and asked.action in ("deploy", "promote"):
        why.append(f"{asked.service} is paused: `affiant resume {asked.service}` first")
    was = {(each.digest, each.slot) for each in scene.before.plan}
    # What stays where it is is the gateway's own question: to pause must be possible whatever has expired.
    why += [
        f"{each.digest} may not be {each.slot}: {'; '.join(reasons)}"
        for each in plan
        if (each.digest, each.slot) not in was and (reasons := scene.admitted(each.digest, each.slot))
    ]
    if not rollback:
        why += too_small(scene, {each.digest for each in plan} - {each.digest for each in scene.before.plan})
    for shares in (plan, *later_canaries(plan, asked.steps)):
        if (excess := too_much(scene.board.policy, asked.service, shares)) is not None:
            why.append(excess)
    if asked.steps is not None and (still := unmoved(scene.board.policy, asked.service)) is not None:
        why.append(still)
    return person or "", why


def too_small(scene: Scene, digests: Iterable[str]) -> list[str]:
    """New packages whose reference has too few rows for the drift that the policy wants to be told from chance."""
    from monitoring.judging.limits import judged_by, unsupported
    from registry.errors import NotFound

    policy = None if scene.board.policy is None else scene.board.policy.policy
    judged, why = judged_by(policy, scene.before.service), []
    for digest in sorted(digests):
        try:
            reason = unsupported(judged, scene.store.pull(digest).reference)
        except NotFound:
            continue  # admission says so
        if reason is not None:
            why.append(f"{digest}: {reason}")
    return why


def later_canaries(plan: Iterable[Placed], steps: Steps | None) -> list[list[Placed]]:
    """The canary with the share of each later step; the one that makes it live asks admission for that."""
    canaries = [each for each in plan if each.slot == "canary"]
    shares = [] if steps is None else [share for share in steps.shares if share < 1]
    return [[each.model_copy(update={"weight": share}) for each in canaries] for share in shares]


def _show(scene: Scene, event: Deployment, person: str) -> None:
    out = screen()
    before = {each.digest: each for each in scene.before.plan}
    grid = table(scene.before.service, "slot", "share", "before")
    for each in event.plan:
        was = before.pop(each.digest, None)
        told = "" if was is None else f"{was.slot} {was.weight:.0%}"
        grid.add_row(
            cell(each.digest), cell(each.slot, _SLOTS[each.slot]), cell(f"{each.weight:.0%}"), cell(told)
        )
    for was in before.values():
        grid.add_row(cell(was.digest), cell("goes", "red"), cell(""), cell(f"{was.slot} {was.weight:.0%}"))
    out.print(grid)
    if event.steps is not None:
        shares = ", ".join(f"{each:.0%}" for each in event.steps.shares)
        out.print(cell(f"then by itself, {event.steps.seconds:g} s apart: {shares}"))
    out.print(cell(f"signed by {person}: {event.reason}"))


def _after(loaded: Config, asked: Asked, event: Any) -> None:
    """Read the log once more: somebody else's event may have come first."""
    found = scene_of(loaded, asked.service).before.events
    own = next((each for each in reversed(found) if each.content == event), None)
    counts = own is not None and own.void is None
    told = {
        "signed": True,
        "counts": counts,
        "reason": None if own is None else own.void,
        "service": asked.service,
        "action": asked.action,
        "offset": None if own is None else own.offset,
        "plan": [each.model_dump() for each in event.plan],
    }
    if asked.as_json:
        typer.echo(json_text(told))
    else:
        typer.echo(f"signed, at offset {told['offset']} of the governance log; gateways follow within 2 s")
    if not counts:
        typer.echo(f"it changes nothing: {printable(str(told['reason']))}", err=True)
        raise typer.Exit(WRONG)


def plan_text(plan: Iterable[Placed]) -> str:
    """One line a package: digest, slot, share."""
    return "\n".join(f"{each.digest[:19]} {each.slot} {each.weight:.0%}" for each in plan)


__all__ = ["Asked", "ReasonOption", "Scene", "ServiceArgument", "change", "day", "plan_text", "scene_of"]
