"""How often a checkpoint comes with the settings as they ship: what waits is sealed soon, and an idle notary lives."""

from __future__ import annotations

import threading
from dataclasses import replace

from audit.log.base import LogEntry
from audit.notary.partition import Partition
from audit.settings import NotarySettings
from tests.unit.audit.notary.test_session import NAME, World

READ = 0.1
"""Seconds that a read takes by the clock of these tests."""


class Paced:
    """A log that has one record more at each read, then none; time passes by its reads alone."""

    def __init__(self, world: World, stop: threading.Event, *, idle: float) -> None:
        self.world, self.stop, self.idle = world, stop, idle
        self.values, world.log.values = world.log.values, []
        self.sealed: list[float] = []
        """When the state was seen to be another one."""
        self.waited: list[float] = []
        """For how long the oldest record had waited that was not under the checkpoint, at each read."""
        self.came: list[float] = []
        self._seen: bytes | None = None
        self._read = world.log.read
        world.log.read = self.read  # type: ignore[method-assign]

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        world = self.world
        world.now += READ
        state = next((each for name, each in world.objects.content.items() if name.endswith("/state")), None)
        if state != self._seen:
            self._seen = state
            self.sealed.append(world.now)
        under = next(
            (
                int(each.split(b"\n")[1])
                for name, each in world.objects.content.items()
                if name.endswith("/checkpoint")
            ),
            0,
        )
        if under < len(self.came):
            self.waited.append(world.now - self.came[under])
        if len(world.log.values) < len(self.values):
            world.log.values.append(self.values[len(world.log.values)])
            self.came.append(world.now)
        elif world.now > self.came[-1] + self.idle:
            self.stop.set()
        return self._read(partition, offset, max_bytes, timeout)


def test_what_waits_is_sealed_in_two_seconds_and_an_idle_notary_shows_itself_in_ten() -> None:
    """As people are told who watch for it."""
    world, stop = World(), threading.Event()
    world.now = 1000.0
    log = Paced(world, stop, idle=40.0)
    Partition(replace(world.workshop(), settings=NotarySettings(name=NAME)), 0).run(stop)
    assert len(log.came) == len(log.values) > 40
    assert max(log.waited) <= 2.0
    gaps = [after - before for before, after in zip(log.sealed, log.sealed[1:], strict=False)]
    assert max(gaps) <= 10.0
    assert log.sealed[-1] >= log.came[-1] + 30.0
