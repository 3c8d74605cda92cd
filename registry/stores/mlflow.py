"""The model registry of an MLflow 3 server, over its REST API.

A package is kept among the artifacts of a registered model's version, as an OCI image layout of its own:

    affiant/<hex of the digest>/  oci-layout, index.json, blobs/sha256/<hex>

and the version's tag `affiant.digest` names it; `affiant.kept` says that it is there. A package that was taken from a
version (`--from-mlflow models:/credit/3`) is kept with that version, any other with a new one. The tags come last:
before them nothing is visible. Tags are a finding aid and no more: bytes are verified by their digest, and where
several versions claim one digest, those whose bytes are wrong are passed over. A listing tells of a digest of which
no version has the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from registry.errors import NotFound, PackageError, PublishError, StoreDamaged, StoreError, StoreUnavailable
from registry.manifest import (
    EMPTY,
    EMPTY_DIGEST,
    MAX_MANIFEST,
    canonical_json,
    digest_of,
    is_digest,
    read_manifest,
)
from registry.mlflow.answers import mapping, text
from registry.mlflow.client import Client
from registry.mlflow.files import PACKAGES, Files
from registry.mlflow.run import get_run
from registry.mlflow.versions import DIGEST_TAG, KEPT_TAG, Version, Versions
from registry.mlflow.where import model_id
from registry.package import Package, verify
from registry.settings import MlflowAccess

from .base import Flaw, Listing, StoredPackage, listing
from .layout import INDEX_TYPE, LAYOUT, descriptor, stored

EXPERIMENT: Final = "affiant"
"""Where the logged models are whose artifacts are packages that came from no version of a model."""


class MlflowStore:
    """The packages of a server's model registry."""

    def __init__(self, access: MlflowAccess, *, prefix: str = "", timeout: float = 30.0) -> None:
        """No request is made yet.

        Args:
            access: the server, and how to be let in.
            prefix: what the names of this store's registered models begin with; others are not looked at.
            timeout: seconds that one request may wait for a byte.
        """
        self._client = Client(access, timeout=timeout)
        self._versions = Versions(self._client, prefix)

    def push(self, package: Package) -> str:
        """See `Store.push`."""
        verify(package)
        kept = self._kept(package.digest)
        for version in kept:
            try:
                self._read(version, package.digest)
            except PackageError:  # not trusted: what is damaged is replaced by the right bytes
                self._upload(_model(version), package)
        if not kept and not self._keep_with_its_version(package):
            self._keep_with_a_new_one(package)
        return package.digest

    def pull(self, digest: str) -> Package:
        """See `Store.pull`."""
        kept = self._kept(digest)
        if not kept:
            raise NotFound(f"{digest} is not in the model registry of {self._client.server}")
        for version in kept[:-1]:
            try:
                return self._read(version, digest)
            except PackageError:
                continue
        return self._read(kept[-1], digest)

    def list(self) -> Listing:
        """See `Store.list`."""
        found: dict[str, StoredPackage] = {}
        flaws: dict[str, Flaw] = {}
        for version in self._versions.all():
            digest = version.tags[DIGEST_TAG]
            if digest in found or not _holds(version, digest):
                continue
            try:
                found[digest] = stored(digest, read_manifest(self._manifest(version, digest), digest))
            except PackageError as error:
                flaws[digest] = Flaw(digest, str(error))
        return listing([*found.values()], [each for name, each in flaws.items() if name not in found])

    def exists(self, digest: str) -> bool:
        """See `Store.exists`."""
        return bool(self._kept(digest))

    def manifest(self, digest: str) -> bytes:
        """See `Store.manifest`."""
        if not self._kept(digest):
            raise NotFound(f"{digest} is not in the model registry of {self._client.server}")
        return self.blob(digest, digest, MAX_MANIFEST, "manifest")

    def blob(self, package: str, digest: str, size: int, what: str) -> bytes:
        """See `Store.blob`. Of several versions' the one that is right."""
        kept = self._kept(package)
        if not kept:
            raise PackageError(f"{what}: no version has {package} any more")
        for version in kept[:-1]:
            try:
                found = self._blob(version, package, digest, size, what)
            except PackageError:
                continue
            if digest_of(found) == digest:
                return found
        return self._blob(kept[-1], package, digest, size, what)

    def beside(self, digest: str) -> tuple[Files, ...]:
        """The folders of a package, one a version that has it: for what is kept with it. Empty: there is none."""
        return tuple(
            Files(self._client, "model", _model(each), _folder(digest)) for each in self._kept(digest)
        )

    def put(self, place: Files, path: str, data: bytes) -> None:
        """Write a file of such a folder, whole."""
        self._client.put(f"{self._root(place.of)}/{place.whole(path)}", data, path)

    def _kept(self, digest: str) -> tuple[Version, ...]:
        if not is_digest(digest):  # it becomes part of a query and of a path
            return ()
        return tuple(version for version in self._versions.of(digest) if _holds(version, digest))

    def _read(self, version: Version, digest: str) -> Package:
        manifest_bytes = self._manifest(version, digest)
        manifest = read_manifest(manifest_bytes, digest)
        blobs = {
            layer.digest: self._blob(version, digest, layer.digest, layer.size, layer.annotations.title)
            for layer in manifest.layers
        }
        package = Package(manifest_bytes, blobs)
        verify(package, digest)
        return package

    def _manifest(self, version: Version, digest: str) -> bytes:
        return self._blob(version, digest, digest, MAX_MANIFEST, "manifest")

    def _blob(self, version: Version, package: str, digest: str, size: int, what: str) -> bytes:
        files = Files(self._client, "model", _model(version), _folder(package))
        try:
            return files.read(_blob_path(digest), size)
        except NotFound as error:
            raise PackageError(f"{what}: the blob {digest} is missing in {version}") from error

    def _keep_with_its_version(self, package: Package) -> bool:
        """With the version that the package was taken from; False when there is none that takes it."""
        said = mapping(self._origin(package), "version")
        name, number = said.get("name"), said.get("version")
        if not isinstance(name, str) or not name.startswith(self._versions.prefix):
            return False
        try:
            version = self._versions.get(name, str(number))
        except NotFound:
            return False
        if version.model is None or version.tags.get(DIGEST_TAG, package.digest) != package.digest:
            return False
        self._upload(version.model, package)
        return self._versions.link(name, version.number, package.digest, _folder(package.digest))

    def _keep_with_a_new_one(self, package: Package) -> None:
        run = self._run(package)
        body: dict[str, Any] = {
            "experiment_id": self._versions.experiment(EXPERIMENT),
            "name": _plain(package.name),
            "model_type": "affiant package",
        }
        if run is not None:
            body["source_run_id"] = run
        made = mapping(self._client.post("logged-models", body), "model", "info")
        model = model_id(f"models:/{made.get('model_id')}")
        if model is None:
            raise StoreDamaged(f"{self._client.server}: what it says of a new logged model is none")
        self._upload(model, package)
        self._client.patch(f"logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
        self._versions.create(
            self._versions.prefix + _plain(package.name),
            model,
            run,
            {KEPT_TAG: _folder(package.digest), DIGEST_TAG: package.digest},
            f"Affiant package {package.digest}",
        )

    def _upload(self, model: str, package: Package) -> None:
        root = self._root(model)
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor(package)]}
        files = {
            **{_blob_path(digest): blob for digest, blob in package.blobs.items()},
            _blob_path(EMPTY_DIGEST): EMPTY,
            _blob_path(package.digest): package.manifest,
            "oci-layout": LAYOUT,
            "index.json": canonical_json(index),
        }
        for path, data in files.items():
            self._client.put(f"{root}/{_folder(package.digest)}/{path}", data, path)

    def _root(self, model: str) -> str:
        """Where the server's own store of artifacts has those of a logged model."""
        info = mapping(self._client.get(f"logged-models/{model}"), "model", "info")
        return _proxied(str(info.get("artifact_uri")), self._client.server)

    def _origin(self, package: Package) -> Mapping[str, Any]:
        """`mlflow` of the lineage, when it is of this server: another's names mean nothing here."""
        said = mapping(package.lineage.get("mlflow"))
        return said if said.get("server") == self._client.server else {}

    def _run(self, package: Package) -> str | None:
        run = text(mapping(self._origin(package), "run").get("id"))
        if run is None:
            return None
        try:
            get_run(self._client, run)
        except (PublishError, StoreError):  # deleted since: the package is kept all the same
            return None
        return run


def _holds(version: Version, digest: str) -> bool:
    return version.model is not None and version.tags.get(KEPT_TAG) == _folder(digest)


def _model(version: Version) -> str:
    assert version.model is not None  # by `_holds`
    return version.model


def _folder(digest: str) -> str:
    return f"{PACKAGES}/" + digest.removeprefix("sha256:")


def _blob_path(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _plain(name: str) -> str:
    """A package's name as MLflow takes it for a registered model and a logged one."""
    return (
        "".join("-" if each in "/:.%\"'" or not each.isprintable() else each for each in name).strip()
        or "model"
    )


def _proxied(address: str, server: str) -> str:
    """The path of an artifact location below the server's own store of artifacts."""
    parts = urlsplit(address)
    path = parts.path.strip("/")
    if parts.scheme == "mlflow-artifacts" and path:
        return path
    raise StoreUnavailable(
        f"{server} keeps artifacts at {parts.scheme or 'a path of its own'}:, and not through itself: start it with "
        "--serve-artifacts and --artifacts-destination, so that whoever may write to it needs no other credentials"
    )
