"""The manifest of attached cards, in one byte form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from registry.errors import DigestMismatch, NotFound, PackageError
from registry.manifest import (
    CREATED,
    EMPTY,
    EMPTY_DIGEST,
    EMPTY_TYPE,
    MANIFEST_TYPE,
    MAX_MANIFEST,
    TITLE,
    Config,
    DigestText,
    LayerAnnotations,
    canonical_json,
    digest_of,
    load_json,
)
from registry.package import Package

ARTIFACT: Final = "application/vnd.affiant.cards.v1"
FACTS: Final = "org.affiant.cards.facts"
MAX_FILE: Final = 16 << 20
MAX_FILES: Final = 32
_TYPES: Final = {
    "md": "text/markdown",
    "html": "text/html",
    "json": "application/json",
    "yaml": "application/yaml",
}
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Layer(_Part):
    media_type: Annotated[str, Field(alias="mediaType", max_length=128)]
    digest: DigestText
    size: Annotated[int, Field(ge=1, le=MAX_FILE)]
    annotations: LayerAnnotations


class _Subject(_Part):
    media_type: Annotated[Literal["application/vnd.oci.image.manifest.v1+json"], Field(alias="mediaType")]
    digest: DigestText
    size: Annotated[int, Field(ge=1, le=MAX_MANIFEST)]


class _Annotations(_Part):
    created: Annotated[str, Field(alias=CREATED, max_length=40)]
    facts: Annotated[DigestText, Field(alias=FACTS)]


class _Manifest(_Part):
    schema_version: Annotated[Literal[2], Field(alias="schemaVersion")]
    media_type: Annotated[Literal["application/vnd.oci.image.manifest.v1+json"], Field(alias="mediaType")]
    artifact_type: Annotated[Literal["application/vnd.affiant.cards.v1"], Field(alias="artifactType")]
    config: Config
    layers: Annotated[tuple[_Layer, ...], Field(min_length=1, max_length=MAX_FILES)]
    subject: _Subject
    annotations: _Annotations


@dataclass(frozen=True, slots=True)
class Attached:
    """Cards that are kept."""

    digest: str
    package: str
    made: float
    """Seconds since 1970 UTC, by the clock of who made them."""
    facts: str
    """Digest of the facts."""
    files: Mapping[str, tuple[str, int]]
    """Name → digest and bytes."""

    def file(self, name: str) -> tuple[str, int]:
        """Digest and bytes of a file. Raises NotFound."""
        try:
            return self.files[name]
        except KeyError:
            raise NotFound(f"{self.digest} has no file {name}") from None


@dataclass(frozen=True, slots=True)
class Attachment:
    """Cards to be kept."""

    package: Package
    facts: str
    made: float
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def manifest(self) -> bytes:
        """The artifact's manifest."""
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "artifactType": ARTIFACT,
                "config": {"mediaType": EMPTY_TYPE, "digest": EMPTY_DIGEST, "size": len(EMPTY)},
                "layers": [
                    {
                        "mediaType": _TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
                        "digest": digest_of(content),
                        "size": len(content),
                        "annotations": {TITLE: name},
                    }
                    for name, content in sorted(self.files.items())
                ],
                "subject": {
                    "mediaType": MANIFEST_TYPE,
                    "digest": self.package.digest,
                    "size": len(self.package.manifest),
                },
                "annotations": {
                    CREATED: datetime.fromtimestamp(self.made, UTC).strftime(_TIME),
                    FACTS: self.facts,
                },
            }
        )


def parse_attached(raw: bytes, digest: str) -> Attached:
    """The manifest of attached cards, held to its digest and its one byte form.

    Raises:
        DigestMismatch: these are not its bytes.
        PackageError: another form.
    """
    if digest_of(raw) != digest:
        raise DigestMismatch(f"cards {digest}: its bytes have {digest_of(raw)}")
    value = load_json(raw, f"cards {digest}")
    try:
        found = _Manifest.model_validate_json(raw)
        made = datetime.strptime(found.annotations.created, _TIME).replace(tzinfo=UTC).timestamp()
    except ValidationError as error:
        raise PackageError(f"cards {digest}: {first_problem(error)}") from error
    except ValueError as error:
        raise PackageError(f"cards {digest}: its time is none") from error
    files = {layer.annotations.title: (layer.digest, layer.size) for layer in found.layers}
    if canonical_json(value) != raw or len(files) != len(found.layers) or list(files) != sorted(files):
        raise PackageError(f"cards {digest}: not in their one byte form")
    return Attached(digest, found.subject.digest, made, found.annotations.facts, files)


def check_file(attached: Attached, name: str, content: bytes) -> bytes:
    """The content, when it is the file's. Raises DigestMismatch."""
    digest, size = attached.file(name)
    if len(content) != size or digest_of(content) != digest:
        raise DigestMismatch(f"cards {attached.digest}: {name} is not what their manifest names")
    return content


def newest_first(found: list[Attached]) -> list[Attached]:
    """In the order of their times; of one time, by digest."""
    return sorted(found, key=lambda each: (each.made, each.digest), reverse=True)
