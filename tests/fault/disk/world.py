"""A journal on the simulated disk, what it has promised so far, and the check of any crash against that."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.errors import JournalError
from audit.journal import Journal, JournalReader, JournalRecord, JournalSettings, Opening
from audit.journal.syncer import Syncer
from audit.mark import Mark
from audit.proof.entry import Key, Kind
from audit.proof.hashing import ZERO_HASH, leaf_hash
from audit.proof.record import parse_payload, parse_record

from .simulator import InlineSyncer, InlineWorker, SimulatedDisk

DIRECTORY = Path("/journals/w0")
SHIPPING = Path("/shipping/w0")
OPENING = Opening({"xgboost": "3.2.0"}, "cpu", 1)


def inference(payload: bytes, ticket: int = 0) -> dict[int, object]:
    """Fields of an inference entry over `payload`."""
    digest = sha256(payload).digest()
    return {
        0: int(Kind.INFERENCE),
        6: 1,
        7: "credit",
        10: 200,
        15: digest,
        16: len(payload),
        17: 0,
        22: ticket,
    }


def settings(**changes: Any) -> JournalSettings:
    """Small segments, so that a short run rotates and frees; no notary."""
    return JournalSettings(
        **{"segment_bytes": 64 << 10, "max_bytes": 1 << 20, "free_after": "acknowledged", **changes}
    )


def acknowledge(disk: SimulatedDisk, sequence: int) -> None:
    """What the sidecar leaves on the shared volume: the log has everything below `sequence`."""
    disk.put(SHIPPING / "acknowledged", Mark(sequence, sequence, 1).encode(2))


def seal(disk: SimulatedDisk, sequence: int) -> None:
    """What the sidecar leaves there, too: it has proved that everything below `sequence` is sealed."""
    disk.put(SHIPPING / "sealed", Mark(sequence, sequence, 1).encode(2))


class Clock:
    """A clock that moves a microsecond a look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def open_on(disk: SimulatedDisk, seed: int = 0, *, syncer: Syncer | None = None, **changes: Any) -> Journal:
    """Open the journal of a simulated disk, with everything injected."""
    return Journal.open(
        DIRECTORY, SHIPPING, settings(**changes), OPENING,
        clock=Clock(), random=random.Random(seed).randbytes, disk=disk,
        syncer=syncer or InlineSyncer(disk), worker=InlineWorker(),
    )  # fmt: skip


@dataclass
class World:
    """`answered`: futures with the payloads of their records; `shipped`: records that a reader was given."""

    disk: SimulatedDisk
    answered: list[tuple[asyncio.Future[str], bytes]] = field(default_factory=list)
    shipped: dict[int, bytes] = field(default_factory=dict)
    acknowledged: int = 0
    images: int = 0
    broken: AssertionError | None = None

    def promised(self) -> dict[int, bytes]:
        """Payload by sequence of every append that has resolved."""
        return {
            int(future.result().rpartition("-")[2]): payload
            for future, payload in self.answered
            if future.done() and not future.cancelled() and future.exception() is None
        }

    def ship(self, reader: JournalReader) -> None:
        """What the sidecar does: read, send, acknowledge."""
        for record in reader.read(1 << 20):
            self.shipped[record.sequence] = record.record

    def acknowledge(self, sequence: int) -> None:
        """The log has everything below `sequence`; the mark is written to the shared volume."""
        assert sequence <= max(self.shipped, default=-1) + 1
        self.acknowledged = sequence
        acknowledge(self.disk, sequence)

    def check(self, image: SimulatedDisk) -> list[JournalRecord]:
        """Recover a crashed disk, and compare what is there with what was promised before the crash."""
        self.images += 1
        journal = open_on(image, self.images)
        journal._shut()
        records = verify(image)
        have = {record.sequence: record.record for record in records}
        first = min(have)
        for sequence, payload in self.promised().items():
            if sequence in have:
                assert parse_record(have[sequence]).payload == payload, f"entry {sequence} is another one"
            else:
                assert sequence < min(first, self.acknowledged), f"answered entry {sequence} is lost"
        for sequence, raw in self.shipped.items():
            if sequence in have:
                assert have[sequence] == raw, f"shipped entry {sequence} is another one"
            else:
                assert sequence < min(first, self.acknowledged), f"shipped entry {sequence} is lost"
        return records


def verify(disk: SimulatedDisk) -> list[JournalRecord]:
    """Read a journal as the sidecar would: sequences without a gap, chain unbroken, epochs rising."""
    reader = JournalReader(DIRECTORY, disk=disk)
    records: list[JournalRecord] = []
    while batch := reader.read(1 << 20):
        records += batch
    reader.close()
    assert records, "not even the opening entry is there"
    chain: bytes | None = ZERO_HASH if records[0].sequence == 0 else None
    epoch = 0
    for place, item in enumerate(records):
        record = parse_record(item.record)
        fields = record.entry.fields
        assert item.sequence == records[0].sequence + place == fields[Key.SEQUENCE]
        assert chain is None or fields[Key.CHAIN] == chain, f"the chain is broken at entry {item.sequence}"
        assert fields[Key.EPOCH] in (epoch, epoch + 1) or place == 0
        if fields[Key.EPOCH] == epoch + 1 and place:
            assert record.entry.kind == Kind.OPENING
        if record.entry.kind == Kind.ABORTED:
            assert parse_payload(record.payload).response == b""
        epoch, chain = fields[Key.EPOCH], leaf_hash(record.entry.raw)
    return records


def refused(action: Any) -> bool:
    """Whether the journal refused, with an error of its own."""
    try:
        action()
    except JournalError:
        return True
    return False
