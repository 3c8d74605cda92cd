"""A decision becomes a signed event of the governance log, which says whether it counts.

The event names the service's event before it. So of two controllers that decide at once the log lets one count; and
whoever does not know whether its event landed (a crash, a lost answer) reads the log and decides again: where it
landed, the digest does not answer any more; where it lands later, it follows an event that is not the newest, and
counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from audit.governance import Governance
from monitoring.burns import Burns
from monitoring.figures import Alarm
from registry.approvals.root import Roots
from registry.deployment import CONTROLLER_ROLE, DEPLOY_ROLE, Deployed, Deployment, encode_deployment
from registry.statement import append

from .base import Decision, Ground, Shown
from .said import Because, BecauseSlo, Retraining, encode_retraining

TIMEOUT: Final = 10.0
"""Seconds that the log may take to acknowledge."""
_LONGEST: Final = 4000
"""Of an event's reason."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of an event. `why`: it changes nothing, because; None: it counts. `offset` None: it is not there."""

    offset: int | None
    why: str | None


class Append(Protocol):
    """Signs statements and appends them."""

    def __call__(self, bodies: list[bytes]) -> None:
        """MUST NOT return before all of them are in the log.

        Raises:
            LogUnavailable: any number of them may be there.
            KeyRefused: the key does not sign; nothing was appended.
        """
        ...


def appender(governance: Governance) -> Append:
    """The usual one: each statement signed by the governance's signer."""

    def into_the_log(bodies: list[bytes]) -> None:
        append(governance, bodies, TIMEOUT)

    return into_the_log


def person_of(roots: Roots, key: str, end: int) -> str | None:
    """Whose events with that key would count as a controller's at the log's end; None: nobody's."""
    root = roots.now
    return root.person(key, CONTROLLER_ROLE, end) or root.person(key, DEPLOY_ROLE, end)


def event_of(
    decision: Decision, alarm: Alarm, shown: Shown, ground: Ground, actor: str, now: float
) -> Deployment:
    """The event of a decision `roll_back`; `now` MUST be what the decision was made with."""
    assert ground.policy is not None
    assert decision.to is not None
    evidence = shown.evidence
    given: dict[str, Any] = {
        "alert": alarm.model_copy(update={"annotations": {}}), "ranges": evidence.ranges,
        "begun": shown.begun, "ended": shown.ended, "newest": shown.newest, "behind": shown.behind,
        "policy": ground.policy.digest, "governance_end": ground.end,
        "digest": decision.digest, "slot": alarm.slot, "to": decision.to, "reason": decision.why,
    }  # fmt: skip
    because = (
        BecauseSlo(evidence=evidence, **given)
        if isinstance(evidence, Burns)
        else Because(evidence=evidence, **given)
    )
    return Deployment(
        service=decision.service,
        action="rollback",
        plan=list(decision.plan),
        after=decision.after,
        reason=decision.why[:_LONGEST],
        actor=actor,
        at=now,
        evidence=because.model_dump(mode="json"),
    )


def act(event: Deployment, append: Append, read: Callable[[], Deployed]) -> Acted:
    """Append the event and see what came of it.

    Args:
        event: to be signed.
        append: signs and appends.
        read: the service as the log leaves it, read again.

    Raises:
        LogUnavailable: nobody knows whether it is in the log: read it and decide again.
        KeyRefused: the key does not sign; nothing was appended.
    """
    append([encode_deployment(event)])
    return came_of(event, read())


def came_of(event: Deployment, deployed: Deployed) -> Acted:
    """What became of an event that was appended."""
    for each in reversed(deployed.events):
        if each.content == event:
            return Acted(each.offset, each.void)
    return Acted(None, "nobody of the root has its key")


def retraining_of(
    alarm: Alarm, digest: str, columns: tuple[str, ...], shown: Shown, actor: str, now: float
) -> tuple[bytes, Mapping[str, Any]]:
    """The statement that a package is to be trained anew, and the webhook's message. `shown` MUST be of drift."""
    assert not isinstance(shown.evidence, Burns)
    said = Retraining(
        service=alarm.service,
        slot=alarm.slot,
        columns=columns,
        evidence=shown.evidence,
        policy=shown.evidence.policy,
        reason=f"{digest} as {alarm.slot}: {', '.join(columns)} drifted",
        actor=actor,
        at=now,
    )
    message = {
        "event": "retraining wanted",
        "service": alarm.service,
        "digest": digest,
        "slot": alarm.slot,
        "columns": list(columns),
        "text": said.reason,
        "at": now,
    }
    return encode_retraining(digest, said), message
