"""What a model is: an OCI artifact whose name is the SHA-256 of its manifest (docs/model-package.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from audit.invalid import first_problem

from . import golden as golden_format
from . import reference as reference_format
from .errors import DigestMismatch, PackageError
from .formats import check_model
from .golden import Golden
from .manifest import (
    EMPTY,
    EMPTY_DIGEST,
    MODELS,
    PARTS,
    Manifest,
    ModelType,
    digest_of,
    load_json,
    read_manifest,
    write_manifest,
)
from .reference import Reference
from .signature import Signature, schema_hash

__all__ = ["Package", "PackageContent", "build", "digest_of", "verify"]

LINEAGE_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class PackageContent:
    """The files of a package, as bytes; `build` puts them together."""

    model: bytes
    model_type: ModelType
    signature_json: bytes
    reference: bytes
    golden: bytes
    lineage_json: bytes
    card: bytes


@dataclass(frozen=True)
class Package:
    """A manifest and its blobs. Nothing here is checked before `verify`; the parts are parsed when first
    asked for.

    `blobs` maps each layer's digest to its bytes (the empty config is understood, not held).
    """

    manifest: bytes
    blobs: Mapping[str, bytes] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """sha256:… of the manifest: the package's name."""
        return digest_of(self.manifest)

    @cached_property
    def parsed(self) -> Manifest:
        """The manifest. Raises PackageError."""
        return read_manifest(self.manifest)

    def part(self, role: str) -> bytes:
        """The bytes of a part: model, signature, reference, golden, lineage, card. Raises PackageError."""
        layer = self.parsed.roles[role]
        try:
            return self.blobs[layer.digest]
        except KeyError:
            raise PackageError(f"{layer.annotations.title}: the blob {layer.digest} is missing") from None

    @property
    def model(self) -> bytes:
        """The model file."""
        return self.part("model")

    @property
    def model_type(self) -> ModelType:
        """What kind of file `model` is."""
        return self.parsed.model_type

    @property
    def name(self) -> str:
        """The model's name, from the manifest."""
        return self.parsed.annotations.name

    @property
    def created(self) -> str:
        """When it was published: RFC 3339, UTC."""
        return self.parsed.annotations.created

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.size for layer in self.parsed.layers)

    @cached_property
    def signature(self) -> Signature:
        """signature.json. Raises PackageError."""
        data = self.part("signature")
        load_json(data, "signature.json")
        try:
            return Signature.model_validate_json(data)
        except ValidationError as error:
            raise PackageError(f"signature.json: {first_problem(error)}") from error

    @cached_property
    def schema_hash(self) -> bytes:
        """SHA-256 of signature.json's bytes."""
        return schema_hash(self.part("signature"))

    @cached_property
    def golden(self) -> Golden:
        """golden.cbor. Raises PackageError."""
        return golden_format.decode(self.part("golden"))

    @cached_property
    def reference(self) -> Reference:
        """reference.cbor. Raises PackageError."""
        return reference_format.decode(self.part("reference"))

    @cached_property
    def lineage(self) -> Mapping[str, Any]:
        """lineage.json. Raises PackageError."""
        content = load_json(self.part("lineage"), "lineage.json")
        if not isinstance(content, dict) or content.get("format") != LINEAGE_FORMAT:
            raise PackageError(f"lineage.json: not an object with format {LINEAGE_FORMAT}")
        return MappingProxyType(content)

    @cached_property
    def card(self) -> str:
        """card.md. Raises PackageError."""
        try:
            return self.part("card").decode()
        except UnicodeDecodeError as error:
            raise PackageError("card.md: not UTF-8") from error


def build(content: PackageContent) -> Package:
    """Make a package; the same content gives the same digest.

    Raises:
        PackageError: a part is not what its format says, or two parts contradict each other.
    """
    blobs = (
        content.model,
        content.signature_json,
        content.reference,
        content.golden,
        content.lineage_json,
        content.card,
    )
    for role, blob in zip((MODELS[content.model_type], *PARTS), blobs, strict=True):
        if not 1 <= len(blob) <= role.max_bytes:
            raise PackageError(f"{role.title}: {len(blob)} bytes; 1 to {role.max_bytes} are allowed")
    by_digest = MappingProxyType({digest_of(blob): blob for blob in blobs})
    # The name and the time stand in two blobs; the manifest repeats them for listings.
    draft = Package(write_manifest(content.model_type, blobs, "draft", "draft"), by_digest)
    name, created = draft.signature.name, draft.lineage.get("created")
    if not isinstance(created, str):
        raise PackageError("lineage.json: created is not text")
    package = Package(write_manifest(content.model_type, blobs, name, created), by_digest)
    verify(package)
    return package


def verify(package: Package, digest: str | None = None) -> None:
    """Check every byte: the manifest's form (and digest, when given), each blob's length and digest, each
    part's format.

    MUST be called before any byte of a model is given to a runtime.

    Raises:
        DigestMismatch: says which blob.
        PackageError: says which part and why.
    """
    manifest = read_manifest(package.manifest, digest)
    wanted = {layer.digest for layer in manifest.layers}
    for role, layer in manifest.roles.items():
        blob = package.part(role)
        if len(blob) != layer.size:
            raise DigestMismatch(
                f"{layer.annotations.title}: {len(blob)} bytes, the manifest says {layer.size}"
            )
        if digest_of(blob) != layer.digest:
            raise DigestMismatch(
                f"{layer.annotations.title}: its bytes have {digest_of(blob)}, not {layer.digest}"
            )
    surplus = {key for key, blob in package.blobs.items() if (key, blob) != (EMPTY_DIGEST, EMPTY)} - wanted
    if surplus:
        raise PackageError(f"a blob is there that the manifest does not name: {min(surplus)}")
    check_model(package.model, manifest.model_type)
    _check_agreement(package, manifest)


def _check_agreement(package: Package, manifest: Manifest) -> None:
    """The parts speak of one model."""
    signature, golden, reference = package.signature, package.golden, package.reference
    if manifest.annotations.name != signature.name:
        raise PackageError("manifest: its model name is not the signature's")
    if manifest.annotations.created != package.lineage.get("created"):
        raise PackageError("manifest: its time is not the lineage's")
    if golden.rows.shape[1] != signature.width or golden.expected.shape[1] != signature.outputs:
        raise PackageError("golden.cbor: its columns are not the signature's")
    if tuple(column.name for column in reference.features) != tuple(part.name for part in signature.features):
        raise PackageError("reference.cbor: its features are not the signature's")
    for column, feature in zip(reference.features, signature.features, strict=True):
        categories = len(feature.categories) if column.kind == "category" else 0
        if categories != len(feature.categories) or (categories and categories != len(column.counts)):
            raise PackageError(f"reference.cbor: {column.name!r} does not have the signature's categories")
    if len(reference.scores) != signature.outputs:
        raise PackageError("reference.cbor: its scores are not the signature's outputs")
    assert package.card is not None
