"""The sidecar dies at every step of saying what is sealed: what it said holds, and the next run finds the rest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.journal import JournalReader
from audit.objects.directory import DirectoryObjects
from audit.ship.offsets import Offsets
from audit.ship.reached import SEALED, Reached, ReachedWriter, read_reached
from audit.ship.sealed import SealedJournal
from audit.ship.shipper import Progress
from audit.ship.watch import SealWatch
from tests.components.sealer import Sealer
from tests.fault.ship.memory import Killed, MemoryLog
from tests.fault.ship.world import drain, durable, journal_of_epochs, shipper_of

pytestmark = pytest.mark.fault

_put, _write, _get = Offsets.put, ReachedWriter.write, DirectoryObjects.get
RIVALS = 200


class Site:
    """A shipped journal whose entries lie far apart in the log, and its notary."""

    def __init__(self, data: Path) -> None:
        self.data = data
        journal_of_epochs(data, records=4)
        log = MemoryLog()
        self.journal = drain(shipper_of(data, log, data / "shipping" / "0")).journal
        entries: list[tuple[bytes, bytes]] = []
        self.places: list[int] = []
        for key, value in log.entries:
            entries += [(b"another", b"x")] * RIVALS
            if entries and key == self.journal and value != log.entries[0][1]:
                self.places.append(len(entries))
            entries.append((key, value))
        log.entries, log.visible = entries, len(entries)
        self.sealer = Sealer(log, data)
        self.size = len(entries)

    def watch(self, shipping: Path) -> SealWatch:
        """A sidecar started anew; all is acknowledged."""
        directory = self.data / "journals" / "0"
        shipping.mkdir(exist_ok=True)
        shutil.copy(self.data / "shipping" / "0" / "route.json", shipping)
        progress = Progress(within=Reached(durable(self.data), self.size))
        watch = SealWatch(self.sealer.trees)
        seal = SealedJournal(
            self.journal, lambda: JournalReader(directory), shipping, progress, 1000, bytes(16)
        )
        watch.add(seal, lambda: durable(self.data))
        return watch


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], list[str]]]:
    """Make every read of the store and every write a step, and die at the one of that number."""

    def arm(at: int | None) -> list[str]:
        steps: list[str] = []

        def step(name: str) -> None:
            steps.append(name)
            if len(steps) == at:
                raise Killed(name)

        def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def called(self: Any, *arguments: Any) -> Any:
                step(f"before {name}")
                result = call(self, *arguments)
                step(f"after {name}")
                return result

            return called

        monkeypatch.setattr(Offsets, "put", around("offsets", _put))
        monkeypatch.setattr(ReachedWriter, "write", around("mark", _write))
        monkeypatch.setattr(DirectoryObjects, "get", around("get", _get))
        return steps

    yield arm
    monkeypatch.undo()


def look(site: Site, shipping: Path) -> None:
    """One look, up to the kill or to its end."""
    try:
        site.watch(shipping).look()
    except Killed:
        return


def assert_true(site: Site, shipping: Path, sealed: int) -> Reached:
    """What is said to be sealed is below the tree's end, and its places are the log's."""
    mark = read_reached(shipping, SEALED) or Reached(0, 0)
    below = [place for place in site.places if place < sealed]
    assert mark.sequence <= len(below)
    assert mark.offset <= sealed
    offsets = Offsets(shipping, 1000)
    assert [offsets.get(sequence) for sequence in range(mark.sequence)] == site.places[: mark.sequence]
    return mark


def test_killed_at_every_step_what_is_said_to_be_sealed_is(
    site: Site, tmp_path: Path, arm: Callable[[int | None], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the log is sealed, then all; each look is killed at each of its steps."""
    monkeypatch.setattr("audit.ship.leaves.PART", 256)
    ends: Sequence[int] = (site.size // 2, site.size)
    for end in ends:
        site.sealer.seal(end)
        whole = arm(None)
        look(site, tmp_path / f"whole {end}")
        assert assert_true(site, tmp_path / f"whole {end}", end).offset == end
        steps = list(whole)
        assert {"before offsets", "after offsets", "before mark", "after mark", "before get"} <= set(steps)
        for place in range(1, len(steps) + 1):
            shipping = tmp_path / f"{end} {place}"
            arm(place)
            look(site, shipping)
            before = assert_true(site, shipping, end)
            arm(None)
            look(site, shipping)
            after = assert_true(site, shipping, end)
            assert before.sequence <= after.sequence == sum(one < end for one in site.places), steps[
                place - 1
            ]
            assert after.offset == end
