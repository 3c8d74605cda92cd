"""Cards in an OCI registry: referrers of the package."""

from __future__ import annotations

from registry.errors import NotFound
from registry.manifest import CREATED, EMPTY, EMPTY_DIGEST, MANIFEST_TYPE, digest_of, is_digest, load_json
from registry.stores.referrers import Referrers

from .artifact import ARTIFACT, Attached, Attachment, check_file, newest_first, parse_attached


class OciAttachments(Referrers):
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
        entry = {
            "mediaType": MANIFEST_TYPE,
            "artifactType": ARTIFACT,
            "digest": digest,
            "size": len(manifest),
            "annotations": {CREATED: load_json(manifest, "cards")["annotations"][CREATED]},
        }
        self._refer(package, manifest, entry)
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
