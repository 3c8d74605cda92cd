"""From what the log holds to the questions that a model can be asked again."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from audit.proof.entry import Entry, Key, Kind
from audit.proof.errors import FormatError
from audit.proof.record import parse_payload

from .base import Logged, Question, Ran
from .verdict import Judged, Verdict

Openings = Callable[[Logged], Entry | None]
"""Finds the opening entry of a record's epoch, where it stands before what is replayed."""


_EXCHANGES: Final = (Kind.INFERENCE, Kind.ABORTED)


class Asked(NamedTuple):
    """A question, and where it stands."""

    logged: Logged
    question: Question
    ran: Ran | None


class Intake:
    """Reads records in log order. Remembers the openings, and how far each journal has come."""

    def __init__(self, opening: Openings, only: bytes | None) -> None:
        self._opening: Final = opening
        self._only: Final = only
        self._ran: dict[tuple[bytes, int], Ran | None] = {}
        self._reached: dict[bytes, int] = {}
        self.duplicates = 0
        """Benign ones: the same entry, shipped twice."""
        self.unreadable = 0
        """Values that are no record; `affiant audit verify` names them."""

    def take(self, logged: Logged) -> Asked | Judged | None:
        """A question, a verdict that needs no model, or nothing: not an answer, or not asked for."""
        entry = logged.entry
        if entry is None:
            self.unreadable += logged.wanted
        elif entry.kind == Kind.OPENING:
            self._ran[entry.fields[Key.JOURNAL], entry.fields[Key.EPOCH]] = Ran.of(entry)
        elif entry.kind in _EXCHANGES and self._is_new(logged, entry) and self._is_asked_for(entry):
            why = _no_answer(entry)
            return (
                self._question(logged, entry) if why is None else judged(logged, Verdict.NOT_REPLAYABLE, why)
            )
        return None

    def _is_new(self, logged: Logged, entry: Entry) -> bool:
        journal, sequence = entry.fields[Key.JOURNAL], entry.fields[Key.SEQUENCE]
        if sequence <= self._reached.get(journal, -1):
            self.duplicates += logged.wanted
            return False
        self._reached[journal] = sequence
        return True

    def _is_asked_for(self, entry: Entry) -> bool:
        return self._only is None or entry.get(Key.DIGEST) == self._only

    def _question(self, logged: Logged, entry: Entry) -> Asked | Judged:
        payload = logged.payload
        if not payload:
            where = "erased, or gone from the object store" if entry.get(Key.EXTERNAL) else "erased"
            return judged(logged, Verdict.NOT_REPLAYABLE, f"payload: {where}")
        if sha256(payload).digest() != entry.fields[Key.PAYLOAD_DIGEST]:
            return judged(logged, Verdict.DIFFERENT, "payload: not the bytes that the entry's digest covers")
        if suite := entry.fields[Key.SUITE]:
            return judged(logged, Verdict.NOT_REPLAYABLE, f"payload: encrypted (suite {suite})")
        try:
            question = Question(entry, parse_payload(payload))
        except FormatError as error:
            return judged(logged, Verdict.DIFFERENT, f"payload: {error}")
        return Asked(logged, question, self._ran_of(logged, entry))

    def _ran_of(self, logged: Logged, entry: Entry) -> Ran | None:
        epoch = entry.fields[Key.JOURNAL], entry.fields[Key.EPOCH]
        if epoch not in self._ran:
            opening = self._opening(logged)
            self._ran[epoch] = Ran.of(opening) if opening is not None else None
        return self._ran[epoch]


def _no_answer(entry: Entry) -> str | None:
    """Why no model's answer stands in the record; None: one does."""
    if entry.kind == Kind.ABORTED:
        return "aborted: the request was accepted and never answered"
    status = entry.fields[Key.STATUS]
    if status != 200:
        return f"refused: {status} {entry.get(Key.REASON) or ''}".rstrip()
    if entry.get(Key.DIGEST) is None:
        return "no model: the entry names none"
    return None


def judged(logged: Logged, verdict: Verdict, reason: str | None = None) -> Judged:
    """A verdict on this record."""
    assert logged.entry is not None
    return Judged(logged.partition, logged.offset, logged.entry, verdict, reason)
