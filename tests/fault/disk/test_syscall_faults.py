"""Each syscall of the journal failing once: it fails closed or goes on, and never resolves falsely."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from audit.errors import JournalError, JournalFailed, JournalFull
from audit.journal import JournalReader

from .simulator import InlineSyncer, SimulatedDisk
from .world import DIRECTORY, World, inference, open_on

TURNS = 40


async def life(world: World) -> None:
    """Open, append over several segments, ship, free, close, open again: every kind of syscall."""
    journal = open_on(world.disk)
    reader = JournalReader(DIRECTORY, disk=world.disk)
    for step in range(16):
        ticket = journal.accept({1: "POST"}, b"[1]", step)
        for size in (100, 20_000):
            payload = bytes([step]) * size
            world.answered.append((journal.append(inference(payload, ticket), payload, ticket), payload))
            ticket = 0
        for _ in range(TURNS):
            await asyncio.sleep(0)
        world.ship(reader)
        world.acknowledge(max(world.shipped, default=-1) + 1)
        journal._keep_house()
    reader.close()
    await journal.close()
    open_on(world.disk, 7)._shut()


def operations() -> int:
    """How many syscalls that can fail such a life makes, when none does."""

    async def count() -> int:
        world = World(SimulatedDisk())
        await life(world)
        assert len(world.promised()) == 32
        return len(world.disk.operations)

    return asyncio.run(count())


async def attempt(world: World) -> None:
    """One life, whatever comes of it; a failed journal is let go of."""
    with suppress(JournalError, OSError):
        await asyncio.wait_for(life(world), 20)
    for future, _ in world.answered:
        if future.done() and not future.cancelled():
            future.exception()


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC, "short"])
async def test_no_failing_syscall_makes_a_promise_false(fault: int | str) -> None:
    """With each single failure, what was answered is there after a power failure at the end."""
    total = await asyncio.to_thread(operations)
    assert total > 60
    failed = 0
    for place in range(total):
        world = World(SimulatedDisk())
        world.disk.faults[place] = fault
        await attempt(world)
        world.disk.faults.clear()
        failed += len(world.promised()) < 32
        rng = random.Random(place)
        for keep in (0.0, 0.5, 1.0):
            world.check(world.disk.crash(rng, keep))
    if fault == "short":
        assert failed == 0, "a short write is gone on with"
    else:
        assert failed > 0


async def test_a_failed_sync_fails_what_waits_and_everything_after_it() -> None:
    """Fail closed: the waiting appends, later ones, accept, and the door."""
    disk = SimulatedDisk()
    journal = open_on(disk)
    await asyncio.sleep(0.01)
    before = journal.stats().durable_group
    first, second = journal.append(inference(b"a"), b"a"), journal.append(inference(b"b"), b"b")
    place = len(disk.operations) + 1  # the write is next, then the sync
    disk.faults[place] = errno.EIO
    for future in (first, second):
        with pytest.raises(JournalFailed, match="sync of group"):
            await future
    assert disk.operations[place] == "sync"
    for action in (
        lambda: journal.append(inference(b"c"), b"c"),
        lambda: journal.accept({1: "POST"}, b"", 1),
    ):
        with pytest.raises(JournalFailed):
            action()
    assert journal.admission().door.value == "failed"
    assert journal.stats().durable_group == before
    syncs = disk.operations.count("sync")
    await journal.close()
    assert disk.operations.count("sync") == syncs, "that descriptor is never synced again"


async def test_a_full_disk_refuses_and_goes_on_when_there_is_space() -> None:
    """Pre-allocation is where a full disk shows: nothing accepted is lost, and nothing has to be restarted."""
    world = World(SimulatedDisk())
    journal = open_on(world.disk)
    await asyncio.sleep(0.01)
    world.disk.capacity = world.disk.used
    refused = 0
    for _ in range(20):
        payload = bytes(10_000)
        try:
            world.answered.append((journal.append(inference(payload), payload), payload))
        except JournalFull:
            refused += 1
        await asyncio.sleep(0.01)
    assert refused
    assert all(future.done() for future, _ in world.answered)
    journal._keep_house()
    for _ in range(20):
        await asyncio.sleep(0)
    assert journal.admission().door.value == "full"
    assert "space" in journal.admission().reason
    world.disk.capacity = None
    journal._keep_house()
    for _ in range(20):
        await asyncio.sleep(0)
    assert journal.admission().door.value == "open"
    await journal.append(inference(b"again"), b"again")
    world.check(world.disk.crash(random.Random(1), 0.0))
    await journal.close()


async def test_a_group_that_meets_a_full_disk_is_written_again() -> None:
    """Some filesystems need space even for a pre-allocated block: the same group waits for it."""
    disk = SimulatedDisk()
    journal = open_on(disk)
    await asyncio.sleep(0.01)
    future = journal.append(inference(b"a"), b"a")
    disk.faults[len(disk.operations)] = errno.ENOSPC
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not future.done()
    assert journal.admission().door.value == "full"
    assert (await future).endswith("-1")
    assert journal.admission().door.value == "open"
    await journal.close()


class HeldSyncer(InlineSyncer):
    """A disk that takes its time: syncs wait until they are let go."""

    def __init__(self, disk: SimulatedDisk) -> None:
        super().__init__(disk)
        self.waiting: list[tuple[int, Callable[[BaseException | None], None]]] = []

    def sync(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        self.waiting.append((fd, done))

    def let_go(self) -> None:
        """The syncs that wait begin, and return in a later turn."""
        waiting, self.waiting = self.waiting, []
        for fd, done in waiting:
            super().sync(fd, done)


async def test_while_a_sync_hangs_no_further_group_is_written() -> None:
    """Unsynced pages reach the disk in any order: two groups on the way could leave the younger one alone."""
    world = World(SimulatedDisk())
    disk = world.disk
    syncer = HeldSyncer(disk)
    journal = open_on(disk, syncer=syncer)
    await asyncio.sleep(0.01)
    for number in range(6):
        payload = bytes([number]) * 600
        world.answered.append((journal.append(inference(payload), payload), payload))
        before = disk.operations.count("pwritev")
        for _ in range(10):
            await asyncio.sleep(0)
        assert disk.operations.count("pwritev") == before + (number == 0)
        assert len(syncer.waiting) == 1
        assert world.promised() == {}
    for _ in range(4):
        syncer.let_go()
        for _ in range(10):
            await asyncio.sleep(0)
    assert len(world.promised()) == 6, "the other five were one group"
    world.check(disk.crash(random.Random(1), 0.0))
    journal._shut()
