"""Cards in an OCI registry: referrers of the package (OCI distribution-spec 1.1, "Listing Referrers").

A registry that does not list referrers gets the specification's own way without: an index under the tag
`sha256-<hex of the package>`. That tag is read and written again, so two who attach at the very same moment may leave
one of the two out of it: it is there by its digest, and attaching again lists it.
"""

from __future__ import annotations

from typing import Any, Final

from registry.errors import NotFound, PackageError, StoreDamaged
from registry.manifest import (
    CREATED,
    EMPTY,
    EMPTY_DIGEST,
    MANIFEST_TYPE,
    canonical_json,
    digest_of,
    is_digest,
    load_json,
)
from registry.stores.layout import INDEX_TYPE
from registry.stores.oci import OciStore

from .artifact import ARTIFACT, Attached, Attachment, check_file, newest_first, parse_attached

_MAX_INDEX: Final = 4 << 20


class OciAttachments(OciStore):
    """See `Attachments`."""

    def attach(self, attachment: Attachment) -> str:
        """See `Attachments.attach`."""
        package = attachment.package.digest
        if not self.exists(package):
            raise NotFound(f"{package} is not in the store: cards are kept with their package")
        manifest = attachment.manifest
        digest = digest_of(manifest)
        blobs = {digest_of(content): content for content in attachment.files.values()}
        for name, blob in {**blobs, EMPTY_DIGEST: EMPTY}.items():
            self._upload(name, blob)
        address = f"{self._base}/manifests/{digest}"
        with self._request("PUT", address, {"Content-Type": MANIFEST_TYPE}, manifest) as response:
            self._expect(response, {200, 201}, "the manifest of the cards")
            listed = response.headers.get("OCI-Subject") == package
        if not listed:
            self._list_by_tag(package, digest, manifest)
        return digest

    def attached(self, package: str) -> list[Attached]:
        """See `Attachments.attached`."""
        if not is_digest(package):  # it becomes part of an address
            return []
        found = []
        for entry in self._referrers(package):
            digest = entry.get("digest") if isinstance(entry, dict) else None
            if not isinstance(digest, str) or not is_digest(digest) or entry.get("artifactType") != ARTIFACT:
                continue
            each = parse_attached(self.manifest(digest), digest)
            if each.package == package:  # the list is the registry's word; this is the manifest's
                found.append(each)
        return newest_first(found)

    def fetch(self, attached: Attached, name: str) -> bytes:
        """See `Attachments.fetch`."""
        digest, size = attached.file(name)
        return check_file(attached, name, self._blob(digest, size, name))

    def _referrers(self, package: str) -> list[Any]:
        listed = self._index(f"{self._base}/referrers/{package}")
        return listed if listed is not None else self._tagged(package)

    def _tagged(self, package: str) -> list[Any]:
        return self._index(self._tag(package)) or []

    def _tag(self, package: str) -> str:
        return f"{self._base}/manifests/sha256-{package.removeprefix('sha256:')}"

    def _index(self, address: str) -> list[Any] | None:
        """The descriptors of an index; None: there is none at that address."""
        with self._request("GET", address, {"Accept": INDEX_TYPE}) as response:
            if response.status_code == 404:
                return None
            self._expect(response, {200}, "the list of cards")
            raw = self._body(response, _MAX_INDEX, "the list of cards")
        try:
            content = load_json(raw, "the list of cards")
        except PackageError as error:
            raise StoreDamaged(f"{self._host}: {error}") from error
        manifests = content.get("manifests") if isinstance(content, dict) else None
        if not isinstance(manifests, list):
            raise StoreDamaged(f"{self._host}: the list of cards is no index")
        return manifests

    def _list_by_tag(self, package: str, digest: str, manifest: bytes) -> None:
        entries = self._tagged(package)
        if any(isinstance(entry, dict) and entry.get("digest") == digest for entry in entries):
            return
        entries.append(
            {
                "mediaType": MANIFEST_TYPE,
                "artifactType": ARTIFACT,
                "digest": digest,
                "size": len(manifest),
                "annotations": {CREATED: load_json(manifest, "cards")["annotations"][CREATED]},
            }
        )
        index = canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
        with self._request("PUT", self._tag(package), {"Content-Type": INDEX_TYPE}, index) as response:
            self._expect(response, {200, 201}, "the list of cards")
