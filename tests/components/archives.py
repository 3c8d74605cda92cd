"""A small archive by the real writer: two partitions of two days each, twenty records a day, entries of every kind."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from audit.archive import Archiver, Limits
from audit.notary.state import State
from audit.objects.directory import DirectoryObjects
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.entry import Key, encode_entry
from audit.proof.record import Record, parse_record
from tests.components.sealed import KeySigner

TOPIC: Final = b"\x0a" * 16
DAYS: Final = ("2024-10-04", "2024-10-05")
KINDS: Final = ("opening", "inference", "aborted", "heartbeat", "hole", "closing")
PARTITIONS, OFFSETS, WITH_PAYLOAD = 2, 40, 14
"""How many partitions, offsets in each, and payloads in each."""
_DAY: Final = 86_400_000
_NOON: Final = 20_000 * _DAY + _DAY // 2
_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "journal"


class ArchiveSeal:
    """The notary's state alone, of a tree of `size`; `signed`: under one head."""

    def __init__(self, size: int, *, signed: bool = True) -> None:
        head = sign_checkpoint(Checkpoint("o/1", size, bytes(32)), KeySigner())
        self.state = State("o/1").grown(size, bytes(32), head) if signed else State("o/1", size=size)

    def begin_archive(self, end: int) -> None:
        """See `audit.archive`."""
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        """See `audit.archive`."""
        self.state = self.state.archive_finished()


def small_archive(root: Path) -> Path:
    """Write it into a store at `root`; its folder `archive`."""
    records = [parse_record((_GOLDEN / f"{name}.bin").read_bytes()) for name in KINDS]
    for partition in range(PARTITIONS):
        archiver = Archiver(DirectoryObjects(root), TOPIC, partition, 0, 0, Limits(records=16))
        for offset in range(OFFSETS):
            entry, payload = _numbered(records[offset % len(records)], offset)
            archiver.add(offset, _NOON + (offset // 20) * _DAY + offset, entry, payload)
        seal = ArchiveSeal(OFFSETS)
        while archiver.archive(seal, 0.0, flush=True):
            pass
    return root / "archive"


def _numbered(record: Record, offset: int) -> tuple[bytes, bytes]:
    """The entry at an offset, and its payload."""
    fields: dict[int, Any] = dict(record.entry.fields)
    if Key.PAYLOAD_DIGEST not in fields:
        return record.entry.raw, b""
    payload = b"%d" % offset
    fields[Key.PAYLOAD_DIGEST] = sha256(payload).digest()
    if Key.STATUS in fields:
        fields |= {Key.SEQUENCE: offset, Key.STATUS: 200 + offset % 3}
    return encode_entry(fields), payload
