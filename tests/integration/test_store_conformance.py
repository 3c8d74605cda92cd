"""One contract, three stores: an OCI layout directory, a real OCI registry, a real MLflow server's model registry."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.errors import NotFound, PackageError, RegistryError, StoreError
from registry.manifest import EMPTY_DIGEST
from registry.mlflow.client import Client
from registry.mlflow.versions import Versions
from registry.package import Package
from registry.settings import mlflow_access
from registry.stores import LayoutStore, Store
from registry.stores.mlflow import MlflowStore
from registry.stores.oci import OciStore
from registry.stores.salvage import salvage
from tests.components.mlflow import MlflowServer
from tests.components.oci import OciRegistry
from tests.components.packages import credit_package, number_package

UNKNOWN = "sha256:" + "0" * 64


@dataclass
class Place:
    """A store, a second client of it, and where it keeps a blob."""

    open: Callable[[], Store]
    blob: Callable[[str], Path]

    @property
    def store(self) -> Store:
        """A client without memory of earlier calls."""
        return self.open()


@pytest.fixture(
    params=[
        "layout",
        pytest.param("oci", marks=pytest.mark.oci),
        pytest.param("mlflow", marks=pytest.mark.mlflow),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of each kind."""
    if request.param == "layout":
        root = tmp_path / "store"
        return Place(
            lambda: LayoutStore(root),
            lambda digest: root / "blobs" / "sha256" / digest.removeprefix("sha256:"),
        )
    if request.param == "mlflow":
        server: MlflowServer = request.getfixturevalue("mlflow_server")
        access, prefix = mlflow_access(server.address), f"{uuid.uuid4().hex} "

        def kept(digest: str) -> Path:
            """The server's file: blobs of the same bytes are kept once a package."""
            versions = Versions(Client(access), prefix).all()
            (found,) = {
                path
                for version in versions
                for path in server.artifacts.glob(
                    f"*/models/{version.model}/artifacts/affiant/*/blobs/sha256/*"
                )
                if path.name == digest.removeprefix("sha256:")
            }
            return found

        return Place(lambda: MlflowStore(access, prefix=prefix), kept)
    registry: OciRegistry = request.getfixturevalue("oci_registry")
    reference = f"{registry.address}/models/{uuid.uuid4().hex}"
    return Place(lambda: OciStore(reference, timeout=10), registry.blob)


def blobs_of(package: Package) -> list[str]:
    """Every digest that a store keeps of a package, the manifest first."""
    return [package.digest, *package.blobs]


def test_what_is_pushed_comes_back_byte_for_byte(place: Place) -> None:
    """The digest is the name, and another client finds it."""
    package = credit_package()
    assert place.store.push(package) == package.digest
    pulled = place.store.pull(package.digest)
    assert pulled.manifest == package.manifest
    assert dict(pulled.blobs) == dict(package.blobs)


def test_an_empty_store_lists_nothing_and_has_nothing(place: Place) -> None:
    """No error before the first push."""
    assert len(place.store.list()) == 0
    assert not place.store.exists(UNKNOWN)
    with pytest.raises(NotFound):
        place.store.pull(UNKNOWN)


def test_a_listing_says_what_is_there(place: Place) -> None:
    """Name, time, size and kind, from the manifests."""
    packages = [credit_package(), number_package(), credit_package(form="json")]
    for package in packages:
        place.store.push(package)
    listed = {item.digest: item for item in place.store.list()}
    assert listed.keys() == {package.digest for package in packages}
    item = listed[packages[0].digest]
    assert (item.name, item.created, item.model_type) == ("credit", "2026-01-02T03:04:05Z", "xgboost-ubj")
    assert item.size == sum(len(blob) for blob in packages[0].blobs.values())


def test_pushing_twice_is_no_error(place: Place) -> None:
    """A retry after an answer that was lost."""
    for _ in range(2):
        place.store.push(number_package())
    assert len(place.store.list()) == 1
    assert place.store.exists(number_package().digest)


def test_many_pushes_at_once_are_all_there(place: Place) -> None:
    """Concurrent publishers lose nothing of each other."""
    packages = [number_package(name=f"model-{number}") for number in range(6)]
    errors: list[BaseException] = []

    def push(package: Package) -> None:
        try:
            place.open().push(package)
        except RegistryError as error:
            errors.append(error)

    threads = [threading.Thread(target=push, args=(package,)) for package in packages for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {item.digest for item in place.store.list()} == {package.digest for package in packages}
    for package in packages:
        assert place.store.pull(package.digest).digest == package.digest


@pytest.mark.parametrize(
    "digest",
    ["", "credit", "latest", "sha256:../../etc/passwd", UNKNOWN.upper(), UNKNOWN + "\n", "md5:" + "0" * 32],
)
def test_what_is_no_digest_is_not_found(place: Place, digest: str) -> None:
    """Names, tags and paths get nothing out of a store."""
    place.store.push(number_package())
    assert not place.store.exists(digest)
    with pytest.raises(NotFound):
        place.store.pull(digest)


def test_a_package_that_does_not_verify_is_not_pushed(place: Place) -> None:
    """Damage is found before anything is kept."""
    package = number_package()
    digest = package.parsed.layers[0].digest
    damaged = Package(package.manifest, {**package.blobs, digest: package.blobs[digest][:-1] + b"!"})
    with pytest.raises(PackageError):
        place.store.push(damaged)
    assert len(place.store.list()) == 0


@pytest.mark.parametrize("change", ["flipped", "gone"])
def test_a_damaged_manifest_is_named_and_hides_no_other_package(place: Place, change: str) -> None:
    """Else one bad file would end every command that lists; mended, it is listed again."""
    good, bad = number_package(), number_package("damaged")
    for package in (good, bad):
        place.store.push(package)
    path = place.blob(bad.digest)
    whole = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(whole.replace(b"affiant", b"affianT"))
    found = place.store.list()
    assert [item.digest for item in found] == [good.digest]
    (flaw,) = found.flaws
    assert (flaw.digest, bool(flaw.problem)) == (bad.digest, True)
    assert set(found.digests) == {good.digest, bad.digest}
    path.write_bytes(whole)
    assert {item.digest for item in place.store.list()} == {good.digest, bad.digest}


@pytest.mark.parametrize("at", ["first", "middle", "last"])
def test_a_byte_changed_in_any_stored_file_is_refused(place: Place, at: str) -> None:
    """Tampering with the storage itself: each blob and the manifest, each at three places."""
    package = number_package()
    place.store.push(package)
    for digest in blobs_of(package):
        path = place.blob(digest)
        whole = path.read_bytes()
        spot = {"first": 0, "middle": len(whole) // 2, "last": len(whole) - 1}[at]
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1 :])
        with pytest.raises(RegistryError) as caught:
            place.store.pull(package.digest)
        assert str(caught.value)
        path.write_bytes(whole)
    assert place.store.pull(package.digest).digest == package.digest


@pytest.mark.parametrize("change", ["cut", "longer", "empty", "gone"])
def test_a_stored_file_that_was_cut_lengthened_or_removed_is_refused(place: Place, change: str) -> None:
    """No more is read than the manifest says, and nothing less is taken."""
    package = number_package()
    place.store.push(package)
    for digest in blobs_of(package):
        path = place.blob(digest)
        whole = path.read_bytes()
        if change == "gone":
            path.unlink()
        else:
            path.write_bytes({"cut": whole[:-1], "longer": whole + b"\0" * 100_000, "empty": b""}[change])
        with pytest.raises(RegistryError) as caught:
            place.store.pull(package.digest)
        assert str(caught.value)
        path.write_bytes(whole)


def test_two_blobs_exchanged_are_refused(place: Place) -> None:
    """Right bytes at the wrong place."""
    package = number_package()
    place.store.push(package)
    paths = [place.blob(package.parsed.layers[number].digest) for number in (0, 2)]
    one, two = (path.read_bytes() for path in paths)
    paths[0].write_bytes(two)
    paths[1].write_bytes(one)
    with pytest.raises(RegistryError):
        place.store.pull(package.digest)


def test_another_artifact_in_the_same_place_is_left_alone(place: Place) -> None:
    """A layout or a repository may hold things that are not ours."""
    place.store.push(number_package())
    store = place.store
    if isinstance(store, LayoutStore):
        index = store._directory / "index.json"
        content = json.loads(index.read_bytes())
        foreign = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": EMPTY_DIGEST,
            "size": 2,
        }
        content["manifests"].append(foreign)
        index.write_text(json.dumps(content))
        store.push(credit_package())
        assert foreign in json.loads(index.read_bytes())["manifests"]
    elif isinstance(store, MlflowStore):
        # Somebody's own version in a model of ours, and one whose tag is no digest.
        for tag in ("", "sha256:not"):
            store._versions.create(
                f"{store._versions.prefix}numbers",
                _model_of(store),
                None,
                {"affiant.digest": tag} if tag else {},
                "",
            )
        store.push(credit_package())
    else:
        assert isinstance(store, OciStore)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY_DIGEST, "size": 2},
            "layers": [],
        }
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        url = f"{store._base}/manifests/latest"
        assert store._request("PUT", url, headers, json.dumps(manifest).encode()).status_code == 201
        store.push(credit_package())
    assert {item.digest for item in place.store.list()} == {number_package().digest, credit_package().digest}


def _model_of(store: MlflowStore) -> str:
    (version,) = store._versions.of(number_package().digest)
    assert version.model is not None
    return version.model


def test_errors_of_a_store_have_one_root() -> None:
    """Whoever asks a store catches two families."""
    assert issubclass(NotFound, StoreError)
    assert issubclass(StoreError, RegistryError)
    assert issubclass(PackageError, RegistryError)


def test_what_is_whole_of_a_damaged_package_can_be_salvaged(place: Place) -> None:
    """For evidence: the manifest and the parts that match it; what does not is named, and the rest is not given."""
    package = number_package()
    place.store.push(package)
    layers = package.parsed.roles
    for role, layer in layers.items():  # a registry is shared, and other tests have damaged what is in it
        place.blob(layer.digest).write_bytes(package.part(role))
    model = place.blob(layers["model"].digest)
    model.write_bytes(b"x" * model.stat().st_size)
    found = salvage(place.store, package.digest, ("model", "signature", "card"))
    assert found.manifest == package.manifest
    assert dict(found.blobs) == {layers[role].digest: package.part(role) for role in ("signature", "card")}
    (flaw,) = found.flaws
    assert flaw.startswith(f"{layers['model'].annotations.title}: ")
    with pytest.raises(NotFound):
        salvage(place.store, UNKNOWN, ())
