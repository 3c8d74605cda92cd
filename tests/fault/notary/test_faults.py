"""Each call of the notary on its store fails, or is where it dies: one head a size, and it always goes on."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import pytest

from audit.objects import open_objects
from tests.components.s3 import S3Bucket
from tests.fault.notary.store import FAULTS, FaultyObjects, MemoryObjects
from tests.fault.notary.world import PLAN, World, check

pytestmark = pytest.mark.fault

ALL = sum(PLAN)


@cache
def calls(plan: tuple[int, ...] = PLAN) -> list[str]:
    """What a life without faults asks of its store."""
    world = World(MemoryObjects(), plan=plan)
    faulty = FaultyObjects(world.objects)
    world.live(faulty)
    assert check(world).size == sum(plan)
    return faulty.calls


def test_a_life_has_every_kind_of_call() -> None:
    """Else the enumeration below would show less than it says."""
    made = calls()
    assert {call.split(" ")[0] for call in made} == {"get", "list", "create", "swap"}
    assert sum(call.endswith("/state") for call in made) > len(PLAN) + 2
    assert sum(call.startswith("swap") and call.endswith("/checkpoint") for call in made) == len(PLAN) - 1
    assert any("tile/1/" in call for call in made)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_each_call_is_recovered_from(fault: str) -> None:
    """The notary tries again, or is started again, and the store is as if nothing had been."""
    for place, call in enumerate(calls()):
        world = World(MemoryObjects())
        faulty = FaultyObjects(world.objects, {place: fault})
        world.live(faulty)
        assert faulty.hit == [f"{call} {fault}"]
        world.live(
            FaultyObjects(world.objects)
        )  # the next process; with nothing to do when the first went on
        assert check(world).size == ALL, faulty.hit


def test_faults_at_a_real_object_store_are_recovered_from(
    s3: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with conditional writes of an S3 server: at each seventh call, every kind of fault in turn."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    plan = PLAN[:4]
    for turn, place in enumerate(range(0, len(calls(plan)), 7)):
        world = World(open_objects(f"s3://{s3.name}/{place}", base=Path()), plan=plan)
        faulty = FaultyObjects(world.objects, {place: FAULTS[turn % len(FAULTS)]})
        world.live(faulty)
        assert faulty.hit
        world.live(FaultyObjects(world.objects))
        assert check(world).size == sum(plan), faulty.hit


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
def test_two_faults_are_recovered_from(fault: str) -> None:
    """The recovery, too, fails or dies at each of its calls."""
    plan = PLAN[:4]
    lives = 0
    for place in range(len(calls(plan))):
        for second, other in product(range(30), FAULTS):
            world = World(MemoryObjects(), plan=plan)
            world.live(FaultyObjects(world.objects, {place: fault}))
            faulty = FaultyObjects(world.objects, {second: other})
            world.live(faulty)
            world.live(FaultyObjects(world.objects))
            assert check(world).size == sum(plan), (place, fault, second, other)
            lives += bool(faulty.hit)
    print(lives)
