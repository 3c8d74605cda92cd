"""The log against the tree, for as long as the log has it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from audit.errors import LogError
from audit.log.base import LogEntry, LogReader, Topic
from audit.notary.holes import Hole, entry_of, has_payload, hole_at
from audit.proof.entry import Key, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import FORMAT
from audit.show import walk

from .verified import TreeVerified

_FORMAT: Final = FORMAT.to_bytes(2, "big")


class Logged:
    """One partition of the log that the tree was made of."""

    def __init__(self, reader: LogReader, topic: Topic, partition: int, verified: TreeVerified) -> None:
        """Raises LogUnavailable when the log does not answer."""
        self._reader = reader
        self._topic = topic
        self._partition = partition
        self._verified = verified
        self._first, self._end = reader.bounds(partition)

    def bounds(self, size: int) -> None:
        """The log has not lost its end; its beginning may be gone."""
        if self._end < size:
            self._verified.flaw(
                "log",
                f"ends at offset {self._end - 1}, and {size} are sealed: its tail was cut, or it is another log",
                offset=self._end,
            )
        if self._first:
            self._verified.remark(
                "log", f"begins at offset {self._first}: what was before it is not compared"
            )

    def check(
        self,
        first: int,
        entries: Sequence[bytes | None],
        logged: Sequence[int | None],
        payloads: dict[int, bytes],
    ) -> None:
        """Hold the log's records to sealed entries; payloads that only the log has are added to `payloads`."""
        start, end = max(first, self._first), min(first + len(entries), self._end)
        if start >= end:
            return
        expected = start
        try:
            for read in walk(self._reader, self._partition, start, end):
                if read.offset > expected:
                    self._gap(expected, read.offset, first, entries)
                expected = read.offset + 1
                place = read.offset - first
                self._record(read, entries[place], logged[place], payloads, place)
        except LogError as error:
            self._verified.flaw("log", f"cannot be read on: {error}", offset=expected)
            return
        self._gap(expected, end, first, entries)

    def _gap(self, start: int, end: int, first: int, entries: Sequence[bytes | None]) -> None:
        """The log has nothing from `start` to before `end`: right where that was sealed as holes."""
        missing = [
            offset
            for offset in range(start, end)
            if entries[offset - first] != hole_at(Hole.GONE, self._topic, self._partition, offset).entry
        ]
        if missing:
            said = f"has no offsets {missing[0]} to {missing[-1]}"
            self._verified.flaw("log", said, offset=missing[0])

    def _record(
        self, read: LogEntry, entry: bytes | None, logged: int | None, payloads: dict[int, bytes], place: int
    ) -> None:
        payload = _behind(read.value, entry)
        if payload is None or entry is None:
            made = entry_of(read.value, self._topic, self._partition, read.offset)
            if entry is not None and made.entry != entry:
                self._verified.flaw("log", "the record is not what was sealed", offset=read.offset)
            return  # a hole, or told
        if logged is not None and logged != read.timestamp:
            self._verified.flaw(
                "archive",
                f"says that it was logged at {logged} ms, the log says {read.timestamp}",
                offset=read.offset,
            )
        self._verified.logged += 1
        if not payload and has_payload(entry):
            self._verified.flaw("payload", "the log's record came without it", offset=read.offset)
        known = payloads.get(place)
        if known is None:
            if payload:
                payloads[place] = payload
        elif payload and payload != known:
            self._payload(read.offset, entry, payload)

    def _payload(self, offset: int, raw: bytes, payload: bytes) -> None:
        """The archive and the log have different ones: which is right?"""
        try:
            digest = parse_entry(raw).get(Key.PAYLOAD_DIGEST)
        except FormatError:  # not sealed as a record; told already
            return
        if sha256(payload).digest() != digest:
            self._verified.flaw("payload", "the log's is not what the entry's digest covers", offset=offset)


def _behind(value: bytes | None, entry: bytes | None) -> bytes | None:
    """The payload of a record that has this entry; None when it has another, or is none."""
    if value is None or entry is None:
        return None
    # What almost every record is, without a copy of its entry.
    if (
        value.startswith(_FORMAT)
        and value.startswith(entry, 4)
        and value[2:4] == len(entry).to_bytes(2, "big")
    ):
        return value[4 + len(entry) :]
    return None
