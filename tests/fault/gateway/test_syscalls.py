"""A system call of a live gateway's journal fails: nothing is answered that is not on disk, and it says so.

The faults are put into the kernel's answers by strace, in the process as it is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.gateway.world import DEADLINE_S, WRITES, World, strace

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

# What the journal does while it serves: (system calls, kind of file, the first that fails).
FATAL = (
    ("fdatasync", "segment", 20, "EIO"),
    ("fdatasync", "segment", 20, "ENOSPC"),
    (WRITES, "segment", 20, "EIO"),
    ("rename", "spare", 1, "EIO"),
    ("rename", "spare", 1, "ENOSPC"),
    ("fsync", "directory", 3, "EIO"),
)
"""From here on nothing is promised any more: 503 until it is started again."""
PASSING = (
    (WRITES, "segment", "20..22", "ENOSPC"),
    ("openat", "spare", "2..5", "ENOSPC"),
    ("openat", "spare", "2..5", "EIO"),
    (WRITES, "spare", "9..16", "ENOSPC"),
    (WRITES, "spare", "9..16", "EIO"),
    ("fdatasync", "spare", "3..4", "EIO"),
    ("fdatasync", "spare", "3..4", "ENOSPC"),
    ("unlink", "segment", "2..3", "EIO"),
)
"""Refused for a while, or not even that; then it goes on by itself."""
SHORT = {FATAL[0], PASSING[0]}


def cases(table: tuple[tuple[object, ...], ...]) -> list[object]:
    """For parametrize."""
    return [
        pytest.param(*case, id="-".join(map(str, case)), marks=() if case in SHORT else pytest.mark.long)
        for case in table
    ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A gateway's directory; killed at the end."""
    world = World(tmp_path, "system calls")
    yield world
    world.end()


def started_with(world: World, calls: str, kind: str, fault: str) -> Path:
    """Start it with the fault and under load; the trace."""
    trace = world.site.directory / "trace"
    if kind == "directory":  # the first start of all makes the journal, and syncs its directory for that
        world.start()
        world.kill()
    # Each heartbeat is a record and its sync: a long start must not use up the calls before the one that fails.
    world.site.journal["heartbeat_seconds"] = 600
    world.start(strace(calls, fault, world.paths(kind), trace), clients=0)
    world.load()
    return trace


def injected(trace: Path) -> int:
    """How many calls have failed so far."""
    return trace.read_text(errors="replace").count("(INJECTED)")


@pytest.mark.parametrize(("calls", "kind", "when", "error"), cases(FATAL))
def test_after_a_failure_that_leaves_doubt_nothing_is_answered(
    world: World, calls: str, kind: str, when: int, error: str
) -> None:
    """Every later request gets a 503, readiness too; started again, it has all that was answered."""
    trace = started_with(world, calls, kind, f"error={error}:when={when}")
    world.process.wait_until(lambda: injected(trace), what="the fault", deadline_s=DEADLINE_S)
    world.process.wait_until(lambda: world.get("/readyz") == 503, what="it says that it is not ready")
    clients = world.clients
    assert clients is not None
    answered, refused = len(world.answered), clients.refused
    world.process.wait_until(lambda: clients.refused > refused + 20, what="further requests are refused")
    assert len(world.answered) == answered
    assert injected(trace) == 1, "the descriptor was used again"
    world.kill()
    world.finish()


@pytest.mark.parametrize(("calls", "kind", "when", "error"), cases(PASSING))
def test_after_a_failure_that_leaves_no_doubt_it_goes_on(
    world: World, calls: str, kind: str, when: str, error: str
) -> None:
    """Nothing has to be started again, and no client saw anything but answers and 503 with Retry-After."""
    world.sidecar.start()
    trace = started_with(world, calls, kind, f"error={error}:when={when}")
    first, last = map(int, when.split(".."))
    world.process.wait_until(
        lambda: injected(trace) == last - first + 1, what="the faults", deadline_s=DEADLINE_S
    )
    world.wait_answers(300)
    world.process.wait_until(world.ready, what="it says that it is ready")
    world.finish()


def test_a_gateway_that_cannot_open_its_journal_serves_nothing(world: World) -> None:
    """It says why and ends; its supervisor starts it again, and only then does it say that it is ready."""
    trace = world.site.directory / "trace"
    world.launch(strace("fsync", "error=EIO:when=3", world.paths("directory"), trace))
    world.process.wait_until(world.ready, what="ready", deadline_s=DEADLINE_S)
    assert injected(trace) == 1
    assert "the gateway cannot start" in world.process.log_text()
    world.load()
    world.wait_answers(50)
    world.finish()


# Put into the gateway by Python itself at its start: each write of the journal is one, of half of what was given.
HALVES = """
import os
_whole = os.pwritev
def _half(fd, buffers, offset, *flags):
    data = b"".join(buffers)
    written = _whole(fd, (data[: max(1, len(data) // 2)],), offset, *flags)
    if written < len(data):
        os.close(os.open(os.environ["AFFIANT_TEST_SHORT"], os.O_CREAT | os.O_WRONLY))
    return written
os.pwritev = _half
"""


def test_short_writes_are_gone_on_with(world: World, tmp_path: Path) -> None:
    """The kernel may take fewer bytes than it was given: the rest follows before the sync."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(HALVES)
    seen = tmp_path / "seen"
    world.start(["/usr/bin/env", f"PYTHONPATH={tmp_path / 'patch'}", f"AFFIANT_TEST_SHORT={seen}"])
    world.wait_answers(500)
    assert seen.exists()
    world.kill()
    world.start()
    world.wait_answers(50)
    world.finish()
