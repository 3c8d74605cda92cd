"""What is attached to a package in an OCI registry: its referrers (OCI distribution-spec 1.1, "Listing Referrers").

A registry that does not list referrers gets the specification's own way without: an index under the tag
`sha256-<hex of the package>`. That tag is read and written again, so two who attach at the very same moment may leave
one of the two out of it: it is there by its digest, and attaching again lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.errors import PackageError, StoreDamaged
from registry.manifest import MANIFEST_TYPE, canonical_json, load_json

from .layout import INDEX_TYPE
from .oci import OciStore

_MAX_INDEX: Final = 4 << 20


class Referrers(OciStore):
    """One repository, with what is attached to its packages."""

    def _refer(self, package: str, manifest: bytes, entry: Mapping[str, Any]) -> None:
        """Put a manifest whose subject is the package, its blobs being there, and see to its being listed.

        `entry`: its descriptor.
        """
        address = f"{self._base}/manifests/{entry['digest']}"
        with self._request("PUT", address, {"Content-Type": MANIFEST_TYPE}, manifest) as response:
            self._expect(response, {200, 201}, "the manifest of what is attached")
            listed = response.headers.get("OCI-Subject") == package
        if not listed:
            self._list_by_tag(package, entry)

    def _referrers(self, package: str) -> list[Any]:
        """The descriptors of what is attached; they are the registry's word. `package` MUST be a digest."""
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
            self._expect(response, {200}, "the list of what is attached")
            raw = self._body(response, _MAX_INDEX, "the list of what is attached")
        try:
            content = load_json(raw, "the list of what is attached")
        except PackageError as error:
            raise StoreDamaged(f"{self._host}: {error}") from error
        manifests = content.get("manifests") if isinstance(content, dict) else None
        if not isinstance(manifests, list):
            raise StoreDamaged(f"{self._host}: the list of what is attached is no index")
        return manifests

    def _list_by_tag(self, package: str, entry: Mapping[str, Any]) -> None:
        entries = self._tagged(package)
        if any(isinstance(each, dict) and each.get("digest") == entry["digest"] for each in entries):
            return
        entries.append(dict(entry))
        index = canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
        with self._request("PUT", self._tag(package), {"Content-Type": INDEX_TYPE}, index) as response:
            self._expect(response, {200, 201}, "the list of what is attached")
