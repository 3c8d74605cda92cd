"""What a service was asked in some ranges of the log: for the drift gate, of packages that were not asked it yet.

It is read as the monitor reads it: each journal's entry once, each input held to its entry's digest, packages that a
plan named and no others. Answers of live and canary count, as clients got them; a shadow is asked what live is asked,
and what is explained was, or will be, asked too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.errors import ConfigError
from audit.log.base import LogEntry, LogReader
from audit.proof.entry import Kind, Protocol, Slot
from audit.show import walk
from monitoring.panes.reached import Reached
from monitoring.read import Block, BlockReader, External, HeadReader, Heads, Packages, Profile, Reason
from registry.gates.asked import Answered, Span, Traffic
from registry.gates.base import CannotJudge

MOST: Final = 1_000_000
"""Rows that are read at once: they are held in memory."""
_TOGETHER: Final = 2048
"""Entries that are looked at together."""
_ONE: Final = 1
"""Bytes: a reader gives one entry at least."""
_SECONDS: Final = 10.0
_SLOTS: Final = frozenset((int(Slot.LIVE), int(Slot.CANARY)))
_INFERENCE: Final = int(Kind.INFERENCE)
_EXPLAIN: Final = int(Protocol.V1_EXPLAIN)
_OK: Final = 200

Inputs = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Log:
    """Where it is read from."""

    reader: LogReader
    """Of the log, of its archive, or of both."""
    topic: bytes
    partitions: int
    packages: Packages
    external: External | None = None
    """What the object store has under a digest."""


class _Piece(NamedTuple):
    """One package's answers among some entries."""

    profile: Profile
    block: Block


def read(
    log: Log,
    service: str,
    spans: Sequence[Span],
    now: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Traffic:
    """The traffic of these ranges. The same ranges give the same traffic, to the bit, whoever reads them.

    Args:
        log: to be read.
        service: whose.
        spans: of any partitions; they MUST NOT overlap.
        now: seconds since 1970 UTC, which goes into the traffic.
        progress: told how many entries more have been read.

    Raises:
        CannotJudge: a payload is not its entry's: somebody has changed the log.
        ConfigError: more than a million rows.
        OffsetGone, ArchiveGap: the log has not all of that any more.
        LogUnavailable: it does not answer, or has not come so far; or the object store does not answer.
        StoreUnavailable: a package that answered cannot be had.
    """
    ordered = tuple(sorted(spans))
    found = _Found(service)
    for span in ordered:
        # Each range alone: what one is to find does not depend on which others are asked for.
        reached, pieces = Reached(), _Pieces(log, service)
        for batch in _batches(walk(log.reader, *span)):
            found.take(span.partition, batch, pieces.of(batch, reached))
            progress(len(batch))
    return found.traffic(log.topic, ordered, now)


def newest(
    log: Log, service: str, rows: int, progress: Callable[[int], None] = lambda _: None
) -> tuple[Span, ...]:
    """The ranges of the newest answers that together have so many rows, or of all that there are.

    Raises:
        As `read`.
    """
    candidates: list[tuple[int, int, int, int]] = []
    ends = {}
    for partition in range(log.partitions):
        first, end = log.reader.bounds(partition)
        ends[partition] = end
        held = 0
        while end > first and held < rows:
            start = max(first, end - _TOGETHER)
            batch = list(walk(log.reader, partition, start, end))
            for piece in _Pieces(log, service).of(batch, Reached()):
                if isinstance(piece, _Piece):
                    for at, count in zip(piece.block.places.tolist(), piece.block.rows.tolist(), strict=True):
                        candidates.append((batch[at].timestamp, partition, batch[at].offset, count))
                        held += count
            progress(len(batch))
            end = start
    firsts: dict[int, int] = {}
    left = rows
    for _, partition, offset, count in sorted(candidates, reverse=True):
        if left <= 0:
            break
        firsts[partition] = min(offset, firsts.get(partition, offset))
        left -= count
    return tuple(Span(partition, first, ends[partition]) for partition, first in sorted(firsts.items()))


def logged_between(log: Log, since: int, until: int) -> tuple[Span, ...]:
    """The ranges that the log took from `since` up to, not including, `until`: ms since 1970 UTC.

    A log's times ascend; where somebody's do not, the ranges are those that a search by halves finds.

    Raises:
        OffsetGone, LogUnavailable: see `read`.
    """
    spans = []
    for partition in range(log.partitions):
        first, end = log.reader.bounds(partition)
        times = _Times(log.reader, partition, first, end)
        start, after = first + bisect_left(times, since), first + bisect_left(times, until)
        if start < after:
            spans.append(Span(partition, start, after))
    return tuple(spans)


@dataclass(frozen=True, slots=True)
class _Times(Sequence[int]):  # type: ignore[type-arg,unused-ignore]
    """When the log took each offset of a partition, read one by one."""

    reader: LogReader
    partition: int
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def __getitem__(self, at: int) -> int:  # type: ignore[override]
        found = self.reader.read(self.partition, self.first + at, _ONE, _SECONDS)
        return found[0].timestamp


@dataclass(slots=True)
class _Found:
    """What was read so far."""

    service: str
    inputs: dict[str, list[Inputs]] = field(default_factory=lambda: defaultdict(list))
    profiles: dict[str, Profile] = field(default_factory=dict)
    unread: Counter[Reason] = field(default_factory=Counter)
    strangers: int = 0
    requests: int = 0
    rows: int = 0
    times: list[int] = field(default_factory=list)

    def take(
        self, partition: int, batch: Sequence[LogEntry], pieces: Iterator[_Piece | tuple[int, Reason]]
    ) -> None:
        for piece in pieces:
            if not isinstance(piece, _Piece):
                at, reason = piece
                if reason is Reason.WRONG:
                    raise CannotJudge(
                        f"partition {partition}, offset {batch[at].offset}: the payload is not the one of its entry; "
                        "`affiant audit verify` says more"
                    )
                if reason is Reason.PACKAGE:
                    self.strangers += 1
                else:
                    self.unread[reason] += 1
                continue
            digest, block = piece.profile.digest, piece.block
            self.profiles[digest] = piece.profile
            self.inputs[digest].append(block.inputs)
            self.requests += len(block.places)
            self.rows += len(block.inputs)
            if self.rows > MOST:
                raise ConfigError(f"the ranges have more than {MOST:,} rows: name fewer, or a shorter time")
            times = [batch[at].timestamp for at in block.places.tolist()]
            self.times = [min([*self.times, *times]), max([*self.times, *times])]

    def traffic(self, topic: bytes, spans: tuple[Span, ...], now: float) -> Traffic:
        answered = tuple(
            Answered(digest, self.profiles[digest].signature, np.concatenate(self.inputs[digest]))
            for digest in sorted(self.inputs)
        )
        unread: Mapping[str, int] = {str(reason): count for reason, count in sorted(self.unread.items())}
        began, ended = self.times or (0, 0)
        return Traffic(
            topic.hex(), self.service, spans, answered, unread, self.strangers, self.requests, began, ended, now
        )  # fmt: skip


class _Pieces:
    """Reads the answers of one service out of entries. For one range."""

    def __init__(self, log: Log, service: str) -> None:
        self._packages: Final = log.packages
        self._service: Final = service
        self._heads: Final = HeadReader()
        self._blocks: Final = BlockReader(log.external)

    def of(self, batch: Sequence[LogEntry], reached: Reached) -> Iterator[_Piece | tuple[int, Reason]]:
        """Each package's answers, and places of those whose inputs cannot be read. `reached`: of what came before."""
        heads = self._heads.read(batch)
        self._once(heads, reached)
        for at, (service, digest, slot) in enumerate(heads.who):
            if service != self._service or digest is None or slot not in _SLOTS:
                continue
            places = np.flatnonzero(
                (heads.whose == at)
                & (heads.kind == _INFERENCE)
                & (heads.status == _OK)
                & (heads.protocol != _EXPLAIN)
            )
            if not len(places):
                continue
            profile = self._packages.get(service, f"sha256:{digest.hex()}")
            if profile is None:
                # Nobody ever deployed it: what names it is a stranger's, and no client's.
                yield from ((int(place), Reason.PACKAGE) for place in places)
                continue
            for piece in self._blocks.read(heads, places, profile):
                yield _Piece(profile, piece) if isinstance(piece, Block) else piece

    def _once(self, heads: Heads, reached: Reached) -> None:
        """Take out what had come before."""
        for at in np.flatnonzero(heads.kind).tolist():
            if not reached.take(heads.journal[at].tobytes(), int(heads.sequence[at])):
                heads.kind[at] = 0


def _batches(entries: Iterator[LogEntry]) -> Iterator[list[LogEntry]]:
    held: list[LogEntry] = []
    for entry in entries:
        held.append(entry)
        if len(held) >= _TOGETHER:
            yield held
            held = []
    if held:
        yield held
