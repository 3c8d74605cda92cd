"""Does a log hold what its journals wrote? Every record is looked at, in the order of its partition.

For each record, in this order:

1. its offset follows the one before it;
2. it is a record of the format (docs/record-format.md, sections 2 and 3);
3. its payload is the bytes that its entry's digest covers, when it carries one, or the object store has one;
4. its entry follows the journal's entry before it: sequence, chain and epoch (follow.py);
5. opening, heartbeat and closing entries are signed by the key of the journal's first opening.

A changed entry shows where the next one is chained to it, at the latest at the journal's next heartbeat or
closing entry, which nobody else can sign. What was cut off after the last of those only the notary's tree
can tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

from .errors import LogDamaged, LogError, LogUnavailable
from .follow import Flaw, Journals, known_kind, of_journal
from .proof.encryption import ENCRYPTED, PLAIN, check_encrypted
from .proof.entry import Entry, Key, Kind
from .proof.errors import FormatError
from .proof.hashing import leaf_hash
from .proof.record import parse_payload, parse_record

READ_BYTES: Final = 4 << 20
READ_SECONDS: Final = 10.0
PAUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds before a read that failed is tried once more, each time."""


class _Read(Protocol):
    """An entry of a log, as `audit.log` reads it."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Reader(Protocol):
    """The part of `audit.log.LogReader` that is needed here."""

    def bounds(self, partition: int) -> tuple[int, int]:
        """First offset and next offset."""
        ...

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> Any:
        """Entries from that offset on; empty when there are none within `timeout` seconds."""
        ...


@dataclass(slots=True)
class Checked:
    """What was looked at and what was found."""

    records: int = 0
    exchanges: int = 0
    """Inference and aborted entries."""
    payloads: int = 0
    """Payloads whose digest holds, wherever they are."""
    external: int = 0
    """Of those, the ones in the object store."""
    without_payload: int = 0
    """Entries whose payload was not found: erased, or in an object store that was not looked into."""
    absent: int = 0
    """Of those, the ones that the object store was asked for and does not have: erased, or lost."""
    signatures: int = 0
    unchecked_signatures: int = 0
    """Signed entries of a journal whose opening is not in the log any more."""
    unknown_kinds: int = 0
    """Entries of kinds that this version does not know; they are chained like the others."""
    duplicates: int = 0
    """Benign ones."""
    journals: dict[str, int] = field(default_factory=dict)
    """Journal id (hex) → entries."""
    flaws: list[Flaw] = field(default_factory=list)


def check_log(
    reader: Reader,
    partitions: int,
    *,
    external: Callable[[bytes], bytes | None] | None = None,
    progress: Callable[[int], None] = lambda _: None,
    max_flaws: int = 1000,
    pause: Callable[[float], object] = time.sleep,
) -> Checked:
    """Look at every record that the log has now.

    Args:
        reader: of the log.
        partitions: how many it has.
        external: gives what the object store has under a digest, None when that is nothing; without it, payloads
            that are there are not looked at.
        progress: called with the number of records looked at since the last call.
        max_flaws: stop after so many.
        pause: waits so many seconds.

    Raises:
        LogUnavailable: the log does not answer.
    """
    check = _Check(external)
    for partition in range(partitions):
        first, end = reader.bounds(partition)
        offset = first
        while offset < end and len(check.result.flaws) < max_flaws:
            try:
                entries = _read(reader, partition, offset, pause)
            except LogError as error:
                reader.bounds(partition)  # raises when the log itself is gone; else it is this place
                check.flaw(
                    "unreadable", f"{error}; the rest of the partition is not checked", partition, offset
                )
                break
            if not entries:
                raise LogUnavailable(
                    f"partition {partition}: nothing came from offset {offset}, before {end}"
                )
            for read in _until(entries, end):
                if read.offset != offset:
                    check.flaw(
                        "offset", f"offsets {offset} to {read.offset - 1} are missing", partition, offset
                    )
                check.record(partition, read, from_start=first == 0)
                offset = read.offset + 1
            progress(len(entries))
    return check.result


def _read(reader: Reader, partition: int, offset: int, pause: Callable[[float], object]) -> Any:
    """What is there. Asked again when the log does not answer: a broker that comes or goes fails one read, a damaged
    place fails each, and only the second is a flaw.
    """
    for seconds in PAUSES:
        try:
            return reader.read(partition, offset, READ_BYTES, READ_SECONDS)
        except LogDamaged:
            raise  # it says so itself: asking again gives the same
        except LogUnavailable:
            pause(seconds)
    return reader.read(partition, offset, READ_BYTES, READ_SECONDS)


def _until(entries: Any, end: int) -> Iterator[_Read]:
    return (entry for entry in entries if entry.offset < end)


class _Check:
    """The fold over the records."""

    def __init__(self, external: Callable[[bytes], bytes | None] | None) -> None:
        self.result = Checked()
        self._external = external
        self._journals = Journals()
        self._places: dict[bytes, int] = {}

    def flaw(self, what: str, message: str, partition: int, offset: int, entry: Entry | None = None) -> None:
        """Note a flaw."""
        known = entry is not None and Key.JOURNAL in entry.fields and Key.SEQUENCE in entry.fields
        journal = entry.fields[Key.JOURNAL].hex() if entry is not None and known else None
        sequence = entry.fields[Key.SEQUENCE] if entry is not None and known else None
        self.result.flaws.append(Flaw(what, message, partition, offset, journal, sequence))

    def record(self, partition: int, read: _Read, *, from_start: bool) -> None:
        """Steps 2 to 5 for one record."""
        self.result.records += 1
        try:
            record = parse_record(read.value or b"")
        except FormatError as error:
            self.flaw("format", str(error), partition, read.offset)
            return
        entry = record.entry
        self._payload(entry, record.payload, partition, read.offset)
        if entry.kind in (Kind.INFERENCE, Kind.ABORTED):
            self.result.exchanges += 1
        if not known_kind(entry):
            self.result.unknown_kinds += 1
        if not of_journal(entry):
            return
        name = entry.fields[Key.JOURNAL]
        if read.key is not None and read.key != name:
            self.flaw("key", "the record's key is not its journal's id", partition, read.offset, entry)
        place = self._places.setdefault(name, partition)
        if partition != place:
            self.flaw("partition", f"this journal is in partition {place}", partition, read.offset, entry)
        self._follow(entry, partition, read.offset, from_start=from_start)

    def _payload(self, entry: Entry, payload: bytes, partition: int, offset: int) -> None:
        digest = entry.get(Key.PAYLOAD_DIGEST)
        if digest is None:
            return
        place = ""
        if not payload and entry.get(Key.PAYLOAD_LENGTH):
            stored = self._stored(entry, digest)
            if stored is None:
                self.result.without_payload += 1
                return
            payload, place = stored, " in the object store"
        if sha256(payload).digest() != digest:
            self.flaw(
                "payload",
                f"the payload{place} is not the bytes that the entry's digest covers",
                partition,
                offset,
                entry,
            )
        else:
            self.result.payloads += 1
            self.result.external += bool(place)
            if payload and entry.get(Key.SUITE) in (PLAIN, ENCRYPTED):
                try:
                    if entry.get(Key.SUITE) == PLAIN:
                        parse_payload(payload)
                    else:
                        check_encrypted(payload, entry.get(Key.KEY_ID))
                except FormatError as error:
                    self.flaw("format", str(error), partition, offset, entry)

    def _stored(self, entry: Entry, digest: bytes) -> bytes | None:
        """What the object store has of an external payload."""
        if self._external is None or not entry.get(Key.EXTERNAL):
            return None
        stored = self._external(digest)
        self.result.absent += stored is None
        return stored

    def _follow(self, entry: Entry, partition: int, offset: int, *, from_start: bool) -> None:
        """Steps 4 and 5."""
        journals, result = self._journals, self.result
        before = journals.followed
        result.flaws += journals.follow(
            entry, leaf_hash(entry.raw), partition=partition, offset=offset, whole=from_start
        )
        name = entry.fields[Key.JOURNAL].hex()
        result.journals[name] = result.journals.get(name, 0) + journals.followed - before
        result.duplicates = journals.duplicates
        result.signatures, result.unchecked_signatures = journals.signatures, journals.unchecked
        journals.notes.clear()
