"""Signatures in an OCI image layout: one more entry of its index, which the listing of packages passes over."""

from __future__ import annotations

from registry.errors import NotFound
from registry.manifest import EMPTY, EMPTY_DIGEST, MAX_MANIFEST, canonical_json, digest_of
from registry.package import Package
from registry.stores.layout import INDEX_TYPE, LayoutStore

from .artifact import entry_of, few, kept_of, manifest_of
from .base import MAX_KEPT, Kept


class LayoutSignatures(LayoutStore):
    """See `Signatures`. The store's own lock, files and order of writing: blobs first, the index last."""

    def keep(self, package: Package, raw: bytes) -> str:
        """See `Signatures.keep`."""
        if not self.exists(package.digest):
            raise NotFound(f"{package.digest} is not in the store: a signature is kept with its package")
        manifest = manifest_of(package, raw)
        entry = entry_of(package, manifest)
        with self._locked():
            # What stands in the blobs' place is not trusted: a damaged one is replaced by the right bytes.
            for digest, blob in (
                (digest_of(raw), raw),
                (EMPTY_DIGEST, EMPTY),
                (entry["digest"], manifest),
            ):
                self._write(self._path(digest), blob)
            entries = self._entries()
            if entry not in entries:
                entries.append(entry)
                index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
                self._write(self._directory / "index.json", canonical_json(index))
        return digest_of(raw)

    def kept(self, package: str) -> tuple[Kept, ...]:
        """See `Signatures.kept`."""
        found = (kept_of(entry, package, self._manifest, self._read) for entry in self._entries())
        return few(found, MAX_KEPT)

    def _manifest(self, digest: str) -> bytes:
        return self._read(digest, MAX_MANIFEST, "the signature's manifest")
