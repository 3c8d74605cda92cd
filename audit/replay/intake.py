"""From what the log holds to the questions that a model can be asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from audit.erasure.told import NO_ERASURES, Erasures
from audit.proof.encryption import NO_KEYS, NoKey, PayloadKeys
from audit.proof.entry import Entry, Key
from audit.proof.errors import FormatError, NotProved
from audit.proof.record import parse_payload

from .base import Logged, Question, Ran
from .keys import (
    ABORTED,
    DIGEST,
    EPOCH,
    INFERENCE,
    JOURNAL,
    KIND,
    OPENING,
    PAYLOAD_DIGEST,
    SEQUENCE,
    STATUS,
    SUITE,
)
from .verdict import Judged, Verdict

Openings = Callable[[Logged], Entry | None]
"""Finds the opening entry of a record's epoch, where it stands before what is replayed."""


ABSENT: Final = "not there, and no signed statement tells of its erasure (over its time, or removed{})"
"""Nothing in a record tells one from the other: who reads it must not take a folder that was removed for an erasure."""
_EXCHANGES: Final = (INFERENCE, ABORTED)


REMEMBERED: Final = 32_768
"""Entries at least, of all journals together, that a later one is held against; at most twice as many."""
SHOWN: Final = 20
"""Records out of order that are named; the others are counted."""


class Place(NamedTuple):
    """Where a record stands."""

    record: str
    partition: int
    offset: int


class Asked(NamedTuple):
    """A question, and where it stands."""

    logged: Logged
    question: Question
    ran: Ran | None


class Intake:
    """Reads records in log order. Remembers the openings, how far each journal has come, and its newest entries.

    Passed over is an entry that was there before, bit for bit and with its payload, and nothing else: one that comes
    after its place, or whose sequence another entry has, MUST be judged like all others, and is counted. Else whoever
    puts one record of a large sequence in front takes the verdict from all behind it.
    """

    def __init__(
        self,
        opening: Openings,
        only: bytes | None,
        keys: PayloadKeys = NO_KEYS,
        erased: Callable[[], Erasures] = lambda: NO_ERASURES,
    ) -> None:
        """`keys` open encrypted payloads; `erased` gives what signed statements say of those that are not there."""
        self._keys: Final = keys
        self._erased: Final = erased
        self._opening: Final = opening
        self._only: Final = only
        self._ran: dict[tuple[bytes, int], Ran | None] = {}
        self._reached: dict[bytes, int] = {}
        self._newer: dict[tuple[bytes, int], tuple[bytes, bool]] = {}
        """By journal and sequence: the entry, and whether a payload was there with it."""
        self._older: dict[tuple[bytes, int], tuple[bytes, bool]] = {}
        self.duplicates = 0
        """Benign ones: the same entry, shipped twice."""
        self.disordered = 0
        """Records out of order: their journal was further on, or another record has their sequence; or they are
        duplicates from so long ago that it cannot be told."""
        self.first: list[Place] = []
        """The first of those."""
        self.unreadable = 0
        """Values that are no record; `affiant audit verify` names them."""

    def take(self, logged: Logged) -> Asked | Judged | None:
        """A question, a verdict that needs no model, or nothing: not an answer, or not asked for."""
        entry = logged.entry
        if entry is None:
            self.unreadable += logged.wanted
            return None
        fields = entry.fields
        kind = fields[KIND]
        if kind == OPENING:
            self._ran[fields[JOURNAL], fields[EPOCH]] = Ran.of(entry)
        elif (
            kind in _EXCHANGES
            and self._is_new(logged, entry)
            and (self._only is None or fields.get(DIGEST) == self._only)
        ):
            why = _no_answer(fields)
            if why is not None:
                return judged(logged, Verdict.NOT_REPLAYABLE, why)
            return self._question(logged, entry)
        return None

    def _is_new(self, logged: Logged, entry: Entry) -> bool:
        journal, sequence = place = entry.fields[JOURNAL], entry.fields[SEQUENCE]
        if sequence > self._reached.get(journal, -1):
            self._reached[journal] = sequence
        else:
            known = self._newer.get(place) or self._older.get(place)
            same = known is not None and known[0] == entry.raw
            if same and known is not None and (known[1] or not logged.payload):
                self.duplicates += logged.wanted
                return False
            if not same:
                self._disordered(logged, entry)
                if known is not None:  # the first one stays: its duplicates are the benign ones
                    return True
        self._newer[place] = entry.raw, bool(logged.payload)
        if len(self._newer) >= REMEMBERED:
            self._older, self._newer = self._newer, {}
        return True

    def _disordered(self, logged: Logged, entry: Entry) -> None:
        if logged.wanted:
            self.disordered += 1
            if len(self.first) < SHOWN:
                self.first.append(Place(entry.record_id, logged.partition, logged.offset))

    def _question(self, logged: Logged, entry: Entry) -> Asked | Judged:
        payload, fields = logged.payload, entry.fields
        if not payload:
            told = self._erased().get(fields[PAYLOAD_DIGEST])
            store = " from the object store" if Key.EXTERNAL in fields else ""
            why = ABSENT.format(store) if told is None else f"erased: {told.words()}"
            return judged(logged, Verdict.NOT_REPLAYABLE, f"payload: {why}")
        if sha256(payload).digest() != fields[PAYLOAD_DIGEST]:
            return judged(logged, Verdict.DIFFERENT, "payload: not the bytes that the entry's digest covers")
        try:
            parts = parse_payload(self._keys.plain(entry, payload) if fields[SUITE] else payload)
        except NoKey as error:
            return judged(logged, Verdict.NOT_REPLAYABLE, f"payload: {error}")
        except (FormatError, NotProved) as error:
            return judged(logged, Verdict.DIFFERENT, f"payload: {error}")
        return Asked(logged, Question(entry, parts), self._ran_of(logged, fields))

    def _ran_of(self, logged: Logged, fields: Mapping[int, Any]) -> Ran | None:
        epoch = fields[JOURNAL], fields[EPOCH]
        try:
            return self._ran[epoch]
        except KeyError:
            opening = self._opening(logged)
            ran = self._ran[epoch] = Ran.of(opening) if opening is not None else None
            return ran


def _no_answer(fields: Mapping[int, Any]) -> str | None:
    """Why no model's answer stands in the record; None: one does."""
    if fields[KIND] == ABORTED:
        return "aborted: the request was accepted and never answered"
    status = fields[STATUS]
    if status != 200:
        return f"refused: {status} {fields.get(Key.REASON, '')}".rstrip()
    return None if DIGEST in fields else "no model: the entry names none"


def judged(logged: Logged, verdict: Verdict, reason: str | None = None) -> Judged:
    """A verdict on this record."""
    assert logged.entry is not None
    return Judged(logged.partition, logged.offset, logged.entry, verdict, reason)
