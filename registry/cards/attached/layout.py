"""Cards in an OCI image layout: one more entry of its index, which the listing of packages passes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.errors import NotFound, StoreDamaged
from registry.manifest import (
    CREATED,
    EMPTY,
    EMPTY_DIGEST,
    MANIFEST_TYPE,
    MAX_MANIFEST,
    canonical_json,
    digest_of,
    is_digest,
    load_json,
)
from registry.stores.layout import INDEX_TYPE, LayoutStore

from .artifact import ARTIFACT, Attached, Attachment, check_file, newest_first, parse_attached

OF: Final = "org.affiant.cards.package"
"""In an entry of the index: whose cards they are, so that another package's need not be read. Older ones do not say."""


class LayoutAttachments(LayoutStore):
    """See `Attachments`. The store's own lock, files and order of writing: blobs first, the index last."""

    def attach(self, attachment: Attachment) -> str:
        """See `Attachments.attach`."""
        manifest = attachment.manifest
        digest = digest_of(manifest)
        if not self.exists(attachment.package.digest):
            raise NotFound(
                f"{attachment.package.digest} is not in the store: cards are kept with their package"
            )
        with self._locked():
            blobs = {digest_of(content): content for content in attachment.files.values()}
            for name, blob in {**blobs, EMPTY_DIGEST: EMPTY, digest: manifest}.items():
                self._write(self._path(name), blob)
            entries = self._entries()
            if all(entry.get("digest") != digest for entry in entries):
                entries.append(
                    {
                        "mediaType": MANIFEST_TYPE,
                        "artifactType": ARTIFACT,
                        "digest": digest,
                        "size": len(manifest),
                        "annotations": {
                            CREATED: load_json(manifest, "cards")["annotations"][CREATED],
                            OF: attachment.package.digest,
                        },
                    }
                )
                index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
                self._write(self._directory / "index.json", canonical_json(index))
        return digest

    def attached(self, package: str) -> list[Attached]:
        """See `Attachments.attached`. Damaged cards of another package keep nobody from these."""
        found = []
        for entry in self._entries():
            if entry.get("artifactType") != ARTIFACT or _of(entry) not in (package, None):
                continue
            digest = entry.get("digest")
            if not isinstance(digest, str) or not is_digest(digest):
                raise StoreDamaged(f"{self._directory / 'index.json'}: an entry of cards has no digest")
            each = parse_attached(self._read(digest, MAX_MANIFEST, "cards"), digest)
            if each.package == package:
                found.append(each)
        return newest_first(found)

    def fetch(self, attached: Attached, name: str) -> bytes:
        """See `Attachments.fetch`."""
        digest, size = attached.file(name)
        return check_file(attached, name, self._read(digest, size, name))


def _of(entry: Mapping[str, Any]) -> str | None:
    """The package that an entry names; None: it does not say."""
    annotations = entry.get("annotations")
    found = annotations.get(OF) if isinstance(annotations, Mapping) else None
    return found if isinstance(found, str) else None
