"""A disk that fills up and is freed again: 503 with Retry-After meanwhile, and nothing answered is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components.process import find_program
from tests.fault.gateway.world import DEADLINE_S, WRITES, World, strace

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

MIB = 1 << 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Its journal may hold 2 MiB."""
    world = World(tmp_path, "full", max_bytes=2 * MIB)
    yield world
    world.end()


def wait_full(world: World) -> int:
    """Under load until it refuses and says that it is not ready; how many were refused by then."""
    clients = world.clients
    assert clients is not None
    world.process.wait_until(lambda: clients.refused > 20, what="refusals", deadline_s=DEADLINE_S)
    world.process.wait_until(lambda: world.get("/readyz") == 503, what="it says so", deadline_s=DEADLINE_S)
    return clients.refused


def test_a_journal_at_its_bound_refuses_until_records_are_shipped(world: World) -> None:
    """Without a sidecar nothing is freed; with one it serves again by itself, and again after that."""
    world.start()
    for _ in range(2):
        wait_full(world)
        world.sidecar.start()
        world.wait_answers(100)
        world.process.wait_until(world.ready, what="it says that it is ready", deadline_s=DEADLINE_S)
        world.sidecar.kill()
    world.kill()  # full or nearly: the recovery needs its place, too
    world.sidecar.start()
    world.finish()


def mount(directory: Path, size: int) -> bool:
    """A small file system in memory; False where this user may not."""
    directory.mkdir()
    argv = [find_program("mount", "mount"), "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, or, for a user who may not mount one, a folder that is made full by a fault."""
    directory = tmp_path / "small"
    mounted = mount(directory, 3 * MIB)
    yield directory
    if mounted:
        subprocess.run([find_program("umount", "mount"), "-l", str(directory)], check=True)


def test_a_disk_that_somebody_else_fills_refuses_until_it_is_freed(tmp_path: Path, small_disk: Path) -> None:
    """The journal has room by its settings; the file system has none. Freed, it serves again by itself."""
    world = World(tmp_path / "site", "full disk")
    try:
        if os.path.ismount(small_disk):
            _filled_by_a_file(world, small_disk)
        else:
            _filled_by_a_fault(world)
        world.finish()
    finally:
        world.end()


def _filled_by_a_file(world: World, disk: Path) -> None:
    world.journal.parent.mkdir(parents=True)
    (disk / "journal").mkdir()
    world.journal.symlink_to(disk / "journal")
    world.sidecar.start()
    world.start()
    world.wait_answers(50)
    for turn in range(2):
        with (disk / "other").open("wb", buffering=0) as other:
            _fill(world, other.fileno())
        wait_full(world)
        world.wait_shipped(0)
        (disk / "other").unlink()
        world.wait_answers(200)
        world.process.wait_until(world.ready, what=f"ready again, {turn}", deadline_s=DEADLINE_S)


def _fill(world: World, file: int) -> None:
    """Take every block, also those that the journal frees, until the gateway refuses."""
    clients = world.clients
    assert clients is not None
    refused = clients.refused

    def taken() -> bool:
        try:
            while os.write(file, bytes(4096)):
                pass
        except OSError:
            return clients.refused > refused
        return False

    world.process.wait_until(taken, what="a full disk", deadline_s=DEADLINE_S)


def _filled_by_a_fault(world: World) -> None:
    """Sixteen tries to make a segment ahead, where a full disk shows first, fail with ENOSPC; then they succeed."""
    trace = world.site.directory / "full"
    world.sidecar.start()
    world.start(strace(WRITES, "error=ENOSPC:when=9..24", world.paths("spare"), trace))
    wait_full(world)
    world.process.wait_until(
        lambda: trace.read_text(errors="replace").count("(INJECTED)") == 16,
        what="it tries again and again",
        deadline_s=DEADLINE_S,
    )
    world.wait_answers(200)
    world.process.wait_until(world.ready, what="ready again", deadline_s=DEADLINE_S)


@pytest.mark.long
def test_the_fault_that_stands_for_a_full_disk_does_so(world: World) -> None:
    """What a user who may not mount runs in place of the small file system."""
    _filled_by_a_fault(world)
    world.finish()
