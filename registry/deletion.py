"""Payloads that were deleted because their time was over: signed statements in the governance log.

    predicate of payload-deletion/v1: {"format": 1, "files": [{"name": …, "sha256": hex | null, "external": n}, …],
        "older_than_days": n, "reason": …, "actor": …, "at": s}
    subject: the SHA-256 of each file, and of the name of one that there was not

A statement is made before what it tells of is deleted: what is gone is told, and a crash in between leaves payloads
that the next run tells of once more, and deletes. `external` counts payloads of the range that were in the object store
of large ones; `sha256` is null where all of them were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from audit.archive.names import Part, parse_name
from audit.proof.errors import FormatError
from audit.retention.plan import Told
from registry.approvals.root import Roots
from registry.payload_word import Dated, believed, parsed, wrong
from registry.statement import PAYLOAD_DELETION, Said, encode

DELETE_ROLE: Final = "retention"
"""Who may delete payloads whose time is over, in the root."""
_WHAT: Final = "payload deletion"
MOST: Final = 500
"""Files of one statement."""


class DeletedFile(BaseModel):
    """One range of the archive."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: Annotated[str, StringConstraints(max_length=256)]
    """Of its payload file, also where there was none."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    external: int = Field(ge=0)


class _Document(Dated):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    files: list[DeletedFile] = Field(min_length=1, max_length=MOST)
    older_than_days: int = Field(ge=0)
    reason: str = Field(min_length=1, max_length=4000)
    actor: str = Field(min_length=1, max_length=200)
    at: float = Field(ge=0)


def encode_deletion(
    files: Sequence[DeletedFile], older_than_days: int, reason: str, actor: str, at: float
) -> bytes:
    """The statement's bytes, to be signed and appended (`registry.statement.append`) before anything is deleted.

    Args:
        files: at most `MOST`.
        older_than_days: every record of them is older, by the log's time.
        reason: why that is their time.
        actor: who says so, for people; who it was is told by the key.
        at: seconds since 1970 UTC.

    Raises:
        FormatError: a part is not what it should be; says which.
    """
    try:
        content = _Document(
            files=list(files), older_than_days=older_than_days, reason=reason, actor=actor, at=at
        )
    except ValidationError as error:
        raise wrong(_WHAT, error) from error
    _check_names(content)
    return encode(_subjects(content), PAYLOAD_DELETION, content.model_dump(mode="json"), "payloads")


def fold_deletions(roots: Roots | None, said: Iterable[Said]) -> Mapping[str, Told]:
    """Name of a payload file → what was said of it first, by somebody who may.

    Whose word counts: `payload_word.believed`, with the role `retention`.

    Args:
        roots: the chain that is believed; None: the settings name none.
        said: statements in the log's order; of other types they are passed over.
    """
    found: dict[str, Told] = {}
    for _, person, content in believed(roots, said, PAYLOAD_DELETION, DELETE_ROLE, parse_deletion):
        for file in content.files:
            found.setdefault(file.name, Told(person, content.at, file.sha256 is not None))
    return MappingProxyType(found)


def parse_deletion(said: Said) -> _Document:
    """The predicate of a statement. Nothing is verified.

    Raises:
        FormatError: it is none; says which part.
    """
    content = parsed(said, _Document, _WHAT)
    _check_names(content)
    if said.subjects != tuple(_subjects(content)):
        raise FormatError(f"{_WHAT}: the subjects are not its files")
    return content


def _check_names(content: _Document) -> None:
    for each in content.files:
        file = parse_name(each.name)
        if file is None or file.part is not Part.PAYLOADS:
            raise FormatError(f"{_WHAT}: {each.name!r} is not the name of a payload file")


def _subjects(content: _Document) -> list[str]:
    return [f"sha256:{each.sha256 or sha256(each.name.encode()).hexdigest()}" for each in content.files]
