"""What a store still has of a package that cannot be pulled whole: for evidence, never for a runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from registry.errors import DigestMismatch, PackageError
from registry.manifest import digest_of, read_manifest

from .base import Store


class Salvaged(NamedTuple):
    """A manifest whose digest is the asked one, and those parts whose bytes are what it names."""

    manifest: bytes
    blobs: Mapping[str, bytes]
    """By digest, sha256:…; of the roles that were asked for."""
    flaws: Sequence[str]
    """Of every part, asked for or not: which is missing or changed, and what it is instead."""


def salvage(store: Store, digest: str, roles: Sequence[str]) -> Salvaged:
    """The manifest and the parts that match it. MUST NOT be used to answer: the package is not whole.

    Args:
        store: where.
        digest: sha256:… of the manifest.
        roles: parts whose bytes are wanted; all are looked at.

    Raises:
        NotFound: the store does not have it.
        PackageError: the manifest itself is missing, or is not what its digest names.
        StoreUnavailable, StoreDamaged: from the store.
    """
    raw = store.manifest(digest)
    if digest_of(raw) != digest:
        raise DigestMismatch(f"manifest: its bytes have {digest_of(raw)}, not {digest}")
    try:
        layers = read_manifest(raw, digest).roles
    except PackageError as error:  # its bytes are those that were named, whatever they say
        return Salvaged(raw, {}, [str(error)])
    blobs, flaws = {}, []
    for role, layer in layers.items():
        title = layer.annotations.title
        try:
            blob = store.blob(digest, layer.digest, layer.size, title)
        except PackageError as error:
            flaws.append(str(error))
            continue
        if digest_of(blob) != layer.digest:
            flaws.append(f"{title}: its bytes have {digest_of(blob)}, not {layer.digest}")
        elif role in roles:
            blobs[layer.digest] = blob
    return Salvaged(raw, blobs, flaws)
