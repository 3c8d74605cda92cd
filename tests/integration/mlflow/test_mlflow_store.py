"""What the MLflow store does beyond the contract of every store (test_store_conformance.py has that)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry.errors import DigestMismatch, NotFound, PackageError
from registry.mlflow.versions import DIGEST_TAG, KEPT_TAG, Versions
from registry.settings import mlflow_access
from registry.stores import LayoutStore
from registry.stores.mlflow import MlflowStore
from tests.components.mlflow import PASSWORD, MlflowServer
from tests.components.packages import credit_package, number_package

from .conftest import Logged, Publisher

pytestmark = pytest.mark.mlflow


@pytest.fixture
def store(mlflow_server: MlflowServer, request: pytest.FixtureRequest) -> MlflowStore:
    """An empty one."""
    return MlflowStore(mlflow_access(mlflow_server.address), prefix=f"{request.node.name.replace('_', ' ')} ")


def folder(server: MlflowServer, model: str | None, digest: str) -> Path:
    """Where the server keeps a package."""
    (found,) = server.artifacts.glob(f"*/models/{model}/artifacts/affiant/{digest.removeprefix('sha256:')}")
    return found


def test_a_package_is_kept_with_the_version_that_it_was_taken_from(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No version is added; a second package of the same version has a version of its own."""
    settings = f'[store]\nbackend = "mlflow"\ntracking_uri = "{logged.server.plain}"\nprefix = "credit-"\n'
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    publisher = Publisher(tmp_path, settings)
    versions = Versions(logged.client())
    # Another test may have said of version 1 already which package it is.
    new = logged.client().post(
        "model-versions/create",
        {"name": logged.name, "source": f"models:/{logged.ids['model']}", "model_id": logged.ids["model"]},
    )["model_version"]["version"]
    address = f"models:/{logged.name}/{new}"
    first, second = (publisher.ok(address, "--threshold", each)["digest"] for each in (0.41, 0.42))
    (kept,) = versions.of(first)
    assert (kept.name, kept.number, kept.model) == (logged.name, int(new), logged.ids["model"])
    (own,) = versions.of(second)
    assert own.name == "credit-" + logged.name
    assert own.model != kept.model
    told = logged.client().get("model-versions/get", name=own.name, version=str(own.number))["model_version"]
    assert told["run_id"] == logged.ids["run"]
    assert {item["digest"] for item in publisher("list").json} >= {first, second}
    assert publisher("verify", "--golden").code == 0
    # The first package was among the model's artifacts when the second was made, and is no part of the model.
    told = publisher.lineage(second)["mlflow"]["artifacts"]
    assert {row["path"] for row in told if row["of"] == "model"} >= {"MLmodel", "model.ubj"}
    assert not any(row["path"].startswith("affiant") for row in told)
    assert publisher("show", first[7:19]).json["lineage"]["mlflow"]["version"]["version"] == new


def test_what_is_kept_is_an_oci_layout(
    mlflow_server: MlflowServer, store: MlflowStore, tmp_path: Path
) -> None:
    """Downloaded with MLflow's own client, the directory is a store."""
    package = number_package()
    store.push(package)
    (version,) = store._versions.of(package.digest)
    shutil.copytree(folder(mlflow_server, version.model, package.digest), tmp_path / "downloaded")
    layout = LayoutStore(tmp_path / "downloaded")
    assert [item.digest for item in layout.list()] == [package.digest]
    assert layout.pull(package.digest).manifest == package.manifest


def test_pushing_again_mends_what_was_damaged(mlflow_server: MlflowServer, store: MlflowStore) -> None:
    """In the same place: nothing new is made."""
    package = number_package()
    store.push(package)
    (version,) = store._versions.of(package.digest)
    model = package.parsed.layers[0].digest.removeprefix("sha256:")
    blob = folder(mlflow_server, version.model, package.digest) / "blobs" / "sha256" / model
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(DigestMismatch):
        store.pull(package.digest)
    store.push(package)
    assert store.pull(package.digest).digest == package.digest
    assert store._versions.of(package.digest) == (version,)


def test_a_version_that_claims_another_packages_digest_changes_nothing(store: MlflowStore) -> None:
    """A newer one, with a tag that anybody may set: its bytes are not those, and the right ones are found."""
    package, other = number_package(), credit_package()
    store.push(other)
    (liar,) = store._versions.of(other.digest)
    store._versions.set_tag(liar, DIGEST_TAG, package.digest)
    store._versions.set_tag(liar, KEPT_TAG, f"affiant/{package.digest[7:]}")
    with pytest.raises(PackageError, match="missing"):
        store.pull(package.digest)
    assert [each.digest for each in store.list().flaws] == [package.digest]
    with pytest.raises(NotFound):
        store.pull(other.digest)
    assert liar.model is not None
    body = {"experiment_id": store._versions.experiment("affiant"), "name": "numbers"}
    whole = store._client.post("logged-models", body)["model"]["info"]["model_id"]
    store._upload(whole, package)
    tags = {KEPT_TAG: f"affiant/{package.digest[7:]}", DIGEST_TAG: package.digest}
    store._versions.create(liar.name, whole, None, tags, "")
    store._versions.create(liar.name, liar.model, None, tags, "")
    assert [each.model for each in store._versions.of(package.digest)] == [liar.model, whole, liar.model]
    assert store.pull(package.digest).digest == package.digest
    found = store.list()
    assert ([each.digest for each in found], found.flaws) == ([package.digest], ())


def test_an_unfinished_push_is_not_seen(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version comes last: broken off before it, there is nothing; tried again, there is the package."""
    with monkeypatch.context() as broken:
        broken.setattr(Versions, "create", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.push(number_package())
    assert len(store.list()) == 0
    assert not store.exists(number_package().digest)
    store.push(number_package())
    assert [item.digest for item in store.list()] == [number_package().digest]
