"""Hostile packages: any wrong byte is refused, and nothing but PackageError ever comes out."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import golden, reference
from registry.errors import PackageError
from registry.manifest import digest_of, read_manifest, write_manifest
from registry.package import Package, verify
from tests.components.packages import number_package

PARTS = ("model", "signature", "reference", "golden", "lineage", "card")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PARTS), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_of_any_blob_is_refused(part: str, place: float, change: int) -> None:
    """Whatever byte of whatever blob is changed to whatever else."""
    package = number_package()
    layer = package.parsed.roles[part]
    blob = bytearray(package.blobs[layer.digest])
    blob[int(place * len(blob))] ^= change
    with pytest.raises(PackageError):
        verify(Package(package.manifest, {**package.blobs, layer.digest: bytes(blob)}))


def test_any_flipped_bit_of_the_manifest_is_refused_without_knowing_the_digest() -> None:
    """Every byte of a manifest is held by something else: no bit flips unseen, digest or no digest."""
    package = number_package()
    for place in range(len(package.manifest)):
        for bit in range(8):
            damaged = bytearray(package.manifest)
            damaged[place] ^= 1 << bit
            with pytest.raises(PackageError):
                verify(Package(bytes(damaged), package.blobs))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_as_a_manifest_give_package_errors_only(data: bytes) -> None:
    """No other exception, whatever comes."""
    with pytest.raises(PackageError):
        read_manifest(data)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    ),
    st.integers(0, 5),
)
def test_a_manifest_with_any_json_in_a_place_is_refused(value: object, place: int) -> None:
    """Structure fuzzing: a valid manifest with one value replaced."""
    package = number_package()
    content = json.loads(package.manifest)
    key = sorted(content)[place]
    if content[key] == value:
        return
    content[key] = value
    with pytest.raises(PackageError):
        read_manifest(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PARTS), st.binary(min_size=1, max_size=300))
def test_random_bytes_as_a_part_give_package_errors_only(part: str, data: bytes) -> None:
    """The manifest is right for the bytes, the bytes are nonsense."""
    _verify_with(part, data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PARTS[1:5]), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_part_that_is_nearly_right_gives_package_errors_only(part: str, place: float, change: int) -> None:
    """One byte changed and the manifest made to fit: it is refused, or it is still a package."""
    blob = bytearray(number_package().part(part))
    blob[int(place * len(blob))] ^= change
    _verify_with(part, bytes(blob))


def _verify_with(part: str, data: bytes) -> None:
    package = number_package()
    parts = tuple(data if name == part else package.part(name) for name in PARTS)
    manifest = write_manifest(package.model_type, parts, package.name, package.created)
    forged = Package(manifest, {digest_of(blob): blob for blob in parts})
    with contextlib.suppress(PackageError):  # any other exception fails the test
        verify(forged)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_as_golden_rows_or_reference_give_package_errors_only(data: bytes) -> None:
    """The two binary formats alone."""
    for decode in (golden.decode, reference.decode):
        with pytest.raises(PackageError):
            decode(data)
