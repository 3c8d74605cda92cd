"""What is deployed now, and what an event would be worth, read from the governance log. For people who deploy."""

from __future__ import annotations

from collections.abc import Iterable

from registry.admission import InForce
from registry.approvals.root import Roots
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
    """Why a canary of the plan has more than the policy lets it have; None: none has."""
    section = policy.policy.services.get(service) if policy is not None else None
    if section is None or section.canary is None:
        return None
    most = section.canary.maximum_weight
    for each in plan:
        if each.slot == "canary" and each.weight > most * (1 + 1e-9):
            return (
                f"{each.digest} would answer {each.weight:.1%} of the requests, and the policy allows a canary "
                f"{most:.1%}"
            )
    return None
