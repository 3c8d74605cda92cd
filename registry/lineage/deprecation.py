"""Data that is not to be trained on any more: signed statements in the governance log.

    predicate of data-deprecation/v1: {"format": 1, "version": "sha256:…" | "md5:…", "deprecated": true | false,
        "reason": …, "actor": …, "at": s}
    subject: the version itself when it is a SHA-256, else the SHA-256 of the version's text

The newest statement of a version counts; false takes a deprecation back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.statement import DATA_DEPRECATION, Said, encode, once

from .versions import data_of, parse_version

DATA_ROLE: Final = "data"
"""Who may deprecate data, in the root."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    version: str
    deprecated: bool
    reason: str = Field(min_length=1, max_length=4000)
    actor: str = Field(min_length=1, max_length=200)
    at: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What was said last of a version."""

    version: str
    deprecated: bool
    reason: str
    person: str
    """Whose key signed it, by the root."""
    at: float
    """Seconds since 1970 UTC, by the signer's clock."""
    offset: int
    """Of the governance log."""


def encode_deprecation(version: str, reason: str, actor: str, at: float, *, deprecated: bool = True) -> bytes:
    """The statement's bytes, to be signed and appended (`registry.statement.append`).

    Args:
        version: as `parse_version` gives it.
        reason: for those whose deployment is refused.
        actor: who says so, for people; who it was is told by the key.
        at: seconds since 1970 UTC.
        deprecated: False takes a deprecation back.

    Raises:
        FormatError: a part is not what it should be; says which.
    """
    try:
        content = _Document(
            version=parse_version(version), deprecated=deprecated, reason=reason, actor=actor, at=at
        )
    except ValidationError as error:
        raise _wrong(error) from error
    return encode(_subject(content.version), DATA_DEPRECATION, content.model_dump(mode="json"), version)


def deprecated(roots: Roots, said: Iterable[Said]) -> Mapping[str, str]:
    """Version → reason, of the versions that are deprecated now; see `fold_deprecations`."""
    found = fold_deprecations(roots, said)
    return MappingProxyType({name: each.reason for name, each in found.items() if each.deprecated})


def deprecated_in(lineage: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, ...]:
    """What of a package's data is deprecated, a sentence for each; empty when nothing is.

    Args:
        lineage: its lineage.json.
        known: version → reason, as `deprecated` gives it.
    """
    found = ((use, name) for use in data_of(lineage) for name in use.versions if name in known)
    return tuple(
        f"it was made of {use.name!r} ({name}), which is deprecated: {known[name]}" for use, name in found
    )


def fold_deprecations(roots: Roots, said: Iterable[Said]) -> Mapping[str, Deprecation]:
    """Version → what was said of it last, by somebody who may.

    A statement counts when a key that had the role `data` at that place of the log has signed it, and when it was not
    kept back. It stays in force when who signed it has left. One that is appended again is as old as it was.

    Args:
        roots: the chain that is believed.
        said: statements in the log's order, `holds` decided by the roots' keys; of other types they are passed over.
    """
    found: dict[str, Deprecation] = {}
    for each in once(one for one in said if one.type == DATA_DEPRECATION and one.holds):
        person = roots.at(each.offset).person(each.author, DATA_ROLE, each.offset)
        try:
            content = parse_deprecation(each)
        except FormatError:
            continue  # its signer may be anybody who ever had a key
        if person is None or each.kept_back(content.at):
            continue
        found[content.version] = Deprecation(
            content.version, content.deprecated, content.reason, person, content.at, each.offset
        )
    return MappingProxyType(found)


def parse_deprecation(said: Said) -> _Document:
    """The predicate of a statement. Nothing is verified.

    Raises:
        FormatError: it is none; says which part.
    """
    try:
        content = _Document.model_validate(said.predicate)
    except ValidationError as error:
        raise _wrong(error) from error
    if parse_version(content.version) != content.version or said.subjects != (_subject(content.version),):
        raise FormatError("data deprecation: the subject is not that of its version")
    if not math.isfinite(content.at):
        raise FormatError("data deprecation: at is no time")
    return content


def _subject(version: str) -> str:
    if version.startswith("sha256:"):
        return version
    return f"sha256:{sha256(version.encode()).hexdigest()}"


def _wrong(error: ValidationError) -> FormatError:
    return FormatError(f"data deprecation: {first_problem(error)}")
