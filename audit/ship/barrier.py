"""The barrier: what of a journal is in the log, after any producer that came before.

A producer that died may have records in flight. So each run first appends a `shipper` entry of its own and
reads up to it: what stands before it is known, and shipping goes on from there. A dead producer's last
request may still land after the barrier; readers skip it as a benign duplicate (journal, sequence, hash).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.errors import LogError, LogUnavailable
from audit.log.base import LogReader, LogWriter
from audit.proof.entry import JOURNAL_KINDS, Key, Kind, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.record import frame_record, split_record

_READ_BYTES: Final = 4 << 20
WINDOW: Final = 1 << 16
"""Leaf hashes that a scan holds before they are compared, and that it holds on to for one window more."""


class Contradiction(LogError):  # noqa: N818 — says what happened
    """The log holds something of this journal that the journal does not: an alarm, shipping stops."""


class JournalBehind(LogError):  # noqa: N818 — says what happened
    """The journal shows less than the log has of it.

    Its mark is never synced by itself: after a power failure it is old until the gateway has recovered the journal. A
    journal that was restored from an old copy shows other entries then, and that is a contradiction.
    """


@dataclass(frozen=True, slots=True)
class Found:
    """What the log holds of a journal before the barrier.

    `next` is the first sequence that is not there; `offset` is where the barrier stands, plus one; `duplicates`
    were skipped.
    """

    next: int
    offset: int
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
    whole: bool = True,
    compare: Callable[[Mapping[int, bytes]], None] = lambda _: None,
    window: int = WINDOW,
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
        whole: False: the log has lost what stood between `known` and `start`. The journal's next entry that it has then
            tells what stood there: a shipper sends in order, so everything before that one was in the log.
        compare: is given all that was read, duplicates too, as leaf hashes by sequence: `window` of them at most at
            a time, so that a scan of any length takes the same memory. Raises Contradiction.
        window: leaf hashes.
        monotonic: seconds.

    Raises:
        OffsetGone: `start` is not in the log any more.
        LogUnavailable: the log does not answer.
        Contradiction: a gap, or one sequence with two hashes.
    """
    following, duplicates = known, 0
    leaves = _Leaves(compare, window)
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
            if sequence > following and whole:
                raise Contradiction(
                    f"offset {entry.offset}: sequence {sequence} of journal {journal.hex()}, "
                    f"but {following} is not in the log"
                )
            if sequence < following:
                duplicates += 1
                if leaves.contradict(sequence, leaf):
                    raise Contradiction(
                        f"offset {entry.offset}: sequence {sequence} is there with two hashes"
                    )
            else:
                following, whole = sequence + 1, True
            leaves.add(sequence, leaf)
    leaves.end()
    return Found(following, barrier + 1, duplicates)


class _Leaves:
    """The leaf hashes that were read last, compared window by window."""

    def __init__(self, compare: Callable[[Mapping[int, bytes]], None], window: int) -> None:
        self._compare = compare
        self._window = window
        self._now: dict[int, bytes] = {}
        self._before: dict[int, bytes] = {}

    def contradict(self, sequence: int, leaf: bytes) -> bool:
        """Whether another hash was read for that sequence, not too long ago; `compare` sees what was longer ago."""
        return self._now.get(sequence, self._before.get(sequence, leaf)) != leaf

    def add(self, sequence: int, leaf: bytes) -> None:
        """One more."""
        self._now[sequence] = leaf
        if len(self._now) >= self._window:
            self._compare(self._now)
            self._now, self._before = {}, self._now

    def end(self) -> None:
        """Compare what is left."""
        if self._now:
            self._compare(self._now)


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
