"""A journal on the simulated disk, and its records."""

from __future__ import annotations

import asyncio

import pytest

from tests.fault.disk.simulator import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    """An empty simulated disk."""
    return SimulatedDisk()


@pytest.fixture
def turns():
    """Let the loop turn, so that what was given to the inline syncer and worker is done."""

    async def turn(count: int = 20) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return turn
