"""The package's bytes, file by file, and a reader of them made from docs/model-package.md alone."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from pathlib import Path

import cbor2
import numpy as np
import pytest

from registry import golden, reference
from registry.package import Package, verify
from tests.golden.package import make

HERE = Path(__file__).parent
DIGEST = "sha256:cfc9b4ae8c027f5943238bec94f0bf88bc9326722eafe8990a93f51b82379e0f"
FILES = ("model.ubj", "signature.json", "reference.cbor", "golden.cbor", "lineage.json", "card.md")


def sha256(data: bytes) -> str:
    """As a descriptor writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_the_manifest_names_exactly_these_files() -> None:
    """Independent of our code: the document's keys, order and digests."""
    manifest = (HERE / "manifest.json").read_bytes()
    assert sha256(manifest) == DIGEST
    content = json.loads(manifest)
    assert content["artifactType"] == "application/vnd.affiant.model.v1+json"
    assert content["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": sha256(b"{}"),
        "size": 2,
    }
    assert [layer["annotations"]["org.opencontainers.image.title"] for layer in content["layers"]] == list(
        FILES
    )
    for layer, name in zip(content["layers"], FILES, strict=True):
        data = (HERE / name).read_bytes()
        assert (layer["digest"], layer["size"]) == (sha256(data), len(data))
    assert content["annotations"] == {
        "org.affiant.model.name": "golden",
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
    }
    assert manifest == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_building_gives_these_bytes() -> None:
    """The same content gives, for ever, the same package."""
    made = make.package()
    assert made.manifest == (HERE / "manifest.json").read_bytes()
    for layer in made.parsed.layers:
        assert made.blobs[layer.digest] == (HERE / layer.annotations.title).read_bytes()


def test_the_files_are_a_package() -> None:
    """What was written then is read today."""
    blobs = [(HERE / name).read_bytes() for name in FILES]
    package = Package((HERE / "manifest.json").read_bytes(), {sha256(blob): blob for blob in blobs})
    verify(package, DIGEST)
    assert package.signature == make.SIGNATURE
    assert package.golden.rows.tobytes() == make.inputs()[:5].tobytes()


def test_golden_cbor_read_by_hand() -> None:
    """Section 4: counts, and packed little-endian float32 row by row."""
    content = cbor2.load(io.BytesIO((HERE / "golden.cbor").read_bytes()))
    assert content.keys() == {"format", "rows", "columns", "outputs", "input", "expected", "made_with"}
    assert (content["format"], content["rows"], content["columns"], content["outputs"]) == (1, 5, 2, 1)
    assert struct.unpack("<10f", content["input"]) == (7.0, 0.0) * 5
    assert struct.unpack("<5f", content["expected"]) == tuple(number / 256 for number in range(5))


def test_reference_cbor_read_by_hand() -> None:
    """Section 5: every value of the table is found in exactly the bin that the document says."""
    content = cbor2.load(io.BytesIO((HERE / "reference.cbor").read_bytes()))
    assert (content["format"], content["bins"], content["rows"]) == (1, 1024, 200)
    assert struct.unpack("<d", content["level"]) == (0.001,)
    assert struct.unpack("<d", content["radius"])[0] == pytest.approx((np.log(2000) / 400) ** 0.5)
    income, grade = content["features"]
    (minimum,) = struct.unpack("<f", income["minimum"])
    edges = struct.unpack(f"<{len(income['edges']) // 4}f", income["edges"])
    counts = list(struct.unpack(f"<{len(income['counts']) // 8}Q", income["counts"]))
    assert minimum == -1.5
    assert (income["missing"], income["negative_infinity"], income["positive_infinity"]) == (4, 1, 3)
    for value in make.inputs()[:, 0]:
        if np.isfinite(value):
            lower = [minimum - 1, *edges]
            (place,) = [number for number in range(len(edges)) if lower[number] < value <= edges[number]]
            counts[place] -= 1
    assert not any(counts)
    assert struct.unpack("<2Q", grade["counts"]) == (150, 40)
    assert (grade["missing"], grade["unseen"]) == (7, 3)


def test_both_binary_parts_survive_a_round_trip() -> None:
    """Decoding and encoding again changes nothing."""
    for name, module in (("golden.cbor", golden), ("reference.cbor", reference)):
        data = (HERE / name).read_bytes()
        assert module.decode(data).encode() == data
