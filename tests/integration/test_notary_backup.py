"""A notary's store is copied and put back; what would make it sign a smaller head than before is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from audit.errors import NotaryRefuses
from audit.notary.backup import backup, restore
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from audit.proof.checkpoint import open_checkpoint
from audit.proof.errors import NotProved
from cli.main import run
from tests.components.s3 import S3Bucket
from tests.components.sealed import NAME, KeySigner, SealedLog, seal_log, sealed_log, snapshot, write_log

KEY = KeySigner().public_key


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """Two epochs, sealed and archived; not to be changed."""
    return sealed_log(tmp_path_factory.mktemp("sealed") / "first")


@pytest.fixture
def made(first: SealedLog, tmp_path: Path) -> SealedLog:
    """The same, of the test's own."""
    shutil.copytree(first.root, tmp_path / "first")
    return replace(first, root=tmp_path / "first")


def affiant(*arguments: object) -> int:
    """Run the command in this process; its exit code."""
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def objects_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of each object of a store in a directory; files that begin with a dot are none."""
    return {
        name: digest
        for name, digest in snapshot(folder).items()
        if not name.rpartition("/")[2].startswith(".")
    }


def size_of(made: SealedLog) -> int:
    """Leaves under the published checkpoint."""
    return made.tree.published().size


def test_what_is_put_back_is_what_was_copied_and_goes_on(
    made: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the commands: every object, byte for byte; then the notary seals more, and its head continues the old one."""
    config, copy = made.settings(), tmp_path / "copy"
    newest = made.folder / "checkpoint"
    (tmp_path / "known").write_bytes(newest.read_bytes())
    assert affiant("notary", "backup", copy, "--config", config, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    before = objects_of(made.store)
    size = size_of(made)
    assert told == {"trees": {made.tree_id.origin: size}, "objects": len(before)}
    assert affiant("notary", "backup", copy, "--config", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 0  # nothing is new
    shutil.rmtree(made.store)
    assert affiant("notary", "restore", copy, "--config", config) == 2
    assert "--nothing-newer" in capsys.readouterr().err
    assert not made.store.exists()
    assert affiant("notary", "restore", copy, "--config", config, "--known", tmp_path / "known") == 0
    assert objects_of(made.store) == before
    old = open_checkpoint((tmp_path / "known").read_bytes(), made.tree_id.key(KEY)).checkpoint
    write_log(made.root, [[b"{}"]])
    seal_log(made)
    assert size_of(made) > old.size
    assert affiant("audit", "verify", "--config", config) == 0


@pytest.mark.s3
def test_it_comes_out_of_one_bucket_and_goes_into_another(
    made: SealedLog, tmp_path: Path, s3: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cluster has its store: object by object the same, and the auditor finds nothing wrong in the new one."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    known, copies = tmp_path / "known", [tmp_path / name for name in ("first copy", "second copy")]
    known.write_bytes((made.folder / "checkpoint").read_bytes())
    config = made.settings()
    here = config.read_text()
    assert affiant("notary", "backup", copies[0], "--config", config) == 0
    for prefix, copy in (("lost", copies[0]), ("new", copies[1])):
        config.write_text(here.replace(str(made.store), f"s3://{s3.name}/{prefix}"))
        assert affiant("notary", "restore", copy, "--config", config, "--known", known) == 0
        assert affiant("notary", "backup", copies[1], "--config", config) == 0
    assert objects_of(copies[1]) == objects_of(copies[0])
    shutil.rmtree(made.store)
    assert affiant("audit", "verify", "--config", config) == 0


def test_a_copy_that_is_older_than_what_was_signed_is_refused(
    made: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sealed on after the copy: with the newest checkpoint known nothing is put back."""
    config, copy = made.settings(), tmp_path / "copy"
    assert affiant("notary", "backup", copy, "--config", config) == 0
    write_log(made.root, [[b"{}"]])
    seal_log(made)
    (tmp_path / "known").write_bytes((made.folder / "checkpoint").read_bytes())
    lost = tmp_path / "lost"
    made.store.rename(lost)
    assert affiant("notary", "restore", copy, "--config", config, "--known", tmp_path / "known") == 1
    assert "would sign smaller heads again" in capsys.readouterr().err
    assert not made.store.exists()
    lost.rename(made.store)
    assert (
        affiant("notary", "backup", copy, "--config", config) == 0
    )  # the newer state takes the older one's place
    shutil.rmtree(made.store)
    assert affiant("notary", "restore", copy, "--config", config, "--known", tmp_path / "known") == 0


def test_a_store_that_has_a_tree_is_left_as_it_is(made: SealedLog, tmp_path: Path) -> None:
    """A restore beside a notary that runs would take its state from under it; a copy never goes back in time."""
    copy = DirectoryObjects(tmp_path / "copy")
    backup(made.objects, copy, NAME)
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "copy", old)
    write_log(made.root, [[b"{}"]])
    seal_log(made)
    before = objects_of(made.store)
    with pytest.raises(NotaryRefuses, match="has a state already"):
        restore(copy, made.objects, NAME, KEY, [])
    assert objects_of(made.store) == before
    backup(made.objects, copy, NAME)
    kept = objects_of(tmp_path / "copy")
    with pytest.raises(NotaryRefuses, match="more leaves than the store"):
        backup(DirectoryObjects(old), copy, NAME)
    assert objects_of(tmp_path / "copy") == kept


def test_a_copy_that_is_damaged_or_another_s_is_not_put_back(made: SealedLog, tmp_path: Path) -> None:
    """A tile with another hash; another notary's key; another history's checkpoint; nothing at all."""
    copy, target = DirectoryObjects(tmp_path / "copy"), DirectoryObjects(tmp_path / "target")
    backup(made.objects, copy, NAME)
    with pytest.raises(NotProved):
        restore(copy, target, NAME, KeySigner(b"x" * 32).public_key, [])
    other = sealed_log(tmp_path / "other", exchanges=3, sizes=())
    foreign = (other.folder / "checkpoint").read_bytes()
    with pytest.raises(NotaryRefuses, match="has no such tree"):
        restore(copy, target, NAME, KEY, [foreign])
    with pytest.raises(NotaryRefuses, match="no copy"):
        restore(DirectoryObjects(tmp_path / "empty"), target, NAME, KEY, [])
    for part in (tmp_path / "copy").rglob("*"):
        if "/tile/0/" in part.as_posix() and part.is_file():
            part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(NotProved, match="root"):
        restore(copy, target, NAME, KEY, [])
    assert not (tmp_path / "target").exists()


def test_a_copy_that_is_made_while_the_notary_goes_on_is_whole(made: SealedLog, tmp_path: Path) -> None:
    """Sealed further in the middle of the copy: it holds the state that was read first, and goes on from there."""
    first = size_of(made)
    copy, target = DirectoryObjects(tmp_path / "copy"), DirectoryObjects(tmp_path / "target")
    later: list[int] = []

    def seal_on(_: str) -> None:
        if not later:
            write_log(made.root, [[b"{}"]])
            seal_log(made)
            later.append(size_of(made))

    backup(made.objects, copy, NAME, seal_on)
    assert later
    assert later[0] > first
    restored = restore(copy, target, NAME, KEY, [])
    assert restored.sizes == {made.tree_id.origin: first}
    seal = Seal(target, made.tree_id, KeySigner())
    assert seal.size == first
    seal.close()
    assert not [name for name in target.list("archive/") if int(name[-28:-8]) >= first]
