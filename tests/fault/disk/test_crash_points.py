"""A power failure after every single disk operation: nothing answered or shipped is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from pathlib import Path

import pytest

from audit.errors import AuditError, JournalFull
from audit.journal import JournalReader
from audit.proof.errors import FormatError

from .simulator import SimulatedDisk
from .world import DIRECTORY, World, inference, open_on

LONG = os.environ.get("AFFIANT_FAULT_LONG") == "1"
SEEDS = range(40) if LONG else range(4)
SAMPLES = 6 if LONG else 2
STEPS = 60 if LONG else 24


class Explorer:
    """Crashes the disk after each operation, in several ways, and has the world check each."""

    def __init__(self, world: World, seed: int, *, depth: int, samples: int = SAMPLES) -> None:
        self.world, self.rng, self.depth, self.samples = world, random.Random(seed), depth, samples
        self.points = 0

    def __call__(self, _: str) -> None:
        if self.world.broken is not None:
            return
        self.points += 1
        try:
            self.explore()
        except (AssertionError, AuditError, FormatError) as error:
            # Raised here it would end in the loop's log: it is kept, and ends the run.
            self.world.broken = AssertionError(f"crash point {self.points}: {error}")
            self.world.broken.__cause__ = error

    def explore(self) -> None:
        """Several crashes at this point."""
        for keep in (0.0, 1.0, *(self.rng.uniform(0.1, 0.9) for _ in range(self.samples))):
            image = self.world.disk.crash(self.rng, keep)
            if self.depth > 0 and self.rng.random() < (0.2 if LONG else 0.05):
                self.again(image)
            self.world.check(image)

    def again(self, image: SimulatedDisk) -> None:
        """The recovery of this image crashes as well, after each of its operations."""
        copy = image.crash(self.rng, 1.0)

        def crash_in_recovery(_: str) -> None:
            for keep in (0.0, self.rng.uniform(0.1, 0.9)):
                self.world.check(copy.crash(self.rng, keep))

        copy.watch = crash_in_recovery
        open_on(copy, 99)._shut()
        copy.watch = None


async def work(world: World, seed: int, steps: int) -> None:
    """A random but repeatable life of a journal: requests, answers, shipping, freeing, clean restarts."""
    rng = random.Random(seed)
    journal = open_on(world.disk, seed)
    reader = JournalReader(DIRECTORY, disk=world.disk)
    tickets: list[int] = []
    for step in range(steps):
        if world.broken is not None:
            raise world.broken
        action = rng.random()
        if action < 0.2:
            tickets.append(journal.accept({1: "POST", 2: "/p"}, rng.randbytes(rng.randrange(3000)), step))
        elif action < 0.7:
            for _ in range(rng.randrange(1, 5)):
                payload = rng.randbytes(rng.choice((10, 700, 9000)))
                ticket = tickets.pop() if tickets and rng.random() < 0.7 else 0
                try:
                    world.answered.append(
                        (journal.append(inference(payload, ticket), payload, ticket), payload)
                    )
                except JournalFull:
                    break
        elif action < 0.85:
            world.ship(reader)
            if world.shipped:
                world.acknowledge(rng.randrange(world.acknowledged, max(world.shipped) + 2))
            journal._keep_house()
        elif action < 0.9:
            journal.count("refused")
            journal._beat()
        elif action < 0.95:
            await journal.close()
            journal = open_on(world.disk, seed + step)
            tickets.clear()
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
    await journal.close()
    reader.close()
    if world.broken is not None:
        raise world.broken


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_promised_is_lost_at_any_crash_point(seed: int) -> None:
    """After each write, sync, rename and removal: sampled subsets of what was not synced, then recovery."""
    world = World(SimulatedDisk())
    explorer = Explorer(world, seed, depth=1)
    world.disk.watch = explorer
    await work(world, seed, STEPS)
    assert explorer.points > 50
    assert len(world.promised()) > 10
    print(
        f"seed {seed}: {explorer.points} crash points, {world.images} images, {len(world.promised())} answers"
    )


async def test_segments_are_rotated_and_freed_in_such_a_run() -> None:
    """The runs above would show little if they stayed within one segment."""
    world = World(SimulatedDisk())
    numbers: set[str] = set()
    removed: list[str] = []

    def watch(operation: str) -> None:
        numbers.update(path.name for path in world.disk.names if path.suffix == ".seg")
        removed.extend([operation] if operation == "unlink" else [])

    world.disk.watch = watch
    for seed in SEEDS:
        await work(world, seed, STEPS)
    assert len(numbers) > 6
    assert removed
    assert Path("/journals/w0/mark") in world.disk.names


async def test_segments_freed_at_once_leave_no_gap_at_any_crash_point() -> None:
    """Removals that reached the disk in another order would leave an old segment, a gap, and a younger one."""
    await free_at_once(failing=False)


async def test_a_removal_whose_sync_failed_is_synced_before_the_next_one() -> None:
    """It is gone already when it is tried again; a power failure could bring it back beside a gap."""
    await free_at_once(failing=True)


async def free_at_once(*, failing: bool) -> None:
    """Free several segments and crash at each point; `failing`: the sync of the first removal fails once."""
    world = World(SimulatedDisk())
    journal = open_on(world.disk)
    reader = JournalReader(DIRECTORY, disk=world.disk)
    for number in range(12):
        payload = bytes([number]) * 20_000
        world.answered.append((journal.append(inference(payload), payload), payload))
        for _ in range(40):
            await asyncio.sleep(0)
        world.ship(reader)
    held = [path for path in world.disk.names if path.suffix == ".seg"]
    assert len(held) > 3
    world.acknowledge(max(world.shipped) + 1)
    explorer = Explorer(world, 1, depth=0, samples=20)
    world.disk.watch = explorer
    place = len(world.disk.operations) + 2  # the mark is read, a segment unlinked
    if failing:
        world.disk.faults[place] = errno.EIO
    journal._keep_house()
    for _ in range(40):
        await asyncio.sleep(0)
    if failing:
        assert world.disk.operations[place] == "sync_directory"
        assert journal._segments.problem
        journal._keep_house()
        for _ in range(40):
            await asyncio.sleep(0)
    assert [path for path in world.disk.names if path.suffix == ".seg"] == held[-1:]
    await journal.close()
    reader.close()
    if world.broken is not None:
        raise world.broken
    assert explorer.points > len(held)
