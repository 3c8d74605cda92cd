"""What is deployed now, and what an event would be worth, read from the governance log. For people who deploy."""

from __future__ import annotations

import math
from collections.abc import Iterable

from registry.admission import InForce
from registry.approvals.root import Roots
from registry.approvals.slots import as_live
from registry.statement import Said

from .event import CONTROLLER_ROLE, DEPLOY_ROLE, Placed
from .fold import Deployed, fold_deployments


def deployed_of(roots: Roots, said: Iterable[Said], service: str) -> Deployed:
    """A service as the log leaves it; one that was never deployed has no events."""
    return fold_deployments(roots, said).get(service) or Deployed(service, ())


def may_deploy(roots: Roots, key: str, end: int, *, rollback: bool) -> str | None:
    """The person whose event with that key would count at the log's end; None: nobody's would.

    `rollback`: controllers may do that, too.
    """
    roles = (DEPLOY_ROLE, CONTROLLER_ROLE) if rollback else (DEPLOY_ROLE,)
    return next((person for role in roles if (person := roots.now.person(key, role, end)) is not None), None)


def too_much(policy: InForce | None, service: str, plan: Iterable[Placed]) -> str | None:
    """Why the canaries of the plan have more, all together, than the policy lets a canary have; None: they have not.

    Many small ones would answer as much as a large one: `maximum_weight` is the share of requests that may come to
    something that is not approved for live.
    """
    section = policy.policy.services.get(service) if policy is not None else None
    if section is None or section.canary is None:
        return None
    most = section.canary.maximum_weight
    canaries = [each for each in plan if each.slot == "canary"]
    share = math.fsum(each.weight for each in canaries)
    if share <= most * (1 + 1e-9):
        return None
    names = ", ".join(each.digest for each in canaries)
    together = " together" if len(canaries) > 1 else ""
    return f"{names} would answer {share:.1%} of the requests{together}, and the policy allows a canary {most:.1%}"


def unmoved(policy: InForce | None, service: str) -> str | None:
    """Why nobody takes the steps of the service's rollouts, and what to write into its policy; None: they are taken."""
    section = policy.policy.services.get(service) if policy is not None else None
    if section is not None and section.canary is not None and section.canary.rollout is not None:
        return None
    if section is None:
        return f"no policy of {service} is in force: a controller does not know by what it would compare the canary"
    # With what live wants written out: without it a canary would need no gate and nobody's signature.
    wanted = (
        "`rollout: {}`"
        if section.canary is not None
        else f"`canary: {{maximum_weight: SHARE, {as_live(section)}, rollout: {{}}}}`"
    )
    under = f"services.{service}.canary" if section.canary is not None else f"services.{service}"
    return (
        f"the policy has no canary.rollout, so no step would ever be taken: write {wanted} under {under} "
        "(`affiant policy propose`), or move the share yourself, without --then and --step"
    )


def halted(policy: InForce | None, deployed: Deployed) -> str | None:
    """Why a rollout stands still until somebody does something; None: it does not, or no step is to come.

    What a controller waits for (requests, the monitor, the time of the next step) is in its own log.
    """
    if deployed.rollout is None:
        return None
    if deployed.paused:
        return f"{deployed.service} is paused: `affiant resume {deployed.service}`"
    return unmoved(policy, deployed.service)
