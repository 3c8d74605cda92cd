"""What the leaf of an offset is: the record's entry, or a `hole` entry that anybody can make again.

A hole depends on the topic, the place and the value alone, so whoever has the partition makes the same one.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from audit.log.base import Topic
from audit.proof.entry import Entry, Key, Kind, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import Record, split_record

# Read for each record: looking a name up in its enumeration would take longer than the comparison.
_HOLE: Final = int(Kind.HOLE)
_LENGTH: Final = int(Key.PAYLOAD_LENGTH)
_DIGEST: Final = int(Key.PAYLOAD_DIGEST)


class Hole(StrEnum):
    """Why an offset has no record: the closed list. What is changed here changes roots."""

    GONE = "gone"
    """The log does not have the offset any more (retention, truncation), or never had (compaction, transactions)."""
    EMPTY = "no value"
    """A record of the log without a value."""
    FORMAT = "not a record of this format"
    """Another format number, or shorter than it says."""
    ENTRY = "no entry"
    """The entry is not one, by the strict rules of the format."""
    HOLE = "a hole"
    """A whole record whose entry says that it is a hole: only the notary makes those."""


class Leaf(NamedTuple):
    """What stands at one offset."""

    entry: bytes
    """The leaf's entry, byte for byte."""
    record: Record | None
    """The record that was read; None of a hole."""
    hole: Hole | None = None
    """Why there is none. Raises an alarm."""
    flaw: str = ""
    """How the payload contradicts the entry. The entry is a leaf all the same; raises an alarm."""


def entry_of(value: bytes | None, topic: Topic, partition: int, offset: int) -> Leaf:
    """The leaf of an offset that the log has.

    MUST be decided by the arguments alone.
    """
    if value is None:
        return hole_at(Hole.EMPTY, topic, partition, offset)
    try:
        raw, payload = split_record(value)
    except FormatError:
        return hole_at(Hole.FORMAT, topic, partition, offset, value)
    try:
        entry = parse_entry(raw)
    except FormatError:
        return hole_at(Hole.ENTRY, topic, partition, offset, value)
    if entry.fields[0] == _HOLE:
        return hole_at(Hole.HOLE, topic, partition, offset, value)
    return Leaf(raw, Record(entry, payload), None, _flaw(entry, payload))


def hole_at(reason: Hole, topic: Topic, partition: int, offset: int, value: bytes | None = None) -> Leaf:
    """The leaf of an offset without a record; `value` is what stands there, if anything does."""
    fields: dict[int, object] = {
        Key.KIND: Kind.HOLE,
        Key.REASON: reason.value,
        Key.TOPIC: {
            "backend": topic.backend,
            "name": topic.name,
            "id": topic.id,
            "partition": partition,
        },
        Key.PARTITION: partition,
        Key.OFFSET: offset,
    }
    if value is not None:
        fields[Key.VALUE_HASH] = sha256(value).digest()
    return Leaf(encode_entry(fields), None, reason)


def has_payload(raw: bytes) -> bool:
    """Whether an entry has a payload that the log carries: one that is external is in the object store."""
    try:
        fields = parse_entry(raw).fields
    except FormatError:
        return False
    return bool(fields.get(_LENGTH)) and not fields.get(Key.EXTERNAL)


def _flaw(entry: Entry, payload: bytes) -> str:
    """Empty when there is none. Only one that is external may be absent: nothing is taken out of a log, so any other
    was left out on the way.
    """
    length = entry.fields.get(_LENGTH, 0)
    if not payload:
        return f"came without its payload of {length} bytes" if length and not entry.get(Key.EXTERNAL) else ""
    if len(payload) != length:
        return f"a payload of {len(payload)} bytes, the entry says {length}"
    if sha256(payload).digest() != entry.fields.get(_DIGEST):
        return "the payload has another digest than the entry says"
    return ""
