"""How a service's next plan comes about. Pure; a change that makes no sense is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from registry.errors import DeploymentRefused

from .event import Placed
from .fold import Deployed
from .steps import next_plan

FULL: Final = 1.0


def placed(
    before: Deployed, digest: str, *, canary: float | None = None, shadow: float | None = None
) -> list[Placed]:
    """The plan with `digest` live alone, or beside what is live.

    Args:
        before: the service as it is.
        digest: to be placed; it MUST NOT be live already.
        canary: its share of the requests, 0 to 1 exclusive; it takes the place of a canary that is there.
        shadow: the share of the requests that it is shown; it takes the place of a shadow that is there.

    Raises:
        DeploymentRefused: what is wrong.
    """
    if canary is not None and shadow is not None:
        raise DeploymentRefused("a package is a canary or a shadow, not both")
    live = _live(before)
    if canary is None and shadow is None:
        if live == digest and len(before.plan) == 1:
            raise DeploymentRefused(f"{digest} is live for {before.service} already, and alone")
        return [Placed(digest=digest)]
    if live is None:
        raise DeploymentRefused(f"nothing is live for {before.service} yet: deploy it live first")
    if live == digest:
        raise DeploymentRefused(f"{digest} is live for {before.service}")
    if canary is not None:
        if not 0 < canary < 1:
            raise DeploymentRefused("a canary's share is more than 0% and less than 100%")
        kept = [each for each in before.plan if each.slot == "shadow" and each.digest != digest]
        return [
            Placed(digest=live, weight=FULL - canary),
            Placed(digest=digest, slot="canary", weight=canary),
            *kept,
        ]
    assert shadow is not None
    answering = [each for each in before.plan if each.slot != "shadow"]
    if any(each.digest == digest for each in answering):
        raise DeploymentRefused(f"{digest} is a canary of {before.service}: it cannot be its shadow too")
    return [*answering, Placed(digest=digest, slot="shadow", weight=shadow)]


def promoted(before: Deployed) -> list[Placed]:
    """The plan with the canary live alone. Raises DeploymentRefused: there is none, or more than one."""
    canaries = [each.digest for each in before.plan if each.slot == "canary"]
    if len(canaries) != 1:
        raise DeploymentRefused(f"{before.service} has {len(canaries) or 'no'} canaries to promote")
    return [Placed(digest=canaries[0])]


def rolled_back(
    before: Deployed, admitted: Callable[[str], tuple[str, ...]], to: str | None = None
) -> list[Placed]:
    """The plan without what the service is to leave: a canary or shadow that is there, else the live package.

    With canaries, what is live stays and they go. Without, the newest digest that was live before, is admitted now
    and was never left by a rollback takes its place.

    Args:
        before: the service as it is.
        admitted: a digest → why it may not be live; empty: it may.
        to: the digest that is wanted, in place of the search; it MUST have been live before.

    Raises:
        DeploymentRefused: there is nothing to go back to, and why not each of them.
    """
    live = _live(before)
    if live is None:
        raise DeploymentRefused(f"{before.service} was never deployed")
    if to is None and len(before.plan) > 1:
        return [Placed(digest=live)]
    was = list(dict.fromkeys(each.content.live for each in reversed(before.counted)))
    was = [each for each in was if each != live]
    if to is not None and to not in was:
        raise DeploymentRefused(f"{to} was not live for {before.service} before: deploy it instead")
    left = left_behind(before)
    why = []
    for digest in was if to is None else [to]:
        reasons = admitted(digest)
        if not reasons and (to is not None or digest not in left):
            return [Placed(digest=digest)]
        why.append(f"{digest}: {'; '.join(reasons) or 'a rollback has left it'}")
    raise DeploymentRefused(
        f"there is nothing that {before.service} could go back to" + (f": {'; '.join(why)}" if why else "")
    )


def left_behind(before: Deployed) -> frozenset[str]:
    """Digests that were live when a rollback came that took them off, and were not deployed again since."""
    left: set[str] = set()
    live: str | None = None
    for each in before.counted:
        now = each.content.live
        if each.content.action == "rollback" and live is not None and live != now:
            left.add(live)
        left.discard(now)
        live = now
    return frozenset(left)


def stepped(before: Deployed) -> list[Placed]:
    """The plan after the next step of the rollout that is under way. Raises DeploymentRefused: there is none."""
    if before.rollout is None:
        raise DeploymentRefused(f"no rollout of {before.service} is under way")
    return next_plan(before.rollout, before.plan)


def _live(before: Deployed) -> str | None:
    return None if before.last is None else before.last.content.live


def kept(before: Deployed, *, paused: bool) -> list[Placed]:
    """The plan as it is, to pause or to resume. Raises DeploymentRefused: never deployed, or not `paused` as wanted."""
    if not before.plan:
        raise DeploymentRefused(f"{before.service} was never deployed")
    if before.paused != paused:
        raise DeploymentRefused(f"{before.service} is {'' if before.paused else 'not '}paused")
    return list(before.plan)
