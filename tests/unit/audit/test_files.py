"""Directories whose names are durable before anything relies on them."""

from __future__ import annotations

import errno
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.files import make_directory
from tests.fault.disk.simulator import SimulatedDisk

DEEP = Path("/a/b/c/d")


class Killed(Exception):  # noqa: N818 — says what happened
    """The process dies here; the machine goes on."""


def make(disk: SimulatedDisk, path: Path) -> None:
    """On a simulated disk."""
    make_directory(path, exists=disk.is_directory, mkdir=disk.make_directory, sync=disk.sync_directory)


@given(
    kills=st.lists(
        st.tuples(st.sampled_from([DEEP, DEEP.parent, DEEP.parents[1]]), st.integers(1, 9)), max_size=4
    )
)
def test_a_power_failure_takes_no_directory_that_was_made(kills: list[tuple[Path, int]]) -> None:
    """Whatever makers died before, at whatever step: what the last one was told is there, is."""
    disk = SimulatedDisk()
    for path, steps in kills:
        left = steps

        def die(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        disk.watch = die
        with suppress(Killed):
            make(disk, path)
        disk.watch = None
    make(disk, DEEP)
    assert disk.crash(random.Random(0), 0.0).is_directory(DEEP)


def test_a_directory_is_made_with_all_above_it(tmp_path: Path) -> None:
    """On the real disk, from any working directory, and again without harm."""
    make_directory(tmp_path / "one" / "two")
    make_directory(tmp_path / "one" / "two")
    assert (tmp_path / "one" / "two").is_dir()


def test_a_failed_sync_is_told_and_made_good_by_the_next_call() -> None:
    """The directory is there by then, and its name is synced all the same."""
    disk = SimulatedDisk()
    disk.faults[len(disk.operations) + 2] = 5  # sync of /, mkdir, sync of /
    with pytest.raises(OSError, match=os.strerror(5)):
        make(disk, Path("/a"))
    make(disk, Path("/a"))
    assert disk.crash(random.Random(0), 0.0).is_directory(Path("/a"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EINVAL])
def test_what_is_above_may_belong_to_others(number: int) -> None:
    """A volume mounted in a read-only image: nothing there was made by us. A failing disk is told all the same."""
    disk = SimulatedDisk()
    make(disk, DEEP.parent)
    disk.faults[len(disk.operations)] = number
    make(disk, DEEP)
    disk.faults[len(disk.operations)] = number
    make(disk, DEEP)
    disk.faults[len(disk.operations)] = errno.EIO
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        make(disk, DEEP)


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    """It is no directory, and does not become one."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        make_directory(tmp_path / "file" / "below")
