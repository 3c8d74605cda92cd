"""What a controller signs, besides the plan: why it rolled back, and that a package is to be trained anew.

`Because` is the evidence of a deployment/v1 with the action rollback; `Retraining` the predicate of a retraining/v1,
whose subject is the digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from monitoring.burns import Burns
from monitoring.figures import Alarm, Digest, Evidence, Finite, Range, Slot
from registry.approvals.root import Roots
from registry.deployment import CONTROLLER_ROLE, Event
from registry.statement import RETRAINING, Said, encode


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Because(_Form):
    alert: Alarm
    """As it came, without its annotations. Nothing of it was believed."""
    ranges: tuple[Range, ...]
    """The exact offsets that it is of."""
    begun: Finite
    ended: Finite
    newest: Finite
    behind: Annotated[int, Field(ge=0)]
    """See `Shown`: what the record log's clock said."""
    policy: Digest
    governance_end: Annotated[int, Field(ge=0)]
    """Entries of the governance log that the decision was made of."""
    digest: Digest
    """What is left."""
    slot: Slot
    to: Digest
    """What is live then."""
    reason: str


class Because(_Because):
    """Why a controller rolled back: enough to decide again, years later."""

    kind: Literal["drift"] = "drift"
    """Other controllers' evidence, such as a rollout's, has other forms."""
    evidence: Evidence
    """Computed by the controller, from the log."""


class BecauseSlo(_Because):
    """The same, for the cause `slo`."""

    kind: Literal["slo"] = "slo"
    evidence: Burns


Why = Because | BecauseSlo
_WHY: Final[TypeAdapter[Why]] = TypeAdapter(Annotated[Why, Field(discriminator="kind")])
KINDS: Final = ("drift", "slo")
"""Of evidence that decides again."""


class Retraining(_Form):
    """A package is to be trained anew."""

    format: Literal[1] = 1
    service: str
    slot: Slot
    columns: tuple[str, ...]
    """Those that page, sorted: features, and `score:…`."""
    evidence: Evidence
    policy: Digest
    reason: str
    actor: str
    at: Finite


def because_of(event: Event) -> Why | None:
    """Why a controller rolled back; None: the event has no evidence of this form."""
    given = event.content.evidence
    if event.content.action != "rollback" or given is None or given.get("kind") not in KINDS:
        return None
    try:
        return _WHY.validate_json(json.dumps(given))
    except ValidationError:
        return None


def parse_because(given: dict[str, Any]) -> Why:
    """The same, of evidence that is to be looked at.

    Raises:
        FormatError: it is none; says where.
    """
    try:
        return _WHY.validate_json(json.dumps(given))
    except ValidationError as error:
        raise FormatError(f"evidence: {first_problem(error)}") from error


def encode_retraining(digest: str, said: Retraining) -> bytes:
    """The statement's bytes, to be signed and appended."""
    return encode(digest, RETRAINING, said.model_dump(mode="json"), said.service)


def asked_for(roots: Roots, said: Iterable[Said], service: str, digest: str) -> frozenset[str]:
    """The columns for which a package's retraining was asked for already, by controllers of the root.

    Args:
        roots: the chain that is believed.
        said: statements, `holds` decided.
        service: its name.
        digest: `sha256:…`.
    """
    found: set[str] = set()
    for each in said:
        if each.type != RETRAINING or not each.holds or digest not in each.subjects:
            continue
        if roots.at(each.offset).person(each.author, CONTROLLER_ROLE, each.offset) is None:
            continue
        try:
            content = Retraining.model_validate_json(json.dumps(each.predicate))
        except ValidationError:
            continue
        if content.service == service:
            found.update(content.columns)
    return frozenset(found)
