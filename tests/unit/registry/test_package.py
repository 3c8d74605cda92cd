"""Packages: what `verify` refuses, and that the same content has the same name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from registry.errors import DigestMismatch, PackageError, PickleRefused
from registry.manifest import canonical_json, digest_of, read_manifest
from registry.package import Package, PackageContent, build, verify
from tests.components.packages import credit_package, number_package


def content_of(package: Package) -> PackageContent:
    """The files of a package again."""
    return PackageContent(
        model=package.model,
        model_type=package.model_type,
        signature_json=package.part("signature"),
        reference=package.part("reference"),
        golden=package.part("golden"),
        lineage_json=package.part("lineage"),
        card=package.part("card"),
    )


def with_manifest(package: Package, change) -> Package:
    """The package with its manifest's JSON changed and written in the canonical form again."""
    value = json.loads(package.manifest)
    change(value)
    return Package(canonical_json(value), package.blobs)


def test_the_same_content_gives_the_same_digest() -> None:
    """Building is deterministic: a digest is the name of what is in it."""
    package = number_package()
    assert build(content_of(package)).manifest == package.manifest
    assert package.digest == digest_of(package.manifest)


def test_another_content_gives_another_digest() -> None:
    """One more byte in the card is another package."""
    package = number_package()
    content = content_of(package)
    assert build(replace(content, card=content.card + b"\n")).digest != package.digest


def test_a_flipped_bit_in_any_blob_is_named() -> None:
    """`verify` says which file a wrong byte is in."""
    package = number_package()
    for layer in package.parsed.layers:
        blob = bytearray(package.blobs[layer.digest])
        blob[len(blob) // 2] ^= 1
        damaged = Package(package.manifest, {**package.blobs, layer.digest: bytes(blob)})
        with pytest.raises(DigestMismatch, match=layer.annotations.title):
            verify(damaged)


def test_a_missing_a_short_and_a_surplus_blob_are_refused() -> None:
    """Exactly the blobs of the manifest, each of its length."""
    package = number_package()
    layer = package.parsed.layers[0]
    without = {digest: blob for digest, blob in package.blobs.items() if digest != layer.digest}
    with pytest.raises(PackageError, match="missing"):
        verify(Package(package.manifest, without))
    with pytest.raises(DigestMismatch, match=r"model\.ubj"):
        verify(Package(package.manifest, {**package.blobs, layer.digest: package.model[:-1]}))
    with pytest.raises(PackageError, match="does not name"):
        verify(Package(package.manifest, {**package.blobs, digest_of(b"x"): b"x"}))


def test_another_packages_manifest_is_refused_under_this_digest() -> None:
    """A valid package is still not the one that was asked for."""
    with pytest.raises(DigestMismatch, match="manifest"):
        verify(number_package(), credit_package().digest)


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "/etc/passwd", "model.pkl", "", "..", "model.ubj\x00.pkl"]
)
def test_a_file_name_other_than_the_roles_own_is_refused(title: str) -> None:
    """Path traversal: a title never becomes a path, because only six titles exist."""

    def change(value) -> None:
        value["layers"][0]["annotations"]["org.opencontainers.image.title"] = title

    with pytest.raises(PackageError, match=r"layer|manifest"):
        verify(with_manifest(number_package(), change))


@pytest.mark.parametrize(
    "media_type",
    ["application/octet-stream", "application/x-python-pickle", "application/vnd.affiant.model.v2+json", ""],
)
def test_a_foreign_media_type_is_refused(media_type: str) -> None:
    """Neither a layer nor the artifact itself may be of another kind."""

    def layer(value) -> None:
        value["layers"][0]["mediaType"] = media_type

    def artifact(value) -> None:
        value["artifactType"] = media_type

    for change in (layer, artifact):
        with pytest.raises(PackageError):
            verify(with_manifest(number_package(), change))


def test_a_digest_that_is_a_path_is_refused() -> None:
    """A digest becomes a file name in the layout: it is 64 hex digits and nothing else."""

    def change(value) -> None:
        value["layers"][0]["digest"] = "sha256:../../../../etc/passwd"

    with pytest.raises(PackageError, match=r"layers\.0\.digest"):
        verify(with_manifest(number_package(), change))


def test_sizes_are_limited_before_anything_is_read() -> None:
    """A manifest that announces a huge blob is refused by its number alone."""

    def change(value) -> None:
        value["layers"][1]["size"] = 1 << 29

    with pytest.raises(PackageError, match=r"signature\.json: .* more than"):
        read_manifest(with_manifest(number_package(), change).manifest)
    with pytest.raises(PackageError, match="more than"):
        read_manifest(b" " * (65 << 10))


def test_layers_in_another_order_twice_or_left_out_are_refused() -> None:
    """Each part is there once, at its place."""

    def swap(value) -> None:
        value["layers"][1], value["layers"][2] = value["layers"][2], value["layers"][1]

    def repeat(value) -> None:
        value["layers"][2] = value["layers"][1]

    def drop(value) -> None:
        del value["layers"][2]

    def add(value) -> None:
        value["layers"].append(value["layers"][0])

    for change in (swap, repeat, drop, add):
        with pytest.raises(PackageError):
            verify(with_manifest(number_package(), change))


def test_a_manifest_in_another_spelling_is_refused() -> None:
    """The same JSON value with a space, another key order or a key twice is not the manifest."""
    package = number_package()
    spaced = package.manifest.replace(b'","', b'", "', 1)
    reordered = json.dumps(dict(reversed(json.loads(package.manifest).items()))).encode()
    twice = package.manifest.replace(b'"schemaVersion":2', b'"schemaVersion":2,"schemaVersion":2')
    for manifest in (spaced, reordered, twice, package.manifest + b"\n"):
        with pytest.raises(PackageError, match="manifest"):
            read_manifest(manifest)


def test_parts_of_two_models_do_not_make_a_package() -> None:
    """Signature, golden rows, reference and lineage speak of one model."""
    ours, other = content_of(number_package()), content_of(credit_package())
    for mixed in (
        replace(ours, golden=other.golden),
        replace(ours, reference=other.reference),
        replace(ours, signature_json=other.signature_json),
    ):
        with pytest.raises(PackageError):
            build(mixed)


def test_a_model_of_another_kind_than_the_manifest_says_is_refused() -> None:
    """Bytes decide, not names; and a pickle is refused as a pickle."""
    content = content_of(number_package())
    with pytest.raises(PackageError, match="the manifest says onnx"):
        build(replace(content, model_type="onnx"))
    with pytest.raises(PickleRefused, match="pickle"):
        build(replace(content, model=b"\x80\x04\x95\x00\x00"))


@pytest.mark.parametrize(
    ("part", "data", "says"),
    [
        ("signature_json", b'{"format":1}', r"signature\.json"),
        ("signature_json", b"[" * 100_000, r"signature\.json"),
        ("lineage_json", b"[]", r"lineage\.json"),
        ("lineage_json", b'{"format":1}', "created"),
        ("lineage_json", b'{"format":1,"created":NaN}', r"lineage\.json"),
        ("card", b"\xff", r"card\.md"),
        ("golden", b"\xa0", r"golden\.cbor"),
        ("reference", b"\x9f", r"reference\.cbor"),
    ],
)
def test_a_part_that_is_not_its_format_is_named(part: str, data: bytes, says: str) -> None:
    """The message begins with the file."""
    with pytest.raises(PackageError, match=says):
        build(replace(content_of(number_package()), **{part: data}))
