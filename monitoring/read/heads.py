"""A batch's entries as columns: whose they are, what became of the request, what their payload must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.log.base import LogEntry
from audit.proof.entry import Key, Kind, Slot, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import FORMAT
from audit.shapes import Alike, Sorter

from .reasons import Reason

_KIND, _JOURNAL, _SEQUENCE = int(Key.KIND), int(Key.JOURNAL), int(Key.SEQUENCE)
_COMMITTING, _ARRIVED = int(Key.COMMITTING), int(Key.ARRIVED)
_SERVICE, _DIGEST, _SLOT, _STATUS = int(Key.SERVICE), int(Key.DIGEST), int(Key.SLOT), int(Key.STATUS)
_PAYLOAD_DIGEST, _LENGTH, _SUITE = int(Key.PAYLOAD_DIGEST), int(Key.PAYLOAD_LENGTH), int(Key.SUITE)
_PROTOCOL, _EXTERNAL = int(Key.PROTOCOL), int(Key.EXTERNAL)
_INFERENCE, _ABORTED = int(Kind.INFERENCE), int(Kind.ABORTED)
_EXCHANGES: Final = (_INFERENCE, _ABORTED)

_FEW: Final = 8
"""Packages that are told apart one by one, in entries of one shape, before they are sorted."""
_NO_TIME: Final = (1 << 63) - 1
_MOST_STATUS: Final = 999
"""HTTP has none above; what is beyond is counted as this one."""

SLOTS: Final = len(Slot)
"""A slot's number from there on is that of none."""

Whose = tuple[str, bytes | None, int]
"""Service, package's digest (None: the entry names none) and slot's number."""


@dataclass(slots=True)
class Heads:
    """Of the batch's entries, by their place. Where `kind` is 0 nothing else is said: it is no exchange."""

    kind: NDArray[np.uint8]
    journal: NDArray[np.uint8]
    """[n, 16]"""
    sequence: NDArray[np.uint64]
    status: NDArray[np.int64]
    """0 where a request was never answered."""
    latency: NDArray[np.int64]
    """ns from the request's arrival to its record's."""
    whose: NDArray[np.int64]
    """Index into `who`."""
    protocol: NDArray[np.uint64]
    """0 where the entry does not say."""
    suite: NDArray[np.uint64]
    length: NDArray[np.uint64]
    """Bytes of the payload."""
    digest: NDArray[np.uint8]
    """[n, 32], of the payload."""
    external: NDArray[np.bool_]
    payloads: list[bytes]
    """As they stand in the log."""
    who: list[Whose] = field(default_factory=list)
    unreadable: dict[int, Reason] = field(default_factory=dict)
    """Place → why it is no entry."""


class HeadReader:
    """Reads batches' entries; remembers the shapes that it met. For one thread."""

    def __init__(self) -> None:
        self._sorter: Final = Sorter()

    def read(self, batch: Sequence[LogEntry]) -> Heads:
        """Whatever the values are, nothing is raised; and what is said of one does not depend on the others."""
        count = len(batch)
        heads = Heads(
            np.zeros(count, np.uint8), np.zeros((count, 16), np.uint8), np.zeros(count, np.uint64),
            np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64),
            np.zeros(count, np.uint64), np.zeros(count, np.uint64), np.zeros(count, np.uint64),
            np.zeros((count, 32), np.uint8), np.zeros(count, np.bool_), [],
        )  # fmt: skip
        entries = _split(batch, heads)
        found = self._sorter.sort(entries)
        known: dict[Whose, int] = {}
        for alike in found.alike:
            if alike.shape.kind in _EXCHANGES:
                _take_alike(heads, alike, known)
        for at in found.rest:
            if at not in heads.unreadable:
                _take_one(heads, at, entries[at], known)
        heads.who = list(known)
        return heads


def _split(batch: Sequence[LogEntry], heads: Heads) -> list[bytes]:
    """The entries' bytes; empty where there is no record."""
    entries: list[bytes] = []
    payloads = heads.payloads
    for at, logged in enumerate(batch):
        value = logged.value
        if value is not None:
            # A record, as `split_record` reads it, without a call for each.
            head = int.from_bytes(value[:4], "big")
            end = 4 + (head & 0xFFFF)
            if head >> 16 == FORMAT and end <= len(value):
                entries.append(value[4:end])
                payloads.append(value[end:])
                continue
        heads.unreadable[at] = Reason.RECORD
        entries.append(b"")
        payloads.append(b"")
    return entries


def _take_alike(heads: Heads, alike: Alike, known: dict[Whose, int]) -> None:
    at = alike.places
    heads.kind[at] = alike.shape.kind
    heads.journal[at] = alike.data(_JOURNAL)
    heads.sequence[at] = alike.numbers(_SEQUENCE)
    committing, arrived = alike.numbers(_COMMITTING), alike.numbers(_ARRIVED)
    # What a clock that was set back makes of it is no time.
    heads.latency[at] = np.minimum(np.where(committing > arrived, committing - arrived, 0), _NO_TIME)
    if _STATUS in alike:
        heads.status[at] = np.minimum(alike.numbers(_STATUS), _MOST_STATUS)
    heads.suite[at] = alike.numbers(_SUITE)
    heads.length[at] = alike.numbers(_LENGTH)
    heads.digest[at] = alike.data(_PAYLOAD_DIGEST)
    if _PROTOCOL in alike:
        heads.protocol[at] = alike.numbers(_PROTOCOL)
    heads.external[at] = _EXTERNAL in alike
    heads.whose[at] = _whose(alike, known)


def _whose(alike: Alike, known: dict[Whose, int]) -> NDArray[np.int64]:
    """Whose each is. Entries that say so with the same bytes are told together."""
    spans = [alike.shape.spans[key][0] for key in (_SERVICE, _DIGEST, _SLOT) if key in alike]
    if not spans:
        return np.full(len(alike), _index(known, ("", None, 0)))
    said = np.hstack([alike.rows[:, span.start : span.end] for span in spans])
    found = np.full(len(alike), -1, np.int64)
    left = np.arange(len(alike))
    for _ in range(_FEW):
        same = (said[left] == said[left[0]]).all(axis=1)
        found[left[same]] = _index(known, _read_whose(alike, int(left[0])))
        left = left[~same]
        if not len(left):
            return found
    for at in left.tolist():
        found[at] = _index(known, _read_whose(alike, at))
    return found


def _read_whose(alike: Alike, at: int) -> Whose:
    service = slot = digest = None
    if _SERVICE in alike:
        service = alike.data(_SERVICE)[at].tobytes().decode("ascii")  # shapes have no other text
    if _DIGEST in alike:
        digest = alike.data(_DIGEST)[at].tobytes()
    if _SLOT in alike:
        slot = int(alike.numbers(_SLOT)[at])
    return service or "", digest, slot or 0


def _take_one(heads: Heads, at: int, raw: bytes, known: dict[Whose, int]) -> None:
    """An entry that is read alone."""
    try:
        fields: Mapping[int, Any] = parse_entry(raw).fields
    except FormatError:
        heads.unreadable[at] = Reason.ENTRY
        return
    if fields[_KIND] not in _EXCHANGES:
        return
    heads.kind[at] = fields[_KIND]
    heads.journal[at] = np.frombuffer(fields[_JOURNAL], np.uint8)
    heads.sequence[at] = fields[_SEQUENCE]
    heads.latency[at] = min(max(0, fields[_COMMITTING] - fields[_ARRIVED]), _NO_TIME)
    heads.status[at] = min(fields.get(_STATUS, 0), _MOST_STATUS)
    heads.suite[at] = fields[_SUITE]
    heads.length[at] = fields[_LENGTH]
    heads.digest[at] = np.frombuffer(fields[_PAYLOAD_DIGEST], np.uint8)
    heads.protocol[at] = fields.get(_PROTOCOL, 0)
    heads.external[at] = _EXTERNAL in fields
    heads.whose[at] = _index(known, (fields.get(_SERVICE, ""), fields.get(_DIGEST), fields.get(_SLOT, 0)))


def _index(known: dict[Whose, int], whose: Whose) -> int:
    if whose[2] >= SLOTS:
        whose = (*whose[:2], SLOTS)  # one for all that are none
    return known.setdefault(whose, len(known))
