"""The manifest of a kept signature: a Sigstore bundle as an OCI artifact whose subject is the package.

The form in which cosign 3 attaches bundles, so that others' tools find it among the package's referrers:

{"schemaVersion": 2, "mediaType": image manifest, "artifactType": BUNDLE_TYPE, "config": the empty one,
 "layers": [the bundle], "subject": the package's manifest,
 "annotations": {CONTENT: "dsse-envelope", KIND: PREDICATE}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from registry.errors import NotFound, PackageError, SignatureRefused, StoreDamaged
from registry.manifest import (
    EMPTY,
    EMPTY_DIGEST,
    EMPTY_TYPE,
    MANIFEST_TYPE,
    DigestText,
    canonical_json,
    digest_of,
    is_digest,
    load_json,
)
from registry.package import Package
from registry.signing.bundle import BUNDLE_TYPE, MAX_SIGNATURE, PREDICATE

from .base import Kept

CONTENT: Final = "dev.sigstore.bundle.content"
KIND: Final = "dev.sigstore.bundle.predicateType"
OF: Final = "org.affiant.signature.of"
"""In an index alone: of which package it is, so that others need not be read for it."""


class _Part(BaseModel):
    """Others write these manifests too, with keys of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Layer(_Part):
    digest: DigestText
    size: Annotated[int, Field(ge=1)]


class _Subject(_Part):
    digest: DigestText


class _Manifest(_Part):
    artifact_type: Annotated[
        Literal["application/vnd.dev.sigstore.bundle.v0.3+json"], Field(alias="artifactType")
    ]
    layers: Annotated[tuple[_Layer, ...], Field(min_length=1, max_length=1)]
    subject: _Subject
    annotations: dict[str, str] = Field(default_factory=dict)


def manifest_of(package: Package, raw: bytes) -> bytes:
    """The manifest of a signature: of the same bytes always the same."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": BUNDLE_TYPE,
            "config": {"mediaType": EMPTY_TYPE, "digest": EMPTY_DIGEST, "size": len(EMPTY)},
            "layers": [{"mediaType": BUNDLE_TYPE, "digest": digest_of(raw), "size": len(raw)}],
            "subject": {
                "mediaType": MANIFEST_TYPE,
                "digest": package.digest,
                "size": len(package.manifest),
            },
            "annotations": {CONTENT: "dsse-envelope", KIND: PREDICATE},
        }
    )


def entry_of(package: Package, manifest: bytes) -> dict[str, Any]:
    """The descriptor by which an index names it."""
    return {
        "mediaType": MANIFEST_TYPE,
        "artifactType": BUNDLE_TYPE,
        "digest": digest_of(manifest),
        "size": len(manifest),
        "annotations": {CONTENT: "dsse-envelope", KIND: PREDICATE, OF: package.digest},
    }


def kept_of(
    entry: Any, package: str, manifest: Callable[[str], bytes], blob: Callable[[str, int, str], bytes]
) -> Kept | None:
    """What is behind an entry of an index; None: it is of another package, or of another kind.

    Args:
        entry: as the index has it; nothing of it is believed.
        package: whose signatures are wanted.
        manifest: reads a manifest by its digest.
        blob: reads a blob by its digest, so many bytes at most; the third is what it is called in messages.

    Raises:
        StoreDamaged: the entry has no digest.
        StoreUnavailable: from the two.
    """
    if not isinstance(entry, dict) or entry.get("artifactType") != BUNDLE_TYPE:
        return None
    said = entry.get("annotations")
    if isinstance(said, dict) and said.get(OF, package) != package:
        return None
    digest = entry.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise StoreDamaged("the index of the store: an entry of a signature has no digest")
    try:
        found = _parsed(manifest(digest), digest)
    except (PackageError, NotFound) as error:
        return Kept(digest, None, str(error))  # whose it was cannot be said: it is told of, not passed over
    if found.subject.digest != package or found.annotations.get(KIND, PREDICATE) != PREDICATE:
        return None
    layer = found.layers[0]
    try:
        if layer.size > MAX_SIGNATURE:
            raise SignatureRefused(f"the signature: over {MAX_SIGNATURE} bytes")
        return checked(layer.digest, blob(layer.digest, layer.size, "the signature"))
    except PackageError as error:
        return Kept(layer.digest, None, str(error))


def checked(digest: str, raw: bytes) -> Kept:
    """A signature as it was read."""
    if digest_of(raw) != digest:
        return Kept(digest, None, "the signature: its bytes are not those that were kept")
    return Kept(digest, raw)


def _parsed(raw: bytes, digest: str) -> _Manifest:
    if digest_of(raw) != digest:
        raise SignatureRefused(f"the signature's manifest: its bytes have {digest_of(raw)}, not {digest}")
    load_json(raw, "the signature's manifest")
    try:
        return _Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise SignatureRefused(f"the signature's manifest: {first_problem(error)}") from error


def few(found: Iterable[Kept | None], limit: int) -> tuple[Kept, ...]:
    """Each once, by digest; no more is read than that. Raises SignatureRefused: more than `limit`."""
    each: dict[str, Kept] = {}
    for kept in found:
        if kept is not None and (kept.raw is not None or kept.digest not in each):
            each[kept.digest] = kept
        if len(each) > limit:
            raise SignatureRefused(f"more than {limit} signatures are kept with one package")
    return tuple(each[digest] for digest in sorted(each))
