"""Statements in the governance log: who said what, signed, and each said once.

A statement is an entry of kind `governance`: `body type` says what its body is, `author` is the SHA-256 of the key
that signed it, and its payload is the body in a DSSE envelope (proof/dsse.py), salted like every payload.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from .errors import LogUnavailable
from .log.base import Log, LogEntry, LogReader
from .proof.dsse import MEDIA_TYPE, key_id, parse_envelope, sign_envelope, verify_envelope
from .proof.entry import Key, Kind, encode_entry
from .proof.errors import FormatError, NotProved
from .proof.note import Signer
from .proof.record import Header, encode_payload, frame_record, parse_payload, parse_record, payload_holds
from .show import walk

ALARM: Final = "application/vnd.affiant.alarm+json"
"""Something is wrong with a log: the notary says what and where (notary/alarms.py)."""
SUCCESSION: Final = "application/vnd.affiant.succession+json"
"""A topic was made again: which trees end, and which begin."""
PARTITION: Final = 0
"""The governance log has one."""


class Statement(NamedTuple):
    """What one entry of the governance log says."""

    offset: int
    logged: int
    """The log's time, ms since 1970 UTC."""
    time: int
    """The author's, ns since 1970 UTC."""
    type: str
    body: dict[str, Any]
    author: bytes
    """SHA-256 of the key."""
    raw: bytes
    """The body's bytes."""
    holds: bool | None
    """Whether the author's signature holds; None when the key is not among those asked for."""


@dataclass(frozen=True, slots=True)
class Governance:
    """The governance log, as one author sees it. Each method is one conversation with the log."""

    log: Log
    signer: Signer
    clock: Callable[[], int] = time.time_ns
    random: Callable[[int], bytes] = os.urandom

    def append(self, statements: Sequence[tuple[str, bytes]], timeout: float = 10.0) -> None:
        """Append statements (type, body as JSON); all of them are in the log when it returns.

        A crash, or an error, leaves any number of them there: who repeats them tells them by what they say.

        Raises:
            LogUnavailable: not all were taken within `timeout` seconds.
        """
        # A local log has one writer at a time: it is held no longer than the appending takes.
        writer = self.log.writer(PARTITION)
        try:
            for type_, body in statements:
                writer.send(self.record(type_, body), sha256(self.signer.public_key).digest())
            deadline = time.monotonic() + timeout
            while writer.delivered().sends < len(statements):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LogUnavailable(f"the governance log took not all within {timeout:g} s")
                writer.wait(min(left, 0.5))
        finally:
            writer.close()

    def record(self, type_: str, body: bytes) -> bytes:
        """The record of one statement."""
        envelope = sign_envelope(type_, body, self.signer).encode()
        payload = encode_payload(self.random(32), {Header.CONTENT_TYPE: MEDIA_TYPE}, envelope)
        entry: dict[int, object] = {
            Key.KIND: Kind.GOVERNANCE,
            Key.PAYLOAD_DIGEST: sha256(payload).digest(),
            Key.PAYLOAD_LENGTH: len(payload),
            Key.SUITE: 0,
            Key.BODY_TYPE: type_,
            Key.AUTHOR: sha256(self.signer.public_key).digest(),
            Key.TIME: self.clock(),
        }
        return frame_record(encode_entry(entry), payload)

    def newest(self, count: int, types: frozenset[str] = frozenset({ALARM})) -> list[Statement]:
        """Our own statements of these types among the newest `count` entries.

        Raises:
            LogUnavailable: the log does not answer.
        """
        reader = self.log.reader()
        try:
            first, end = reader.bounds(PARTITION)
            found = statements(reader, max(first, end - count), end, [self.signer.public_key])
            return [each for each in found if each.type in types and each.holds]
        finally:
            reader.close()


def statements(reader: LogReader, start: int, end: int, keys: Sequence[bytes] = ()) -> Iterator[Statement]:
    """The statements from an offset up to, not including, another; what is none is passed over.

    Args:
        reader: of the governance log.
        start: an offset that the log has.
        end: its next offset, or a smaller one.
        keys: public keys whose signatures are checked.

    Raises:
        LogUnavailable: the log does not answer.
    """
    known = {sha256(key).digest(): key for key in keys}
    for entry in walk(reader, PARTITION, start, end, name="governance log"):
        if (found := parse_statement(entry, known)) is not None:
            yield found


def parse_statement(read: LogEntry, keys: dict[bytes, bytes]) -> Statement | None:
    """What an entry states, or None when it is no statement, or its payload is not what its digest covers.

    `keys`: SHA-256 of a key → the key.
    """
    try:
        record = parse_record(read.value or b"")
        fields = record.entry.fields
        if record.entry.kind != Kind.GOVERNANCE or not payload_holds(record):
            return None
        envelope = parse_envelope(parse_payload(record.payload).request)
        body = json.loads(envelope.payload)
    except (FormatError, ValueError, RecursionError):
        return None  # anybody may write there; the notary makes holes of what is no record, and alarms
    if not isinstance(body, dict) or envelope.type != fields[Key.BODY_TYPE]:
        return None
    author = fields[Key.AUTHOR]
    holds = None
    if (key := keys.get(author)) is not None:
        try:
            verify_envelope(envelope, key)
            holds = True
        except NotProved:
            holds = False
    return Statement(
        read.offset, read.timestamp, fields[Key.TIME], envelope.type, body, author, envelope.payload, holds
    )


def alarms(reader: LogReader, start: int, end: int, public_key: bytes) -> Iterator[Statement]:
    """The notary's alarms: those that its key has signed.

    Raises:
        LogUnavailable: the log does not answer.
    """
    return (
        each for each in statements(reader, start, end, [public_key]) if each.type == ALARM and each.holds
    )


__all__ = [
    "ALARM",
    "SUCCESSION",
    "Governance",
    "Statement",
    "alarms",
    "key_id",
    "parse_statement",
    "statements",
]
