"""Cards in MLflow's model registry: files beside the package's layout, in each version that has it, under their names.

    affiant/<hex of the package>/cards/<hex of the manifest>/  model-card.html, …, manifest.json

So whoever looks at a version's artifacts there reads them. The manifest comes last: a folder without one means nothing.
"""

from __future__ import annotations

import re
from typing import Final

from registry.errors import NotFound, PackageError
from registry.manifest import MAX_MANIFEST, digest_of
from registry.mlflow.files import Files
from registry.stores.mlflow import MlflowStore

from .artifact import Attached, Attachment, check_file, newest_first, parse_attached

_FOLDER: Final = "cards"
_NAME: Final = re.compile(_FOLDER + r"/([0-9a-f]{64})")
_MANIFEST: Final = "manifest.json"


class MlflowAttachments(MlflowStore):
    """See `Attachments`."""

    def attach(self, attachment: Attachment) -> str:
        """See `Attachments.attach`. Cards that are in one version only are kept: the others are asked, too."""
        package, manifest = attachment.package.digest, attachment.manifest
        places = self.beside(package)
        if not places:
            raise NotFound(f"{package} is not in the store: cards are kept with their package")
        digest = digest_of(manifest)
        for place in places:
            for name, content in (*sorted(attachment.files.items()), (_MANIFEST, manifest)):
                self.put(place, f"{_of(digest)}/{name}", content)
        return digest

    def attached(self, package: str) -> list[Attached]:
        """See `Attachments.attached`. Of several versions' manifests the one that is right."""
        found: dict[str, Attached] = {}
        wrong: dict[str, PackageError] = {}
        for place, digest in self._there(package):
            if digest in found:
                continue
            try:
                each = parse_attached(place.read(f"{_of(digest)}/{_MANIFEST}", MAX_MANIFEST), digest)
            except NotFound:  # broken off before it was written
                continue
            except PackageError as error:
                wrong[digest] = error
                continue
            if each.package == package:
                found[digest] = each
        for digest, problem in wrong.items():
            if digest not in found:
                raise problem
        return newest_first([*found.values()])

    def fetch(self, attached: Attached, name: str) -> bytes:
        """See `Attachments.fetch`. Of several versions' files the one that is right."""
        _, size = attached.file(name)
        problem = PackageError(f"cards {attached.digest}: no version has {name} any more")
        for place in self.beside(attached.package):
            try:
                return check_file(attached, name, place.read(f"{_of(attached.digest)}/{name}", size))
            except NotFound:
                continue
            except PackageError as error:
                problem = error
        raise problem

    def _there(self, package: str) -> list[tuple[Files, str]]:
        return [
            (place, f"sha256:{name[1]}")
            for place in self.beside(package)
            for file in place.listing(_FOLDER)
            if file.directory and (name := _NAME.fullmatch(file.path)) is not None
        ]


def _of(digest: str) -> str:
    return f"{_FOLDER}/{digest.removeprefix('sha256:')}"
