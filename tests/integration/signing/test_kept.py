"""Signatures with their package: one contract, in a layout directory, a real OCI registry and a real MLflow server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.config import load
from registry.errors import NotFound, SignatureRefused, StoreUnavailable
from registry.manifest import EMPTY_DIGEST, canonical_json, digest_of
from registry.package import Package
from registry.settings import mlflow_access
from registry.signing.bundle import BUNDLE_TYPE, MAX_SIGNATURE
from registry.signing.kept import LayoutSignatures, Signatures, configured_signatures
from registry.signing.kept.artifact import KIND, entry_of, manifest_of
from registry.signing.kept.mlflow import MlflowSignatures
from registry.signing.kept.oci import OciSignatures
from registry.stores import LayoutStore, Store
from registry.stores.mlflow import MlflowStore
from registry.stores.oci import OciStore
from tests.components.mlflow import MlflowServer
from tests.components.oci import OciRegistry
from tests.components.packages import number_package


@dataclass
class Place:
    """A store, its signatures, and where it keeps the bytes of one."""

    store: Store
    signatures: Signatures
    file: Callable[[Package, str], Path]


@pytest.fixture(
    scope="module",
    params=[
        "layout", pytest.param("oci", marks=pytest.mark.oci), pytest.param("mlflow", marks=pytest.mark.mlflow),
    ],
)  # fmt: skip
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store of each kind with two packages; each test has its own signatures."""
    if request.param == "layout":
        root = tmp_path_factory.mktemp("store")
        found = Place(
            LayoutStore(root), LayoutSignatures(root), lambda _, digest: root / "blobs" / "sha256" / digest[7:]
        )  # fmt: skip
    elif request.param == "oci":
        registry: OciRegistry = request.getfixturevalue("oci_registry")
        reference = f"{registry.address}/signing/kept"
        found = Place(OciStore(reference), OciSignatures(reference), lambda _, digest: registry.blob(digest))
    else:
        server: MlflowServer = request.getfixturevalue("mlflow_server")
        access, prefix = mlflow_access(server.address), f"signing{uuid.uuid4().hex[:8]}."

        def file(package: Package, digest: str) -> Path:
            (path,) = server.artifacts.rglob(f"affiant/{package.digest[7:]}/signatures/{digest[7:]}.json")
            return path

        found = Place(MlflowStore(access, prefix=prefix), MlflowSignatures(access, prefix=prefix), file)
    for package in (number_package(), number_package("another")):
        found.store.push(package)
    return found


def test_signatures_are_kept_with_their_package(place: Place) -> None:
    """Each with its own, the same bytes once, by digest; packages are listed and pulled as before."""
    mine, other = number_package(), number_package("another")
    before = place.store.list()
    first, second, third = b'{"a": 1}', b'{"a": 2}', b'{"a": 3}'
    assert place.signatures.keep(mine, first) == digest_of(first)
    assert place.signatures.keep(mine, second) == digest_of(second)
    assert place.signatures.keep(mine, first) == digest_of(first)
    assert place.signatures.keep(other, third) == digest_of(third)
    found = place.signatures.kept(mine.digest)
    assert {(each.digest, each.raw, each.problem) for each in found} == {
        (digest_of(each), each, "") for each in (first, second)
    }
    assert [each.raw for each in place.signatures.kept(other.digest)] == [third]
    assert place.signatures.kept("sha256:" + "00" * 32) == ()
    assert place.signatures.kept("no/digest") == ()
    assert (place.store.list(), place.store.pull(mine.digest).digest) == (before, mine.digest)


def test_a_signature_of_a_package_that_is_not_there_is_refused(place: Place) -> None:
    """Nothing is kept of it."""
    absent = number_package("absent")
    with pytest.raises(NotFound, match="a signature is kept with its package"):
        place.signatures.keep(absent, b"{}")
    assert place.signatures.kept(absent.digest) == ()


def test_a_damaged_signature_is_told_and_not_passed_over(place: Place) -> None:
    """Changed, too long, gone: it is still there, without bytes; kept again, it is whole."""
    package = number_package("damaged")
    place.store.push(package)
    raw = b'{"will be": "changed"}'
    digest = place.signatures.keep(package, raw)
    path = place.file(package, digest)
    path.write_bytes(raw.replace(b"changed", b"chanqed"))
    (found,) = place.signatures.kept(package.digest)
    assert (found.digest, found.raw) == (digest, None)
    assert "its bytes are not those that were kept" in found.problem
    path.write_bytes(b" " * (MAX_SIGNATURE + 1))
    (found,) = place.signatures.kept(package.digest)
    assert (found.raw, "longer than" in found.problem) == (None, True), found.problem
    path.unlink()
    gone = place.signatures.kept(package.digest)
    # With MLflow a signature is a file and no more: one that is taken away was never there.
    assert [(each.digest, each.raw) for each in gone] == (
        [] if isinstance(place.signatures, MlflowSignatures) else [(digest, None)]
    )
    place.signatures.keep(package, raw)
    assert [each.raw for each in place.signatures.kept(package.digest)] == [raw]


@pytest.mark.oci
def test_what_others_attach_is_looked_at_when_it_is_a_model_signature(oci_registry: OciRegistry) -> None:
    """As cosign attaches bundles: another statement's is passed over; one that says nothing of its kind is not."""
    reference = f"{oci_registry.address}/signing/others"
    store, signatures = OciStore(reference), OciSignatures(reference)
    package = number_package()
    store.push(package)
    for raw, kind in ((b'{"an": "SBOM"}', "https://spdx.dev/Document"), (b'{"a": "model"}', None)):
        manifest = json.loads(manifest_of(package, raw))
        del manifest["annotations"][KIND]
        manifest["annotations"] |= {"org.example": "theirs"} | ({KIND: kind} if kind else {})
        theirs = canonical_json(manifest)
        for digest, blob in ((digest_of(raw), raw), (EMPTY_DIGEST, b"{}")):
            signatures._upload(digest, blob)
        entry = {**entry_of(package, theirs), "annotations": manifest["annotations"]}
        signatures._refer(package.digest, theirs, entry)
    assert [each.raw for each in signatures.kept(package.digest)] == [b'{"a": "model"}']


@pytest.mark.oci
def test_a_referrer_that_is_of_another_package_is_not_of_this_one(oci_registry: OciRegistry) -> None:
    """The list is the registry's word; whose it is, is in the manifest. One that is gone is told."""
    reference = f"{oci_registry.address}/signing/copied"
    store, signatures = OciStore(reference), OciSignatures(reference)
    mine, other = number_package(), number_package("another")
    for package in (mine, other):
        store.push(package)
    signatures.keep(other, b'{"of": "the other"}')
    copied = manifest_of(other, b'{"of": "the other"}')
    entry = {**entry_of(mine, copied), "annotations": {}}
    signatures._list_by_tag(mine.digest, entry)
    assert signatures.kept(mine.digest) == ()
    signatures.keep(mine, b'{"of": "mine"}')
    lost = digest_of(manifest_of(mine, b'{"of": "mine"}'))
    oci_registry.blob(lost).unlink()
    (found,) = signatures.kept(mine.digest)
    assert (found.digest, found.raw, "is not in" in found.problem) == (lost, None, True), found


def test_more_signatures_than_anybody_makes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the store could have them all verified; up to the limit they are."""
    package = number_package()
    LayoutStore(tmp_path).push(package)
    signatures = LayoutSignatures(tmp_path)
    monkeypatch.setattr("registry.signing.kept.layout.MAX_KEPT", 3)
    for number in range(3):
        signatures.keep(package, b"%d" % number)
    assert len(signatures.kept(package.digest)) == 3
    signatures.keep(package, b"one more")
    with pytest.raises(SignatureRefused, match="more than 3 signatures"):
        signatures.kept(package.digest)


def test_a_manifest_that_is_too_long_or_no_manifest_is_told(tmp_path: Path) -> None:
    """Whose signature it is cannot be said then, and it is not passed over. No blob is read that would be too long."""
    package = number_package()
    LayoutStore(tmp_path).push(package)
    signatures = LayoutSignatures(tmp_path)
    for content in (
        b"{}",
        b"garbage",
        canonical_json({**json.loads(manifest_of(package, b"x")), "layers": []}),
    ):
        signatures._write(signatures._path(digest_of(content)), content)
        index = {
            "schemaVersion": 2,
            "manifests": [{"artifactType": BUNDLE_TYPE, "digest": digest_of(content)}],
        }
        (tmp_path / "index.json").write_bytes(canonical_json(index))
        (found,) = signatures.kept(package.digest)
        assert (found.raw, "the signature's manifest" in found.problem) == (None, True)
    long = manifest_of(package, b" " * (MAX_SIGNATURE + 1))
    signatures._write(signatures._path(digest_of(long)), long)
    index["manifests"] = [entry_of(package, long)]
    (tmp_path / "index.json").write_bytes(canonical_json(index))
    (found,) = signatures.kept(package.digest)
    assert (found.raw, found.problem) == (None, "the signature: over 262144 bytes")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ("", LayoutSignatures),
        ('[store]\nbackend = "oci"\nreference = "127.0.0.1:1/models/credit"\n', OciSignatures),
        ('[store]\nbackend = "mlflow"\ntracking_uri = "http://127.0.0.1:1"\n', MlflowSignatures),
    ],
    ids=["layout", "oci", "mlflow"],
)
def test_signatures_are_where_the_packages_are(settings: str, kind: type, tmp_path: Path) -> None:
    """By the settings' store; nothing is asked yet, and one that does not answer has no signatures to be judged."""
    path = tmp_path / "affiant.toml"
    path.write_text('[data]\ndirectory = "data"\n' + settings)
    found = configured_signatures(load(path))
    assert isinstance(found, kind)
    if settings:
        with pytest.raises(StoreUnavailable):
            found.kept(number_package().digest)
    else:
        LayoutStore(tmp_path / "data" / "store").push(number_package())
        found.keep(number_package(), b"{}")
        assert len(LayoutSignatures(tmp_path / "data" / "store").kept(number_package().digest)) == 1
