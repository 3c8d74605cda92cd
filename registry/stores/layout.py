"""An OCI image layout directory (OCI image-spec 1.1, image-layout.md): the embedded store.

    oci-layout, index.json, blobs/sha256/<hex>; `.lock` is ours.

Every file is written beside its place, synced and renamed; the index comes last. A crash before that leaves
blobs that nothing names: they take space, are found again by the next push of the same bytes, and mean
nothing else.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.files import make_directory, sync_directory
from audit.invalid import first_problem
from registry.errors import DigestMismatch, NotFound, PackageError, StoreDamaged, StoreUnavailable
from registry.manifest import (
    ARTIFACT_TYPE,
    CREATED,
    EMPTY,
    EMPTY_DIGEST,
    MANIFEST_TYPE,
    MAX_MANIFEST,
    NAME,
    Manifest,
    canonical_json,
    digest_of,
    is_digest,
    load_json,
    read_manifest,
)
from registry.package import Package, verify

from .base import Flaw, Listing, StoredPackage, listing

INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
LAYOUT: Final = canonical_json({"imageLayoutVersion": "1.0.0"})
_MAX_INDEX: Final = 16 << 20

Entries = list[dict[str, Any]]


class _Descriptor(BaseModel):
    """An entry of the index that is ours. Entries of other artifact types are kept and not looked into."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    media_type: Annotated[str, Field(alias="mediaType")]
    artifact_type: Annotated[str, Field(alias="artifactType")]
    digest: str
    size: int
    annotations: dict[str, str]


class LayoutStore:
    """Packages in a directory, which is made when the first one is pushed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs = directory / "blobs" / "sha256"

    def push(self, package: Package) -> str:
        """See `Store.push`."""
        verify(package)
        with self._locked():
            if not _holds(self._directory / "oci-layout", LAYOUT):
                self._write(self._directory / "oci-layout", LAYOUT)
            # What stands in the blobs' place is not trusted: a damaged one is replaced by the right bytes.
            for digest, blob in (
                *package.blobs.items(),
                (EMPTY_DIGEST, EMPTY),
                (package.digest, package.manifest),
            ):
                path = self._path(digest)
                if not _holds(path, blob):
                    self._write(path, blob)
            entries = self._entries()
            if all(entry.get("digest") != package.digest for entry in entries):
                entries.append(descriptor(package))
                index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
                self._write(self._directory / "index.json", canonical_json(index))
        return package.digest

    def pull(self, digest: str) -> Package:
        """See `Store.pull`."""
        manifest_bytes = self.manifest(digest)
        manifest = read_manifest(manifest_bytes, digest)
        blobs = {
            layer.digest: self._read(layer.digest, layer.size, layer.annotations.title)
            for layer in manifest.layers
        }
        package = Package(manifest_bytes, blobs)
        verify(package, digest)
        return package

    def manifest(self, digest: str) -> bytes:
        """See `Store.manifest`."""
        if not self.exists(digest):
            raise NotFound(f"{digest} is not in the index of {self._directory}")
        return self._read(digest, MAX_MANIFEST, "manifest")

    def blob(self, package: str, digest: str, size: int, what: str) -> bytes:
        """See `Store.blob`."""
        return self._read(digest, size, what)

    def list(self) -> Listing:
        """See `Store.list`."""
        entries, malformed = self._ours()
        found, flaws = [], [*malformed]
        for entry in entries:
            try:
                manifest = read_manifest(self._read(entry.digest, MAX_MANIFEST, "manifest"), entry.digest)
                if entry.annotations != _annotations(manifest):
                    raise StoreDamaged(
                        f"{self._directory / 'index.json'}: annotations of {entry.digest} are not its own"
                    )
            except (PackageError, StoreDamaged) as error:
                flaws.append(Flaw(entry.digest, str(error)))
            else:
                found.append(stored(entry.digest, manifest))
        return listing(found, flaws)

    def exists(self, digest: str) -> bool:
        """See `Store.exists`."""
        return any(entry.digest == digest for entry in self._ours()[0])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over processes and threads; the lock ends with its holder."""
        try:
            make_directory(self._blobs)
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailable(f"cannot write to {self._directory}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise StoreUnavailable(f"cannot write to {self._directory}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _entries(self) -> Entries:
        path = self._directory / "index.json"
        try:
            data = _read_limited(path, _MAX_INDEX)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnavailable(f"cannot read {path}: {error.strerror}") from error
        try:
            index = load_json(data, str(path))
        except PackageError as error:
            raise StoreDamaged(str(error)) from error
        entries = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise StoreDamaged(f"{path}: not an OCI image index")
        if (
            index.keys() - {"schemaVersion", "mediaType", "manifests", "annotations"}
            or index.get("schemaVersion") != 2
        ):
            raise StoreDamaged(f"{path}: not an OCI image index of schema version 2")
        return entries

    def _ours(self) -> tuple[tuple[_Descriptor, ...], tuple[Flaw, ...]]:
        """The entries of packages, and those that say that they are of one and are malformed."""
        found, flaws, index = [], [], self._directory / "index.json"
        for entry in self._entries():
            if entry.get("artifactType") != ARTIFACT_TYPE:
                continue
            try:
                descriptor = _Descriptor.model_validate(entry)
            except ValidationError as error:
                flaws.append(Flaw(str(entry.get("digest")), f"{index}: {first_problem(error)}"))
                continue
            if descriptor.media_type != MANIFEST_TYPE or not is_digest(descriptor.digest):
                flaws.append(Flaw(descriptor.digest, f"{index}: an entry's media type or digest is not one"))
                continue
            found.append(descriptor)
        return tuple(found), tuple(flaws)

    def _path(self, digest: str) -> Path:
        # Every digest that comes here was matched whole against its pattern: it has no separator in it.
        return self._blobs / digest.removeprefix("sha256:")

    def _read(self, digest: str, limit: int, what: str) -> bytes:
        path = self._path(digest)
        try:
            data = _read_limited(path, limit)
        except FileNotFoundError as error:
            raise PackageError(f"{what}: the blob {digest} is missing in {self._directory}") from error
        except OSError as error:
            raise StoreUnavailable(f"cannot read {path}: {error.strerror}") from error
        if len(data) > limit:
            raise DigestMismatch(
                f"{what}: the blob {digest} is longer than the {limit} bytes that it should have"
            )
        return data

    def _write(self, path: Path, data: bytes) -> None:
        """Replace `path` in one step; a crash leaves the old file or the new one, and perhaps a `.part`."""
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def stored(digest: str, manifest: Manifest) -> StoredPackage:
    """The line of a listing for a manifest that was checked."""
    size = sum(layer.size for layer in manifest.layers)
    return StoredPackage(
        digest, manifest.annotations.name, manifest.annotations.created, size, manifest.model_type
    )


def _annotations(manifest: Manifest) -> dict[str, str]:
    return {NAME: manifest.annotations.name, CREATED: manifest.annotations.created}


def descriptor(package: Package) -> dict[str, Any]:
    """The entry of an index that names a package."""
    return {
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "digest": package.digest,
        "size": len(package.manifest),
        "annotations": _annotations(package.parsed),
    }


def _read_limited(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return digest_of(_read_limited(path, len(data))) == digest_of(data)
    except FileNotFoundError:
        return False
