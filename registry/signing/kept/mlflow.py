"""Signatures in MLflow's model registry: files beside the package's layout, in each version that has it.

affiant/<hex of the package>/signatures/<hex of the signature>.json

They are in the server's own store of artifacts, as the package is.
"""

from __future__ import annotations

import re
from typing import Final

from registry.errors import NotFound, PackageError
from registry.manifest import digest_of
from registry.mlflow.files import Files
from registry.package import Package
from registry.signing.bundle import MAX_SIGNATURE
from registry.stores.mlflow import MlflowStore

from .artifact import checked, few
from .base import MAX_KEPT, Kept

_FOLDER: Final = "signatures"
_NAME: Final = re.compile(_FOLDER + r"/([0-9a-f]{64})\.json")


class MlflowSignatures(MlflowStore):
    """See `Signatures`."""

    def keep(self, package: Package, raw: bytes) -> str:
        """See `Signatures.keep`. One that is in one version only is kept: the others are asked, too."""
        places = self.beside(package.digest)
        if not places:
            raise NotFound(f"{package.digest} is not in the store: a signature is kept with its package")
        digest = digest_of(raw)
        for place in places:
            self.put(place, f"{_FOLDER}/{digest.removeprefix('sha256:')}.json", raw)
        return digest

    def kept(self, package: str) -> tuple[Kept, ...]:
        """See `Signatures.kept`."""
        found = (
            _read(place, file.path, f"sha256:{name[1]}")
            for place in self.beside(package)
            for file in place.listing(_FOLDER)
            if (name := _NAME.fullmatch(file.path)) is not None and not file.directory
        )
        return few(found, MAX_KEPT)  # of several versions' the one that is right


def _read(place: Files, path: str, digest: str) -> Kept:
    try:
        return checked(digest, place.read(path, MAX_SIGNATURE))
    except (PackageError, NotFound) as error:
        return Kept(digest, None, str(error))
