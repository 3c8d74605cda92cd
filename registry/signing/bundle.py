"""What a signature says, before anybody has verified it: its form, its key and the files that it names.

    {"mediaType": …bundle.v0.3+json,
     "verificationMaterial": {"publicKey": {"hint": hex}}, or
                             {"x509CertificateChain": {"certificates": [{"rawBytes": …}]}},
     "dsseEnvelope": {"payloadType": in-toto, "payload": base64, "signatures": [{"sig": base64, "keyid": ""}]}}

    payload: {"_type": Statement/v1, "subject": [{"name": …, "digest": {"sha256": over the digests below}}],
              "predicateType": PREDICATE,
              "predicate": {"serialization": {"method": "files", "hash_type": "sha256", "ignore_paths": […], …},
                            "resources": [{"name": a file, "algorithm": "sha256", "digest": hex}]}}

Refused here is what model-signing takes from older versions of itself, and what nobody could judge by a package's
digest: other hashes, parts of files, a key or a name that comes twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from audit.invalid import first_problem
from registry.errors import PackageError, SignatureRefused
from registry.manifest import digest_of, load_json
from registry.package import Package

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE: Final = "https://model_signing/signature/v1.0"
MANIFEST_FILE: Final = "manifest.json"
MAX_SIGNATURE: Final = 256 << 10
"""A chain of certificates has some KiB each; the files' names and digests have less than 2 KiB."""

Model = TypeVar("Model", bound=BaseModel)
Base64 = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    """Nothing but these keys: a second spelling could say something else to another reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Key(_Part):
    hint: Hex


class _Certificate(_Part):
    raw: Annotated[Base64, Field(alias="rawBytes")]


class _Chain(_Part):
    certificates: Annotated[tuple[_Certificate, ...], Field(min_length=1, max_length=16)]


class _Material(_Part):
    """Of a key or of certificates."""

    key: Annotated[_Key | None, Field(alias="publicKey")] = None
    chain: Annotated[_Chain | None, Field(alias="x509CertificateChain")] = None
    certificate: Any = None
    entries: Annotated[tuple[Any, ...], Field(alias="tlogEntries")] = ()

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.key, self.chain, self.certificate).count(None) != 2:
            raise ValueError("one key, or its certificates, is wanted")
        return self


class _Signature(_Part):
    sig: Base64
    keyid: str = ""


class _Envelope(_Part):
    payload_type: Annotated[Literal["application/vnd.in-toto+json"], Field(alias="payloadType")]
    payload: Base64
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=1, max_length=1)]


class _Bundle(_Part):
    media_type: Annotated[Literal["application/vnd.dev.sigstore.bundle.v0.3+json"], Field(alias="mediaType")]
    material: Annotated[_Material, Field(alias="verificationMaterial")]
    envelope: Annotated[_Envelope, Field(alias="dsseEnvelope")]


class _Resource(_Part):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    algorithm: Literal["sha256"]
    digest: Hex


class _Serialization(_Part):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool = False
    ignore_paths: Annotated[tuple[str, ...], Field(max_length=256)] = ()


class _Predicate(_Part):
    serialization: _Serialization
    resources: Annotated[tuple[_Resource, ...], Field(min_length=1, max_length=64)]


class _Statement(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    predicate_type: Annotated[Literal["https://model_signing/signature/v1.0"], Field(alias="predicateType")]
    predicate: _Predicate


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signature says of itself. Nobody vouches for it yet."""

    digest: str
    """sha256:… of the signature's own bytes."""
    key: str | None
    """The key's id, see `PublicKey.id`; None: it comes with certificates."""
    files: Mapping[str, str]
    """Name → SHA-256 in hex, of those that are signed. What its `ignore_paths` says is not asked: a file that is not
    here is not signed."""


def read(raw: bytes) -> Claim:
    """A signature's claim.

    Raises:
        SignatureRefused: longer than MAX_SIGNATURE, no such bundle, or one of another kind; says which.
    """
    if len(raw) > MAX_SIGNATURE:
        raise SignatureRefused(f"the signature: over {MAX_SIGNATURE} bytes")
    bundle = _parsed(_Bundle, raw, "the signature")
    if bundle.material.entries or bundle.material.certificate is not None:
        raise SignatureRefused(
            "the signature: made with Sigstore's services; only keys and chains of certificates are verified here"
        )
    try:
        payload = base64.b64decode(bundle.envelope.payload, validate=True)
    except binascii.Error as error:
        raise SignatureRefused("the signature: its payload is no base64") from error
    predicate = _parsed(_Statement, payload, "the signed statement").predicate
    files = {each.name: each.digest for each in predicate.resources}
    if len(files) != len(predicate.resources):
        raise SignatureRefused("the signed statement: a file is there twice")
    key = bundle.material.key
    return Claim(digest_of(raw), None if key is None else key.hint, files)


def files_of(package: Package) -> dict[str, str]:
    """The files of a package as `affiant model pull` writes them: name → SHA-256 in hex."""
    layers = {layer.annotations.title: layer.digest for layer in package.parsed.layers}
    named = {MANIFEST_FILE: package.digest, **layers}
    return {name: digest.removeprefix("sha256:") for name, digest in named.items()}


def check_files(claim: Claim, package: Package) -> None:
    """That the signed files are the package's: all of them, no other, each with these bytes.

    Raises:
        SignatureRefused: says which is missing, too much, or another.
    """
    wanted, signed = files_of(package), claim.files
    other = {name for name in wanted.keys() & signed.keys() if wanted[name] != signed[name]}
    said = [
        f"{what}: {', '.join(sorted(names))}"
        for what, names in (
            ("not signed", wanted.keys() - signed.keys()),
            ("signed, and not in the package", signed.keys() - wanted.keys()),
            ("signed with other bytes", other),
        )
        if names
    ]
    if said:
        raise SignatureRefused(f"the signature is not of {package.digest}: {'; '.join(said)}")


def _parsed(model: type[Model], raw: bytes, what: str) -> Model:
    try:
        load_json(raw, what)  # no key twice, no depth without end
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise SignatureRefused(f"{what}: {first_problem(error)}") from error
    except PackageError as error:
        raise SignatureRefused(str(error)) from error
