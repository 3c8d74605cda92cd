"""Does a log hold what its journals wrote? Every record is looked at, in the order of its partition.

For each record, in this order:

1. its offset follows the one before it;
2. it is a record of the format (docs/record-format.md, sections 2 and 3);
3. its payload is the bytes that its entry's digest covers, when it carries one;
4. its entry follows the journal's entry before it: sequence, chain and epoch. The same sequence with the same
   hash again is a benign duplicate (a dead sidecar's last request may still land); with another hash it is
   a flaw;
5. opening, heartbeat and closing entries are signed by the key of the journal's first opening.

A changed entry shows where the next one is chained to it, at the latest at the journal's next heartbeat or
closing entry, which nobody else can sign. What was cut off after the last of those only the notary's tree
can tell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import LogError, LogUnavailable
from .proof.entry import JOURNAL_KINDS, SIGNED_KINDS, Entry, Key, Kind, signing_message
from .proof.errors import FormatError
from .proof.hashing import ZERO_HASH, leaf_hash
from .proof.record import parse_payload, parse_record

READ_BYTES: Final = 4 << 20
READ_SECONDS: Final = 10.0
REMEMBERED: Final = 65_536
"""Leaf hashes kept for each journal, to tell benign duplicates; far more than a sidecar has in flight."""


class _Read(Protocol):
    """An entry of a log, as `audit.log` reads it."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes: ...


class Reader(Protocol):
    """The part of `audit.log.LogReader` that is needed here."""

    def bounds(self, partition: int) -> tuple[int, int]:
        """First offset and next offset."""
        ...

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> Any:
        """Entries from that offset on; empty when there are none within `timeout` seconds."""
        ...


class Flaw(NamedTuple):
    """One thing that is wrong, and where. `journal` is hex; both it and `sequence` are None when not
    known.
    """

    what: str
    message: str
    partition: int
    offset: int
    journal: str | None = None
    sequence: int | None = None

    def __str__(self) -> str:
        where = f"partition {self.partition}, offset {self.offset}"
        if self.journal is not None:
            where += f", journal {self.journal}, sequence {self.sequence}"
        return f"{self.what}: {self.message} ({where})"


@dataclass(slots=True)
class Checked:
    """What was looked at and what was found."""

    records: int = 0
    exchanges: int = 0
    """Inference and aborted entries."""
    payloads: int = 0
    """Payloads whose digest holds."""
    without_payload: int = 0
    """Entries whose payload is not in the record: erased, or in the object store."""
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


@dataclass(slots=True)
class _Journal:
    """What is known of one journal so far."""

    partition: int
    sequence: int
    """The next one."""
    head: bytes
    epoch: int = 0
    key: bytes | None = None
    leaves: OrderedDict[int, bytes] = field(default_factory=OrderedDict)


def check_log(
    reader: Reader,
    partitions: int,
    *,
    progress: Callable[[int], None] = lambda _: None,
    max_flaws: int = 1000,
) -> Checked:
    """Look at every record that the log has now.

    Args:
        reader: of the log.
        partitions: how many it has.
        progress: called with the number of records looked at since the last call.
        max_flaws: stop after so many.

    Raises:
        LogUnavailable: the log does not answer.
    """
    check = _Check()
    for partition in range(partitions):
        first, end = reader.bounds(partition)
        offset = first
        while offset < end and len(check.result.flaws) < max_flaws:
            try:
                entries = reader.read(partition, offset, READ_BYTES, READ_SECONDS)
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


def _until(entries: Any, end: int) -> Iterator[_Read]:
    return (entry for entry in entries if entry.offset < end)


class _Check:
    """The fold over the records."""

    def __init__(self) -> None:
        self.result = Checked()
        self._journals: dict[bytes, _Journal] = {}

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
            record = parse_record(read.value)
        except FormatError as error:
            self.flaw("format", str(error), partition, read.offset)
            return
        entry = record.entry
        self._payload(entry, record.payload, partition, read.offset)
        if entry.kind in (Kind.INFERENCE, Kind.ABORTED):
            self.result.exchanges += 1
        if not _is_kind(entry.kind):
            self.result.unknown_kinds += 1
        if not _of_journal(entry):
            return
        if read.key is not None and read.key != entry.fields[Key.JOURNAL]:
            self.flaw("key", "the record's key is not its journal's id", partition, read.offset, entry)
        journal = self._chain(entry, partition, read.offset, from_start=from_start)
        if journal is not None and entry.kind in SIGNED_KINDS:
            self._signature(journal, entry, partition, read.offset)

    def _payload(self, entry: Entry, payload: bytes, partition: int, offset: int) -> None:
        digest = entry.get(Key.PAYLOAD_DIGEST)
        if digest is None:
            return
        if not payload and entry.get(Key.PAYLOAD_LENGTH):
            self.result.without_payload += 1
        elif sha256(payload).digest() != digest:
            self.flaw(
                "payload",
                "the payload is not the bytes that the entry's digest covers",
                partition,
                offset,
                entry,
            )
        else:
            self.result.payloads += 1
            if payload and entry.get(Key.SUITE) == 0:
                try:
                    parse_payload(payload)
                except FormatError as error:
                    self.flaw("format", str(error), partition, offset, entry)

    def _chain(self, entry: Entry, partition: int, offset: int, *, from_start: bool) -> _Journal | None:
        """Step 4; None for a duplicate, which says nothing new."""
        name, sequence = entry.fields[Key.JOURNAL], entry.fields[Key.SEQUENCE]
        leaf = leaf_hash(entry.raw)
        journal = self._journals.get(name)
        if journal is None:
            journal = self._begin(entry, partition, offset, from_start=from_start)
        if partition != journal.partition:
            self.flaw(
                "partition", f"this journal is in partition {journal.partition}", partition, offset, entry
            )
        if sequence < journal.sequence:
            self._duplicate(journal, entry, leaf, partition, offset)
            return None
        if sequence > journal.sequence:
            self.flaw(
                "missing",
                f"sequences {journal.sequence} to {sequence - 1} are not in the log",
                partition,
                offset,
                entry,
            )
        elif entry.fields[Key.CHAIN] != journal.head:
            self.flaw(
                "chain",
                "this entry does not follow the one before it: one of them was changed",
                partition,
                offset,
                entry,
            )
        self._epoch(journal, entry, partition, offset)
        journal.sequence, journal.head = sequence + 1, leaf
        journal.leaves[sequence] = leaf
        if len(journal.leaves) > REMEMBERED:
            journal.leaves.popitem(last=False)
        self.result.journals[name.hex()] = self.result.journals.get(name.hex(), 0) + 1
        return journal

    def _begin(self, entry: Entry, partition: int, offset: int, *, from_start: bool) -> _Journal:
        """A journal that was not met before. A log whose beginning is gone may start anywhere in it."""
        sequence = 0 if from_start else entry.fields[Key.SEQUENCE]
        head = ZERO_HASH if sequence == 0 else entry.fields[Key.CHAIN]
        journal = _Journal(partition, sequence, head)
        if sequence != 0:
            journal.epoch = entry.fields[Key.EPOCH]
        elif entry.kind != Kind.OPENING and entry.fields[Key.SEQUENCE] == 0:
            self.flaw("opening", "the journal does not begin with an opening entry", partition, offset, entry)
        self._journals[entry.fields[Key.JOURNAL]] = journal
        return journal

    def _duplicate(self, journal: _Journal, entry: Entry, leaf: bytes, partition: int, offset: int) -> None:
        known = journal.leaves.get(entry.fields[Key.SEQUENCE])
        if known == leaf:
            self.result.duplicates += 1
        elif known is None:
            self.flaw("order", "an entry from long before: too old to compare", partition, offset, entry)
        else:
            self.flaw("duplicate", "another entry has the same sequence", partition, offset, entry)

    def _epoch(self, journal: _Journal, entry: Entry, partition: int, offset: int) -> None:
        epoch = entry.fields[Key.EPOCH]
        opens = entry.kind == Kind.OPENING
        if (opens and epoch <= journal.epoch) or (not opens and epoch != journal.epoch):
            self.flaw("epoch", f"epoch {epoch} after epoch {journal.epoch}", partition, offset, entry)
        journal.epoch = epoch

    def _signature(self, journal: _Journal, entry: Entry, partition: int, offset: int) -> None:
        if entry.kind == Kind.OPENING:
            key = entry.fields[Key.PUBLIC_KEY]
            if journal.key is not None and key != journal.key:
                self.flaw(
                    "signature", "an opening with another key than the first one", partition, offset, entry
                )
                return
            journal.key = key
        if journal.key is None:
            self.result.unchecked_signatures += 1
            return
        try:
            Ed25519PublicKey.from_public_bytes(journal.key).verify(
                entry.fields[Key.SIGNATURE], signing_message(entry.fields)
            )
        except InvalidSignature:
            self.flaw("signature", "not signed by the journal's key", partition, offset, entry)
        else:
            self.result.signatures += 1


def _is_kind(kind: int) -> bool:
    return any(kind == known for known in Kind)


def _of_journal(entry: Entry) -> bool:
    """Whether a journal wrote it: of known kinds the format says so, of others their keys do."""
    if _is_kind(entry.kind):
        return entry.kind in JOURNAL_KINDS
    name, chain = entry.get(Key.JOURNAL), entry.get(Key.CHAIN)
    return (
        isinstance(name, bytes)
        and len(name) == 16
        and isinstance(chain, bytes)
        and len(chain) == 32
        and all(isinstance(entry.get(key), int) for key in (Key.EPOCH, Key.SEQUENCE))
    )
