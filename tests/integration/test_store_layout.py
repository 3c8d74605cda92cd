"""The layout directory: its form for other tools, its index under attack, and interrupted pushes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import RegistryError, StoreDamaged, StoreUnavailable
from registry.manifest import ARTIFACT_TYPE, EMPTY_DIGEST
from registry.stores import LayoutStore
from tests.components.packages import credit_package, number_package


def fail_at(patch: pytest.MonkeyPatch, call: str, number: int) -> bool:
    """Make the call of that number fail with ENOSPC; False when a push makes fewer calls than that."""
    made = {"fsync": 16, "write": 8, "replace": 8}[call]
    if number > made:
        return False
    place, name = {"fsync": (os, "fsync"), "write": (Path, "open"), "replace": (Path, "replace")}[call]
    real = getattr(place, name)
    calls = 0

    def failing(*arguments: object, **options: object) -> object:
        nonlocal calls
        counted = call != "write" or arguments[1:2] == ("wb",)
        calls += counted
        if counted and calls == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)

    patch.setattr(place, name, failing)
    return True


def test_the_directory_is_an_oci_image_layout(tmp_path: Path) -> None:
    """The files that image-layout.md asks for, so that other tools read it."""
    package = number_package()
    LayoutStore(tmp_path).push(package)
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((tmp_path / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    (entry,) = index["manifests"]
    assert (entry["digest"], entry["size"], entry["artifactType"]) == (
        package.digest,
        len(package.manifest),
        ARTIFACT_TYPE,
    )
    names = {path.name for path in (tmp_path / "blobs" / "sha256").iterdir()}
    assert names == {
        digest.removeprefix("sha256:") for digest in (package.digest, EMPTY_DIGEST, *package.blobs)
    }


def test_any_flipped_bit_of_the_index_never_gives_another_package(tmp_path: Path) -> None:
    """Each byte of index.json changed: a clear error, or the right package; and a listing never lies."""
    package = number_package()
    store = LayoutStore(tmp_path)
    store.push(package)
    truth = store.list()
    index = tmp_path / "index.json"
    whole = index.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        index.write_bytes(bytes(damaged))
        try:
            assert store.pull(package.digest).manifest == package.manifest
        except RegistryError as error:
            assert str(error)  # noqa: PT017 - either way is right; what matters is that nothing else comes out
        try:
            listed = store.list()
            assert listed == truth or not listed.packages
        except RegistryError as error:
            assert str(error)  # noqa: PT017 - as above


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"schemaVersion":2,"manifests":[1]}', b"\xff"])
def test_an_index_that_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    """Reading and pushing both refuse to go on from a damaged index."""
    store = LayoutStore(tmp_path)
    store.push(number_package())
    (tmp_path / "index.json").write_bytes(content)
    for ask in (
        store.list,
        lambda: store.pull(number_package().digest),
        lambda: store.push(credit_package()),
    ):
        with pytest.raises(StoreDamaged, match=r"index\.json"):
            ask()


def test_a_push_mends_a_damaged_blob(tmp_path: Path) -> None:
    """What lies in a blob's place is compared, not trusted."""
    package = number_package()
    store = LayoutStore(tmp_path)
    store.push(package)
    path = tmp_path / "blobs" / "sha256" / package.parsed.layers[0].digest.removeprefix("sha256:")
    path.write_bytes(b"damaged")
    store.push(package)
    assert store.pull(package.digest).model == package.model


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
def test_each_write_failing_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The disk fails at write n, for every n: what was there is still there and whole, and a retry works."""
    points = 0
    while True:
        points += 1
        root = tmp_path / str(points)
        store = LayoutStore(root)
        store.push(credit_package())
        with monkeypatch.context() as patch:
            failed = fail_at(patch, call, points)
            if not failed:
                store.push(number_package())
                break
            with pytest.raises(StoreUnavailable, match="No space left"):
                store.push(number_package())
        assert store.pull(credit_package().digest).digest == credit_package().digest
        for item in store.list():
            assert store.pull(item.digest).digest == item.digest
        assert list(root.rglob("*.part")) == []
        store.push(number_package())
        assert {item.name for item in store.list()} == {"credit", "numbers"}
    assert points >= 9  # seven blobs, the index, and the one that did not fail


def test_publishers_killed_at_any_time_leave_whole_packages(tmp_path: Path) -> None:
    """Processes that push in a loop are killed; every package that the index names verifies."""
    code = (
        "import sys; from pathlib import Path; from registry.stores import LayoutStore\n"
        "from tests.components.packages import number_package\n"
        "store = LayoutStore(Path(sys.argv[1])); print('ready', flush=True)\n"
        "for n in range(1000): store.push(number_package(name=f'm{n}')); print(n, flush=True)\n"
    )
    for pushes in (1, 3, 6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(1 + pushes):
            assert process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        store = LayoutStore(tmp_path)
        found = store.list()
        assert len(found) >= pushes
        for item in found:
            assert store.pull(item.digest).digest == item.digest


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file where the directory should be: one error, with the path."""
    (tmp_path / "store").write_text("not a directory")
    with pytest.raises(StoreUnavailable, match="store"):
        LayoutStore(tmp_path / "store").push(number_package())
