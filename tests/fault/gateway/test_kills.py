"""Kill -9 of gateway, sidecar and broker under load: each answered request is in the log, once and in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components.kafka import KafkaBroker
from tests.fault.gateway.results import keep
from tests.fault.gateway.world import Point, World, observe

pytestmark = [pytest.mark.fault, pytest.mark.timeout(3600)]

# The two that leave most behind: a group that is written and not synced, and a recovery's copy without its name.
SHORT = (Point("fdatasync", "segment", 30), Point("rename", "copy.new", 1))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds that end with the test."""
    made: list[World] = []

    def new(kind: str, **options: Any) -> World:
        made.append(World(tmp_path / kind.replace(" ", "-"), kind, **options))
        return made[-1]

    yield new
    for world in made:
        world.end()


def test_a_gateway_killed_at_random_and_at_write_points_loses_no_answer(make: Callable[..., World]) -> None:
    """The short form: the gateway dies twice at random and twice at a system call, the sidecar twice."""
    world, rng = make("short"), random.Random(5)
    for _ in range(2):
        world.sidecar.start()
        world.start()
        world.wait_answers(rng.randrange(20, 200))
        world.sidecar.kill()
        world.tally.kills += 1
        world.wait_answers(rng.randrange(1, 50))
        world.kill()
    world.sidecar.start()
    reached = [world.kill_at(point) for point in SHORT]
    assert all(reached)
    tally = world.finish()
    assert tally.kills == 6
    assert tally.lost == 0


@pytest.mark.long
@pytest.mark.parametrize("sync", ["thread", "aio"])
def test_a_gateway_killed_at_random_many_times(make: Callable[..., World], sync: str) -> None:
    """Each kill comes after a random number of answers; the next start recovers what is there."""
    world, rng = make(f"gateway at random, sync={sync}", sync=sync), random.Random(11)
    world.sidecar.start()
    for _ in range(15):
        world.start()
        world.wait_answers(rng.randrange(1, 600))
        world.kill()
    tally = world.finish()
    keep(tally)
    assert tally.kills == 15


@pytest.mark.long
def test_a_gateway_killed_at_every_write_point(make: Callable[..., World]) -> None:
    """Each kind of write that a life makes, recovery included, is where it dies once."""
    world = make("gateway at every write point")
    world.sidecar.start()
    world.start()
    world.wait_answers(100)
    world.kill()

    def run() -> None:
        world.wait_answers(400)
        world.kill()

    points = observe(world, run)
    assert {point.calls for point in points} >= {"openat", "fdatasync", "rename", "unlink"}
    points += [Point("write", "any", when) for when in (150, 151, 152, 170, 201)]  # answers and wake-ups
    missed = [point for point in points if not world.kill_at(point)]
    # What a start does depends on what the kill before it left: those get another one.
    missed = [point for point in missed if not world.kill_at(point)]
    tally = world.finish()
    keep(tally)
    assert missed == []
    assert tally.kills >= len(points) + 2


@pytest.mark.long
def test_a_sidecar_killed_beside_a_gateway(make: Callable[..., World]) -> None:
    """The `local` log; the gateway goes on, and every third time dies with it."""
    world, rng = make("sidecar, local log"), random.Random(3)
    world.start()
    for turn in range(15):
        world.sidecar.start()
        world.wait_shipped(rng.randrange(1, 300))
        world.sidecar.kill()
        world.tally.kills += 1
        if turn % 3 == 2:
            world.kill()
            world.start()
    keep(world.finish())


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker to be killed."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


@pytest.mark.long
@pytest.mark.kafka
def test_gateway_sidecar_and_broker_killed_with_kafka(
    make: Callable[..., World], broker: KafkaBroker
) -> None:
    """One after another and all at once, under load."""
    topic = broker.create_topic("kills", config={"retention.ms": "-1", "max.message.bytes": str(16 << 20)})
    log = f'backend = "kafka"\ntopic = "{topic}"\nbootstrap = "{broker.bootstrap}"\npartitions = 1'
    world, rng = make("gateway, sidecar and broker, Kafka", log=log), random.Random(9)
    world.start()
    world.sidecar.start()
    for turn in range(24):
        world.wait_shipped(rng.randrange(1, 300))
        what = ("sidecar", "gateway", "broker", "all")[turn % 4]
        if what in ("broker", "all"):
            broker.kill()
            world.tally.kills += 1
        if what in ("sidecar", "all"):
            world.sidecar.kill()
            world.tally.kills += 1
        if what in ("gateway", "all"):
            world.kill()
        if what in ("broker", "all"):
            broker.start()
        if what in ("sidecar", "all"):
            world.sidecar.start()
        if what in ("gateway", "all"):
            world.start()
    keep(world.finish())
