"""One deployment event, as it is signed.

    predicate of deployment/v1: {"format": 1, "service": …,
        "action": deploy | promote | rollback | pause | resume | step,
        "plan": [{"digest": "sha256:…", "slot": live | canary | shadow, "weight": share}, …],
        "after": offset | null, "reason": …, "actor": …, "at": s, "evidence": {…} | null,
        "steps": {"shares": [share, …], "seconds": s}}                                        steps: of a deploy alone
    subjects: every digest of the plan

The plan is the whole of it: what is not in the newest event does not answer. `after` is the offset of the service's
event before this one. Two people, or two controllers, who decide at once therefore write two events of which the log
lets one count; and an event that somebody kept back and appends later counts for nothing.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from registry.statement import DEPLOYMENT, Said, encode

DEPLOY_ROLE: Final = "deploy"
"""Who may deploy, in the root. The packages must be admitted all the same."""
CONTROLLER_ROLE: Final = "controller"
"""Machines that may roll back to what was live, and take the steps that a deployment names; not while a service is
paused."""

Action = Literal["deploy", "promote", "rollback", "pause", "resume", "step"]
_MOST: Final = 16
_ROUNDING: Final = 1e-9


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Placed(_Document):
    """A package in a slot."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    slot: Literal["live", "canary", "shadow"] = "live"
    weight: float = Field(default=1.0, gt=0, le=1)
    """live, canary: share of the requests that it answers. shadow: share of them that it is shown."""


class Steps(_Document):
    """How a canary's share moves on by itself, while its comparison with live holds."""

    shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1, max_length=_MOST)]
    """The shares after the first, ascending; 1: it becomes live, alone."""
    seconds: Annotated[float, Field(ge=1, le=31_622_400, allow_inf_nan=False)]
    """Between two moves, at least."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(before >= after for before, after in pairwise(self.shares)):
            raise ValueError("the shares of the steps do not ascend")
        return self


class Deployment(_Document):
    """The predicate."""

    format: Literal[1] = 1
    service: str = Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$")
    action: Action
    plan: Annotated[list[Placed], Field(min_length=1, max_length=_MOST)]
    after: int | None = Field(default=None, ge=0)
    """Offset of the service's event before this one; None: it is the first."""
    reason: str = Field(min_length=1, max_length=4000)
    actor: str = Field(min_length=1, max_length=200)
    """Who says so, for people. Who it was is told by the key and the root."""
    at: float = Field(ge=0)
    """Seconds since 1970 UTC, by the signer's clock."""
    evidence: dict[str, Any] | None = None
    """Of a controller's event: the alert, the figures, the offset ranges."""
    steps: Steps | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of a deployment with one canary. Absent: its share moves when somebody says so."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_plan(self.plan)
        if self.steps is not None:
            canaries = [each.weight for each in self.plan if each.slot == "canary"]
            if self.action != "deploy" or len(canaries) != 1 or self.steps.shares[0] <= canaries[0]:
                raise ValueError("steps go with the deployment of one canary, and begin above its share")
        if not math.isfinite(self.at):
            raise ValueError("at is no time")
        return self

    @property
    def live(self) -> str:
        """The digest that is live."""
        return next(each.digest for each in self.plan if each.slot == "live")


def check_plan(plan: list[Placed]) -> None:
    """Whether a plan can be served.

    Raises:
        ValueError: not exactly one live package, a digest twice, or shares that do not add up to 1.
    """
    if sum(each.slot == "live" for each in plan) != 1:
        raise ValueError("the plan needs exactly one live package")
    if len({each.digest for each in plan}) != len(plan):
        raise ValueError("the plan names a digest twice")
    total = math.fsum(each.weight for each in plan if each.slot != "shadow")
    if abs(total - 1) > _ROUNDING:
        raise ValueError(f"the shares of live and canaries add up to {total:g}, not 1")


def encode_deployment(event: Deployment) -> bytes:
    """The statement's bytes, to be signed and appended (`registry.statement.append`).

    Raises:
        FormatError: the evidence is not JSON.
    """
    digests = [each.digest for each in event.plan]
    return encode(digests, DEPLOYMENT, event.model_dump(mode="json"), event.service)


def parse_deployment(said: Said) -> Deployment:
    """The event of a statement. Nothing is verified.

    Raises:
        FormatError: it is none; the message says which part.
    """
    try:
        event = Deployment.model_validate_json(json.dumps(said.predicate))
    except ValidationError as error:
        raise FormatError(f"deployment: {first_problem(error)}") from error
    if sorted(said.subjects) != sorted(each.digest for each in event.plan):
        raise FormatError("deployment: the subjects are not the digests of the plan")
    return event
