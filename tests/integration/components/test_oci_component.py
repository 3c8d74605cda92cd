"""The OCI registry fixture itself, by its HTTP interface."""

from __future__ import annotations

import hashlib
import urllib.request

import pytest

from tests.components.oci import OciRegistry
from tests.components.ports import accepts

pytestmark = pytest.mark.oci


def test_a_blob_is_pushed_and_lies_in_its_file(oci_registry: OciRegistry) -> None:
    """A blob put by its digest is served back and is the file that `blob` names."""
    content = b"a model"
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    base = f"http://{oci_registry.address}/v2/component/test/blobs"
    begin = urllib.request.Request(f"{base}/uploads/", method="POST")
    with urllib.request.urlopen(begin, timeout=10) as answer:
        location = answer.headers["Location"]
    joint = "&" if "?" in location else "?"
    put = urllib.request.Request(
        f"{location}{joint}digest={digest}",
        data=content,
        method="PUT",
        headers={"Content-Type": "application/octet-stream"},
    )
    with urllib.request.urlopen(put, timeout=10) as answer:
        assert answer.status == 201
    with urllib.request.urlopen(f"{base}/{digest}", timeout=10) as answer:
        assert answer.read() == content
    assert oci_registry.blob(digest).read_bytes() == content


def test_a_registry_of_ones_own_can_be_stopped_and_started(own_oci_registry: OciRegistry) -> None:
    """It comes back on the same port."""
    own_oci_registry.stop()
    assert not accepts(own_oci_registry.port)
    own_oci_registry.start()
    assert accepts(own_oci_registry.port)
