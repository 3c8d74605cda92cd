"""The barrier: what of a journal is in the log, after any producer that came before.

A producer that died may have records in flight. So each run first appends a `shipper` entry of its own and
reads up to it: what stands before it is known, and shipping goes on from there. A dead producer's last
request may still land after the barrier; readers skip it as a benign duplicate (journal, sequence, hash).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from audit.errors import LogError, LogUnavailable
from audit.log.base import LogReader, LogWriter
from audit.proof.entry import JOURNAL_KINDS, Key, Kind, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.record import frame_record, split_record

_READ_BYTES = 4 << 20


class Contradiction(LogError):  # noqa: N818 — says what happened
    """The log holds something of this journal that the journal does not: an alarm, shipping stops."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the log holds of a journal before the barrier.

    `next` is the first sequence that is not there; `offset` is where the barrier stands, plus one;
    `leaves` are the leaf hashes that were read, by sequence; `duplicates` were skipped.
    """

    next: int
    offset: int
    leaves: dict[int, bytes]
    duplicates: int


def append_barrier(writer: LogWriter, shipper: bytes, journal: bytes, timeout: float, now: int) -> int:
    """Append the `shipper` entry and wait until it is acknowledged; its offset.

    Raises:
        LogUnavailable: it was not within `timeout` seconds.
    """
    entry = encode_entry({Key.KIND: Kind.SHIPPER, Key.SHIPPER: shipper, Key.TIME: now})
    writer.send(frame_record(entry, b""), journal)
    deadline = time.monotonic() + timeout
    while (delivered := writer.delivered()).sends < 1:
        left = deadline - time.monotonic()
        if left <= 0:
            raise LogUnavailable(f"the barrier was not acknowledged within {timeout:g} s")
        writer.wait(min(left, 0.5))
    return delivered.offset


def scan(
    reader: LogReader,
    partition: int,
    journal: bytes,
    *,
    start: int,
    barrier: int,
    known: int,
    patience: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> Found:
    """Read from `start` up to the barrier and find what is there of this journal.

    Args:
        reader: of the log.
        partition: the journal's.
        journal: its id.
        start: the first offset that was not looked at yet.
        barrier: the offset of this run's own shipper entry.
        known: the first sequence that is not known to be in the log before `start`.
        patience: seconds without an entry after which the log counts as gone.
        monotonic: seconds.

    Raises:
        OffsetGone: `start` is not in the log any more.
        LogUnavailable: the log does not answer.
        Contradiction: a gap, or one sequence with two hashes.
    """
    following, duplicates = known, 0
    leaves: dict[int, bytes] = {}
    offset, heard = start, monotonic()
    while offset < barrier:
        if monotonic() - heard > patience:
            raise LogUnavailable(f"no entry came from offset {offset}, before the barrier at {barrier}")
        for entry in reader.read(partition, offset, _READ_BYTES, min(1.0, patience)):
            heard = monotonic()
            offset = entry.offset + 1
            if entry.key != journal or entry.offset >= barrier:
                continue
            found = _sequence(entry.value or b"")
            if found is None:
                continue
            sequence, leaf = found
            if sequence > following:
                raise Contradiction(
                    f"offset {entry.offset}: sequence {sequence} of journal {journal.hex()}, "
                    f"but {following} is not in the log"
                )
            if sequence < following:
                duplicates += 1
                if leaves.get(sequence, leaf) != leaf:
                    raise Contradiction(
                        f"offset {entry.offset}: sequence {sequence} is there with two hashes"
                    )
                continue
            leaves[sequence] = leaf
            following += 1
    return Found(following, barrier + 1, leaves, duplicates)


def _sequence(value: bytes) -> tuple[int, bytes] | None:
    """(sequence, leaf hash) of a journal's record; None for shipper entries and what is not ours to judge."""
    try:
        raw, _ = split_record(value)
        entry = parse_entry(raw)
    except FormatError:
        return None  # a foreign record under our key: the notary makes a hole of it and raises the alarm
    if entry.kind not in JOURNAL_KINDS:
        return None
    return int(entry.fields[Key.SEQUENCE]), leaf_hash(raw)
