"""Payloads of single records that were erased on request: signed statements in the governance log.

    predicate of payload-erasure/v1: {"format": 1, "records": [{"topic": hex, "partition": n, "offset": n,
        "record": id | null, "digest": hex, "external": bool}, …], "despite_minimum": bool, "reason": …,
        "actor": …, "at": s}
    subject: the digest of each payload

A statement is made before what it tells of is erased, and a crash in between leaves payloads that are told of and
there, which the next run erases. It has no personal data in it: records are named as their entries are, which stay; a
payload's digest covers its salt, and tells nothing of what it was. What `reason` says is the signer's affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from audit.erasure.told import Erased, Erasures, Item
from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.payload_word import Dated, believed, parsed, wrong
from registry.statement import PAYLOAD_ERASURE, Said, encode

ERASE_ROLE: Final = "erasure"
"""Who may erase payloads on request, in the root. Not the role `retention`: that deletes what the settings' own rule
says is over, this whatever it is given."""
_WHAT: Final = "payload erasure"
MOST: Final = 500
"""Records of one statement."""


class ErasedRecord(BaseModel):
    """One payload."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    topic: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    record: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}-(0|[1-9][0-9]{0,19})$")] | None
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    external: bool

    @classmethod
    def of(cls, item: Item) -> ErasedRecord:
        """As a statement has it."""
        return cls(
            topic=item.topic.hex(), partition=item.partition, offset=item.offset, record=item.record,
            digest=item.digest.hex(), external=item.external,
        )  # fmt: skip

    @property
    def item(self) -> Item:
        """As everybody else has it."""
        return Item(
            bytes.fromhex(self.topic),
            self.partition,
            self.offset,
            self.record,
            bytes.fromhex(self.digest),
            self.external,
        )


class _Document(Dated):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    records: list[ErasedRecord] = Field(min_length=1, max_length=MOST)
    despite_minimum: bool
    reason: str = Field(min_length=1, max_length=4000)
    actor: str = Field(min_length=1, max_length=200)
    at: float = Field(ge=0)


def encode_erasure(
    items: Sequence[Item], reason: str, actor: str, at: float, *, despite_minimum: bool = False
) -> bytes:
    """The statement's bytes, to be signed and appended (`registry.statement.append`) before anything is erased.

    Args:
        items: at most `MOST`.
        reason: why. It is kept for ever: no personal data.
        actor: who says so, for people; who it was is told by the key.
        at: seconds since 1970 UTC.
        despite_minimum: some may be younger than [retention] payload_min_days.

    Raises:
        FormatError: a part is not what it should be; says which.
    """
    try:
        content = _Document(
            records=[ErasedRecord.of(each) for each in items],
            despite_minimum=despite_minimum,
            reason=reason,
            actor=actor,
            at=at,
        )
    except ValidationError as error:
        raise wrong(_WHAT, error) from error
    return encode(_subjects(content), PAYLOAD_ERASURE, content.model_dump(mode="json"), "payload")


def fold_erasures(roots: Roots | None, said: Iterable[Said]) -> Erasures:
    """Digest of a payload → what was said of it first, by somebody who may.

    Whose word counts: `payload_word.believed`, with the role `erasure`.

    Args:
        roots: the chain that is believed; None: the settings name none.
        said: statements in the log's order; of other types they are passed over.
    """
    found: dict[bytes, Erased] = {}
    for each, person, content in believed(roots, said, PAYLOAD_ERASURE, ERASE_ROLE, parse_erasure):
        for record in content.records:
            item = record.item
            found.setdefault(item.digest, Erased(item, person, content.at, content.reason, each.offset))
    return MappingProxyType(found)


def parse_erasure(said: Said) -> _Document:
    """The predicate of a statement. Nothing is verified.

    Raises:
        FormatError: it is none; says which part.
    """
    content = parsed(said, _Document, _WHAT)
    if said.subjects != tuple(_subjects(content)):
        raise FormatError(f"{_WHAT}: the subjects are not its payloads")
    return content


def _subjects(content: _Document) -> list[str]:
    return [f"sha256:{each.digest}" for each in content.records]
