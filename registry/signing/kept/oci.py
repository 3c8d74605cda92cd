"""Signatures in an OCI registry: referrers of the package."""

from __future__ import annotations

from registry.errors import NotFound
from registry.manifest import EMPTY, EMPTY_DIGEST, digest_of, is_digest
from registry.package import Package
from registry.stores.referrers import Referrers

from .artifact import entry_of, few, kept_of, manifest_of
from .base import MAX_KEPT, Kept


class OciSignatures(Referrers):
    """See `Signatures`."""

    def keep(self, package: Package, raw: bytes) -> str:
        """See `Signatures.keep`."""
        if not self.exists(package.digest):
            raise NotFound(f"{package.digest} is not in the store: a signature is kept with its package")
        for digest, blob in ((digest_of(raw), raw), (EMPTY_DIGEST, EMPTY)):
            self._upload(digest, blob)
        manifest = manifest_of(package, raw)
        self._refer(package.digest, manifest, entry_of(package, manifest))
        return digest_of(raw)

    def kept(self, package: str) -> tuple[Kept, ...]:
        """See `Signatures.kept`."""
        if not is_digest(package):  # it becomes part of an address
            return ()
        found = (kept_of(entry, package, self.manifest, self._blob) for entry in self._referrers(package))
        return few(found, MAX_KEPT)
