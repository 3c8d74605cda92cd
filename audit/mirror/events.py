"""A record of the journal as an event of Fluentd's Forward protocol: names in place of keys, and no payload unasked."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgpack
from fluent.sender import EventTime

from audit.proof.entry import Entry, Key, Kind, Protocol, Slot, parse_entry
from audit.proof.errors import FormatError
from audit.proof.exchange import fields_of, parts_json
from audit.proof.hashing import leaf_hash
from audit.proof.record import parse_payload, split_record

_NO_TAG: Final = re.compile(r"[^A-Za-z0-9_-]")
_LATEST: Final = 2**32 - 1
_NAMES: Final = {int(key): key.name.lower() for key in Key}
_WORDS: Final = {
    int(key): {int(word): word.name.lower() for word in words}
    for key, words in ((Key.KIND, Kind), (Key.SLOT, Slot), (Key.PROTOCOL, Protocol))
}


class Event(NamedTuple):
    """What is sent of one record. `label` ends its tag; `packed` is `[time, fields]` in MessagePack."""

    label: str | None
    packed: bytes


def event_of(record: bytes, *, payload_bytes: int = 0) -> Event:
    """The event of a record.

    Its fields are the entry's by name, as `affiant log show` gives them, the record id (`record`) and the entry's leaf
    hash in the sealed tree (`leaf`, hex).

    MUST NOT hold anything of the payload but its length and digest, unless `payload_bytes` asks for it.
    MUST NOT fail on a record that the journal holds: of one that cannot be told, `untold` says why.

    Args:
        record: its bytes in the journal.
        payload_bytes: payloads up to this size go along, decoded, as `payload`.
    """
    raw, payload = split_record(record)
    leaf = leaf_hash(raw).hex()
    try:
        entry = parse_entry(raw)
        fields: dict[str, Any] = {"record": _record_id(entry), "leaf": leaf, **named(entry)}
        if payload and payload_bytes:
            fields["payload"] = _payload(entry, payload, payload_bytes)
        return Event(_label(entry), _packed(_time(entry), fields))
    except (FormatError, ValueError, OverflowError) as error:
        # A number of the request that MessagePack has not, or an entry of a later version.
        return Event(None, _packed(0, {"leaf": leaf, "untold": f"{type(error).__name__}: {error}"}))


def named(entry: Entry) -> dict[str, Any]:
    """What `fields_of` gives, at a small part of its cost (2 µs for 70): this runs once for each record.

    MUST give the same. Entries with keys that this version does not know, and with maps, are left to it.
    """
    fields: dict[str, Any] = {}
    for key, value in entry.fields.items():
        name = _NAMES.get(key)
        if name is None or isinstance(value, dict):
            return fields_of(entry)
        if isinstance(value, bytes):
            fields[name] = value.hex()
        elif key in _WORDS:
            fields[name] = _WORDS[key].get(value, value)
        else:
            fields[name] = value
    if "digest" in fields:
        fields["digest"] = f"sha256:{fields['digest']}"
    return fields


def gap_event(journal: bytes, first: int, last: int, now: int) -> Event:
    """That the entries `first` to `last` of a journal were freed before they were copied."""
    fields = {"kind": "not_mirrored", "journal": journal.hex(), "first": first, "last": last}
    return Event(None, _packed(now, fields))


def _record_id(entry: Entry) -> str | None:
    return entry.record_id if entry.get(Key.JOURNAL) and entry.get(Key.SEQUENCE) is not None else None


def _label(entry: Entry) -> str | None:
    """The service, as one part of a tag: receivers route by parts, and none may pass for another service's."""
    service = entry.get(Key.SERVICE)
    return _NO_TAG.sub("_", service) if isinstance(service, str) and service else None


def _time(entry: Entry) -> int:
    """When it was committed, ns since 1970 UTC; 0 of a kind that has no such time."""
    time = entry.get(Key.COMMITTING)
    return time if isinstance(time, int) else 0


def _payload(entry: Entry, payload: bytes, most: int) -> Any:
    if len(payload) > most:
        return {"left_out": len(payload)}
    if entry.get(Key.SUITE) != 0:
        return {"encrypted": entry.get(Key.SUITE)}
    return parts_json(parse_payload(payload))


def _packed(time: int, fields: dict[str, Any]) -> bytes:
    seconds, nanoseconds = divmod(time, 10**9)
    packed: bytes = msgpack.packb([EventTime(min(seconds, _LATEST), nanoseconds), fields])
    return packed
