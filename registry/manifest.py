"""The manifest of a package: an OCI image manifest with artifactType, in one byte form only.

Form: OCI image-spec 1.1, "Guidelines for Artifact Usage" (the case of an artifact with the empty config).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem

from .errors import DigestMismatch, PackageError

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE: Final = "application/vnd.affiant.model.v1+json"
EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
EMPTY: Final = b"{}"
EMPTY_DIGEST: Final = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
TITLE: Final = "org.opencontainers.image.title"
CREATED: Final = "org.opencontainers.image.created"
NAME: Final = "org.affiant.model.name"

MAX_MANIFEST: Final = 64 << 10
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

ModelType = Literal["xgboost-ubj", "xgboost-json", "onnx"]


@dataclass(frozen=True, slots=True)
class Role:
    """What one layer is: its file name, its media type, and the most bytes that are read of it."""

    name: str
    title: str
    media_type: str
    max_bytes: int


# A limit is checked against the manifest before a blob is fetched, and against the bytes before they are
# parsed.
MODELS: Final[dict[ModelType, Role]] = {
    "xgboost-ubj": Role("model", "model.ubj", "application/vnd.affiant.model.xgboost.v1+ubj", 1 << 30),
    "xgboost-json": Role("model", "model.json", "application/vnd.affiant.model.xgboost.v1+json", 1 << 30),
    "onnx": Role("model", "model.onnx", "application/vnd.affiant.model.onnx.v1", 1 << 30),
}
PARTS: Final = (
    Role("signature", "signature.json", "application/vnd.affiant.signature.v1+json", 16 << 20),
    Role("reference", "reference.cbor", "application/vnd.affiant.reference.v1+cbor", 512 << 20),
    Role("golden", "golden.cbor", "application/vnd.affiant.golden.v1+cbor", 64 << 20),
    Role("lineage", "lineage.json", "application/vnd.affiant.lineage.v1+json", 4 << 20),
    Role("card", "card.md", "application/vnd.affiant.card.v1+markdown", 4 << 20),
)
MAX_BLOB: Final = max(role.max_bytes for role in (*MODELS.values(), *PARTS))

DigestText = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Config(_Part):
    """The empty descriptor of OCI image-spec 1.1."""

    media_type: Annotated[Literal["application/vnd.oci.empty.v1+json"], Field(alias="mediaType")]
    digest: Literal["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]
    size: Literal[2]


class LayerAnnotations(_Part):
    """A layer's file name, as oras writes it."""

    title: Annotated[str, Field(alias=TITLE, max_length=64)]


class Layer(_Part):
    """One file of the package."""

    media_type: Annotated[str, Field(alias="mediaType", max_length=128)]
    digest: DigestText
    size: Annotated[int, Field(ge=1, le=MAX_BLOB)]
    annotations: LayerAnnotations


class Annotations(_Part):
    """What a listing shows; both stand in the blobs too and MUST be the same there."""

    name: Annotated[str, Field(alias=NAME, min_length=1, max_length=256)]
    created: Annotated[str, Field(alias=CREATED, max_length=40)]


class Manifest(_Part):
    """An OCI image manifest 1.1 that is a model package: the model first, then the parts in their order."""

    schema_version: Annotated[Literal[2], Field(alias="schemaVersion")]
    media_type: Annotated[Literal["application/vnd.oci.image.manifest.v1+json"], Field(alias="mediaType")]
    artifact_type: Annotated[Literal["application/vnd.affiant.model.v1+json"], Field(alias="artifactType")]
    config: Config
    layers: Annotated[tuple[Layer, ...], Field(min_length=1 + len(PARTS), max_length=1 + len(PARTS))]
    annotations: Annotations

    @property
    def model_type(self) -> ModelType:
        """The kind of model file in the first layer."""
        return next(kind for kind, role in MODELS.items() if role.media_type == self.layers[0].media_type)

    @property
    def roles(self) -> dict[str, Layer]:
        """Layers by what they are: model, signature, reference, golden, lineage, card."""
        return dict(zip(("model", *(part.name for part in PARTS)), self.layers, strict=True))


def canonical_json(value: object) -> bytes:
    """The one JSON form written here: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(data: bytes) -> str:
    """`sha256:` and the hex digest of `data`."""
    return "sha256:" + sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether `text` is `sha256:` and 64 lower-case hex digits; nothing else may become part of a path."""
    return DIGEST.fullmatch(text) is not None


def write_manifest(model_type: ModelType, blobs: tuple[bytes, ...], name: str, created: str) -> bytes:
    """The manifest of these blobs: the model, then the parts in the order of PARTS."""
    roles = (MODELS[model_type], *PARTS)
    layers = [
        {
            "mediaType": role.media_type,
            "digest": digest_of(blob),
            "size": len(blob),
            "annotations": {TITLE: role.title},
        }
        for role, blob in zip(roles, blobs, strict=True)
    ]
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "config": {"mediaType": EMPTY_TYPE, "digest": EMPTY_DIGEST, "size": len(EMPTY)},
            "layers": layers,
            "annotations": {NAME: name, CREATED: created},
        }
    )


def read_manifest(data: bytes, digest: str | None = None) -> Manifest:
    """Parse a manifest.

    MUST refuse every manifest but the one that `write_manifest` makes for the same layers: no second
    spelling, no foreign media type, no file name other than the role's own (so none can leave a directory).

    Raises:
        PackageError: too large, not JSON, not that form.
        DigestMismatch: `digest` is given and these are not its bytes.
    """
    if len(data) > MAX_MANIFEST:
        raise PackageError(f"manifest: {len(data)} bytes, more than {MAX_MANIFEST}")
    if digest is not None and digest_of(data) != digest:
        raise DigestMismatch(f"manifest: its bytes have {digest_of(data)}, not {digest}")
    value = load_json(data, "manifest")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise PackageError(f"manifest: {first_problem(error)}") from error
    for place, layer in enumerate(manifest.layers):
        _check_layer(place, layer)
    try:
        same = canonical_json(value) == data
    except (ValueError, UnicodeEncodeError) as error:
        raise PackageError("manifest: holds text that cannot be written again") from error
    if not same:
        raise PackageError("manifest: not in its one byte form (sorted keys, no spaces, UTF-8)")
    return manifest


def _check_layer(place: int, layer: Layer) -> None:
    role = PARTS[place - 1] if place else _model_role(layer.media_type)
    if layer.media_type != role.media_type:
        raise PackageError(
            f"manifest: layer {place} has media type {layer.media_type!r}, not {role.media_type!r}"
        )
    if layer.annotations.title != role.title:
        raise PackageError(
            f"manifest: layer {place} is titled {layer.annotations.title!r}, not {role.title!r}"
        )
    if layer.size > role.max_bytes:
        raise PackageError(f"{role.title}: {layer.size} bytes, more than {role.max_bytes}")


def _model_role(media_type: str) -> Role:
    for role in MODELS.values():
        if role.media_type == media_type:
            return role
    known = ", ".join(role.media_type for role in MODELS.values())
    raise PackageError(f"manifest: {media_type!r} is not the media type of a model; known: {known}")


def load_json(data: bytes, what: str) -> Any:
    """JSON in which no key comes twice and no number is NaN or infinite.

    Raises:
        PackageError: anything else, however deep.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            raise PackageError(f"{what}: a key is there twice")
        return result

    def constant(text: str) -> Any:
        raise PackageError(f"{what}: {text} is not JSON")

    try:
        return json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{what}: not JSON in UTF-8 ({type(error).__name__})") from error
