"""The directory's system calls, counted and failing: what was told to be there is there after a power failure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.files import make_directory
from audit.objects.directory import DirectoryObjects
from tests.fault.ship.disk import FaultyOs

pytestmark = pytest.mark.fault

RENAME, MKDIR = os.rename, os.mkdir


class Disk(FaultyOs):
    """Also renames, and makes directories whose names are not durable before the one above is synced."""

    def rename(self, source: Any, target: Any) -> None:
        with self._lock:
            self._call("rename")
            RENAME(source, target)
            self.content[Path(target)] = self.content.pop(Path(source))
            self.unsynced_names.add(Path(target))

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        with self._lock:
            self._call("mkdir")
            MKDIR(path, mode)
            self.unsynced_names.add(Path(path))

    @contextmanager
    def under(self) -> Iterator[None]:
        """Everything that the directory does goes through it."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("audit.files.os", "audit.objects.directory.os"):
                patch.setattr(name, self)
            patch.setattr(os, "rename", self.rename)
            patch.setattr(os, "mkdir", self.mkdir)
            yield

    def risks(self, root: Path, name: str) -> list[str]:
        """Why a power failure now could take the object."""
        path = root / name
        above = [path, *path.parents]
        found = [self.at_risk(path), *map(self.at_risk, above[1 : above.index(root) + 1])]
        return [risk for risk in found if risk is not None]


def life(objects: DirectoryObjects, told: list[str]) -> None:
    """Each kind of write; `told` takes the name of what was told to be done."""
    assert objects.create("tree/tile/0/000.p/1", b"a" * 100)
    told.append("tree/tile/0/000.p/1")
    version = objects.swap("tree/state", b"b" * 100, None)
    told.append("tree/state")
    objects.swap("tree/state", b"c" * 200, version)
    told.append("tree/state")
    assert not objects.create("tree/tile/0/000.p/1", b"d")
    assert objects.create("tree/tile/0/000.p/2", b"e")
    told.append("tree/tile/0/000.p/2")


def test_what_is_told_to_be_written_is_durable(tmp_path: Path) -> None:
    """Content and name, and the names of the directories above, at each return."""
    disk, root = Disk(), tmp_path / "new" / "store"

    class Told(list[str]):
        def append(self, name: str) -> None:
            super().append(name)
            assert disk.risks(root, name) == []

    told = Told()
    with disk.under():
        life(DirectoryObjects(root), told)
    assert len(told) == 4
    assert {"open", "write", "fsync", "link", "rename", "mkdir"} <= set(disk.calls)


def test_an_object_that_another_made_is_durable_before_it_is_said_to_be_there(tmp_path: Path) -> None:
    """Who made it may have died before the sync."""
    disk, path = Disk(), tmp_path / "store" / "a" / "b"
    with disk.under():
        make_directory(path.parent)
        os.close(disk.open(path, os.O_CREAT | os.O_WRONLY))
        assert disk.risks(tmp_path / "store", "a/b") != []
        assert not DirectoryObjects(tmp_path / "store").create("a/b", b"")
    assert disk.risks(tmp_path / "store", "a/b") == []


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC])
def test_each_failing_call_is_told_and_the_next_try_is_whole(fault: int, tmp_path: Path) -> None:
    """No half object, none that was there is gone, and nothing is told to be done that is not."""
    whole = Disk()
    with whole.under():
        life(DirectoryObjects(tmp_path / "whole"), [])
    for place, call in enumerate(whole.calls):
        disk, root, told = Disk(), tmp_path / str(place), []
        disk.faults[place] = fault
        with disk.under():
            with pytest.raises(ObjectsUnavailable, match=os.strerror(fault)):
                life(DirectoryObjects(root), told)
            assert disk.failed == [call]
            for name in told:
                assert disk.risks(root, name) == [] or name == "tree/state"
            objects = DirectoryObjects(root)
            state = objects.get("tree/state")
            assert state is None or state.content in (b"b" * 100, b"c" * 200)
            if state is None or state.content == b"b" * 100:
                objects.swap("tree/state", b"c" * 200, state and state.version)
            else:
                with pytest.raises(ObjectChanged):
                    objects.swap("tree/state", b"", "other")
            for name, content in (("tree/tile/0/000.p/1", b"a" * 100), ("tree/tile/0/000.p/2", b"e")):
                objects.create(name, content)
                assert (root / name).read_bytes() == content, (call, place)
                assert disk.risks(root, name) == [], (call, place)
            assert list(objects.list("")) == ["tree/state", "tree/tile/0/000.p/1", "tree/tile/0/000.p/2"]
