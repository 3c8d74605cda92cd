"""One exchange out of the log, decoded, with what holds of it and what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import LogUnavailable, NoSuchRecord
from .log.base import LogEntry, LogReader
from .proof.encryption import NO_KEYS, PayloadKeys
from .proof.entry import JOURNAL_KINDS, Entry, Key, Kind, parse_record_id, signing_message
from .proof.errors import FormatError, NotProved
from .proof.exchange import fields_of, parts_json
from .proof.hashing import ZERO_HASH, leaf_hash
from .proof.record import Payload, Record, parse_payload, parse_record, payload_holds

_READ_BYTES: Final = 4 << 20
_READ_SECONDS: Final = 10.0
_PAYLOAD: Final = "the payload is what the entry's digest covers"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands."""

    partition: int
    offset: int
    timestamp: int
    """The log's, ms since 1970 UTC."""


@dataclass(slots=True)
class Exchange:
    """A record as a person reads it. `holds`: each check, and whether it holds; None: could not be made."""

    place: Place
    record: Record
    payload: Payload | None
    opening: Entry | None
    hidden: str | None = None
    """Why a payload that is there cannot be read."""
    holds: dict[str, bool | None] = field(default_factory=dict)


def walk(
    reader: LogReader, partition: int, start: int, end: int, *, name: str | None = None
) -> Iterator[LogEntry]:
    """Entries of a partition from `start` up to, not including, `end`. `name` is the log's, for messages.

    Raises:
        LogUnavailable: nothing came although the log says that there is more.
    """
    offset = start
    while offset < end:
        entries = reader.read(partition, offset, _READ_BYTES, _READ_SECONDS)
        if not entries:
            raise LogUnavailable(
                f"{name or f'partition {partition}'}: nothing came from offset {offset}, before {end}"
            )
        for entry in entries:
            if entry.offset < end:
                yield entry
        offset = entries[-1].offset + 1


def find(
    reader: LogReader,
    partitions: int,
    record_id: str,
    external: Callable[[bytes], bytes | None] = lambda _: None,
    keys: PayloadKeys = NO_KEYS,
) -> Exchange:
    """Look for a record, and check it against its payload, its neighbours and its epoch's opening.

    Args:
        reader: of the log.
        partitions: how many it has.
        record_id: as an answer's `Affiant-Record` header says.
        external: gives what the object store has under a digest, None when that is nothing.
        keys: open encrypted payloads.

    Raises:
        FormatError: `record_id` is none.
        NoSuchRecord: the log does not hold it.
    """
    journal, sequence = parse_record_id(record_id)
    for partition in range(partitions):
        found = _find_in(reader, partition, journal, sequence, external, keys)
        if found is not None:
            return found
    raise NoSuchRecord(
        f"the log holds no record {record_id}; a record of the last seconds may not be shipped yet"
    )


def _find_in(
    reader: LogReader,
    partition: int,
    journal: bytes,
    sequence: int,
    external: Callable[[bytes], bytes | None],
    keys: PayloadKeys,
) -> Exchange | None:
    """One pass: the opening and the entry before it are met on the way, the entry after it right behind."""
    first, end = reader.bounds(partition)
    exchange: Exchange | None = None
    opening: Entry | None = None
    before: Entry | None = None
    for entry in walk(reader, partition, first, end):
        if entry.key != journal:
            continue
        record = _parse(entry.value or b"")
        if record is None or record.entry.kind not in JOURNAL_KINDS:
            continue
        at = record.entry.fields[Key.SEQUENCE]
        if exchange is not None:
            if at == sequence + 1:
                exchange.holds["the next entry is chained to it"] = record.entry.fields[
                    Key.CHAIN
                ] == leaf_hash(exchange.record.entry.raw)
                return exchange
        elif at == sequence:
            place = Place(partition, entry.offset, entry.timestamp)
            whole, damaged = _whole(record, external)
            exchange = examine(place, whole, before, opening, damaged=damaged, keys=keys)
        else:
            before = record.entry
            opening = record.entry if record.entry.kind == Kind.OPENING else opening
    return exchange


def _parse(value: bytes) -> Record | None:
    try:
        return parse_record(value)
    except FormatError:
        return None  # `affiant log verify` names it; here another record is looked for


def _whole(record: Record, external: Callable[[bytes], bytes | None]) -> tuple[Record, bool]:
    """The record with its payload, wherever that is; and whether something else stands in the payload's place.

    That may be nothing at all: an object of 0 bytes is damaged, and not absent.
    """
    entry = record.entry
    if not entry.get(Key.EXTERNAL) or record.payload:
        return record, False
    found = external(entry.fields[Key.PAYLOAD_DIGEST])
    whole = Record(entry, found or b"")
    return whole, found is not None and not payload_holds(whole)


def examine(
    place: Place,
    record: Record,
    before: Entry | None,
    opening: Entry | None,
    after: Entry | None = None,
    *,
    damaged: bool = False,
    keys: PayloadKeys = NO_KEYS,
) -> Exchange:
    """A journal's record, and what holds of it.

    Args:
        place: where it stands.
        record: with its payload when anybody has it.
        before: the journal's entry before it, when known.
        opening: that of its epoch, when known.
        after: the journal's entry after it, when known.
        damaged: something else stands where the payload should, be it of 0 bytes: it is not absent.
        keys: open it when it is encrypted.
    """
    entry = record.entry
    payload, hidden = None, None
    if record.payload:
        try:
            payload = parse_payload(keys.plain(entry, record.payload))
        except (FormatError, NotProved) as error:
            hidden = f"not readable: {error}"
    exchange = Exchange(place, record, payload, entry if entry.kind == Kind.OPENING else opening, hidden)
    has_payload = entry.get(Key.PAYLOAD_DIGEST) is not None
    exchange.holds = {
        _PAYLOAD: (
            payload_holds(record) if record.payload or damaged else None
        ) if has_payload else None,
        "it is chained to the entry before it": _chained(entry, before),
        "its epoch's opening is signed by the journal's key": _signed(exchange.opening, entry),
        "the next entry is chained to it": (
            None if after is None else after.fields[Key.CHAIN] == leaf_hash(entry.raw)
        ),
    }  # fmt: skip
    return exchange


def _chained(entry: Entry, before: Entry | None) -> bool | None:
    sequence, chain = entry.get(Key.SEQUENCE), entry.get(Key.CHAIN)
    if sequence is None or chain is None:  # of a kind that this version does not know
        return None
    if sequence == 0:
        return bool(chain == ZERO_HASH)
    if before is None or before.fields[Key.SEQUENCE] != sequence - 1:
        return None
    return bool(chain == leaf_hash(before.raw))


def _signed(opening: Entry | None, entry: Entry) -> bool | None:
    if opening is None or opening.fields[Key.EPOCH] != entry.fields[Key.EPOCH]:
        return None
    key = Ed25519PublicKey.from_public_bytes(opening.fields[Key.PUBLIC_KEY])
    try:
        key.verify(opening.fields[Key.SIGNATURE], signing_message(opening.fields))
    except InvalidSignature:
        return False
    return True


def describe(exchange: Exchange) -> dict[str, Any]:
    """The exchange as JSON: names in place of keys, bodies decoded (proof/bodies.py)."""
    entry = exchange.record.entry
    described: dict[str, Any] = {
        "record": entry.record_id,
        "partition": exchange.place.partition,
        "offset": exchange.place.offset,
        "logged_ms": exchange.place.timestamp,
        "entry": fields_of(entry),
        "holds": exchange.holds,
    }
    if exchange.payload is not None:
        described |= parts_json(exchange.payload)
    elif exchange.hidden is not None:
        described["payload"] = exchange.hidden
    return described
