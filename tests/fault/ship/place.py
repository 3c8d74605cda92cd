"""A journal that was shipped to a log in memory, its notary, and who proves that it is sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from audit.journal import JournalReader, JournalSettings
from audit.proof.entry import Key as EntryKey
from audit.proof.entry import parse_entry
from audit.proof.record import split_record
from audit.ship.reached import SEALED, Reached, read_reached
from audit.ship.sealed import SealedJournal
from audit.ship.shipper import Shipper
from audit.ship.watch import SealWatch
from audit.trees import Trees
from tests.components.journals import write_journal
from tests.components.sealer import Sealer

from .memory import MemoryLog
from .world import drain, durable, shipper_of

SMALL = JournalSettings(segment_bytes=64 << 10, max_bytes=1 << 20)


@dataclass
class Place:
    """A journal of 2 × 12 exchanges that was shipped to a log in memory, and its notary."""

    data: Path
    log: MemoryLog = field(default_factory=MemoryLog)

    def __post_init__(self) -> None:
        self.grow()
        self.grow()
        self.sealer = Sealer(self.log, self.data)
        # Twice: what the second run's barrier finds is known to stand before it.
        self.ship()
        self.shipper: Shipper = self.ship()

    @property
    def shipping(self) -> Path:
        return self.data / "shipping" / "0"

    def grow(self) -> None:
        """One epoch more."""
        write_journal(self.data, [b"%d" % number for number in range(12)], settings=SMALL)

    def ship(self) -> Shipper:
        """Ship everything that is durable: what the shipper's progress says holds of a run that has ended, too."""
        self.shipper = drain(shipper_of(self.data, self.log, self.shipping))
        assert self.shipper.progress.alarm is None
        return self.shipper

    def watch(self, trees: Trees | None = None, keep: int = 1000) -> tuple[SealWatch, SealedJournal]:
        """A sidecar's, started anew."""
        directory = self.data / "journals" / "0"
        watch = SealWatch(trees or self.sealer.trees)
        seal = SealedJournal(
            self.shipper.journal, lambda: JournalReader(directory), self.shipping,
            self.shipper.progress, keep, bytes(16),
        )  # fmt: skip
        watch.add(seal, lambda: durable(self.data))
        return watch, seal

    def look(self) -> SealedJournal:
        """One look of a sidecar that was started anew."""
        watch, seal = self.watch()
        watch.look()
        watch.close()
        return seal

    def mark(self) -> Reached | None:
        return read_reached(self.shipping, SEALED)

    def places(self) -> dict[int, int]:
        """Sequence → offset in the log, of each first appearance."""
        found: dict[int, int] = {}
        for offset, (key, value) in enumerate(self.log.entries):
            entry = parse_entry(split_record(value)[0])
            if key == self.shipper.journal and EntryKey.SEQUENCE in entry.fields:
                found.setdefault(entry.fields[EntryKey.SEQUENCE], offset)
        return found
