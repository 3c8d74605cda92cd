"""From the entries of one partition to its panes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.log.base import LogEntry
from audit.proof.entry import Kind, Protocol
from monitoring.read import (
    Block,
    BlockReader,
    External,
    HeadReader,
    Heads,
    Packages,
    Profile,
    Reason,
    Whose,
)

from .build import Building
from .pane import SLOTS, At, Of, Pane
from .reached import Reached

_TOGETHER: Final = 16_384
"""Entries that are read at once, at most. Their bytes are bounded by who reads the log."""
_LATEST: Final = 1 << 53
"""Log times beyond are no times."""
_OK: Final = 200
_STATUSES: Final = 1000
_INFERENCE: Final = int(Kind.INFERENCE)
_EXPLAIN: Final = int(Protocol.V1_EXPLAIN)
"""What is explained was, or will be, asked too; and who asks for reasons was refused, more often than others. Counted
as asked, explanations would bend what the model is asked towards these. So they are requests, and nothing else."""
_NOTHING: Final = Building()

_Reached = tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class State:
    """All that the next pane needs to know of what was before it."""

    position: int
    """Where it begins: a multiple of a pane's records."""
    time: int = 0
    """The largest log time before it, ms since 1970 UTC."""
    reached: tuple[tuple[bytes, int], ...] = ()
    """Journal → newest sequence before it; who was not met for the longest time comes first."""


class Finished(NamedTuple):
    """A pane, and where the next one goes on."""

    pane: Pane
    after: State


class Collector:
    """Counts what stands in one partition. After an error it MUST NOT be used any more: go on from the last state."""

    def __init__(
        self, partition: int, size: int, packages: Packages, state: State, external: External | None = None
    ) -> None:
        """Begin with the pane at `state`.

        Args:
            partition: of the log.
            size: offsets of a pane.
            packages: where profiles are had.
            state: after the pane before.
            external: what the object store has under a digest; None: payloads there are counted as absent.
        """
        if state.position % size:
            raise ValueError(f"offset {state.position} is not where a pane of {size} offsets begins")
        self._partition: Final = partition
        self._size: Final = size
        self._packages: Final = packages
        self._heads: Final = HeadReader()
        self._blocks: Final = BlockReader(external)
        self._reached = Reached(state.reached)
        self._latest = state.time, state.reached
        self._building: dict[int, Building] = {}
        self._number = state.position // size
        self.offset = state.position
        """The next one that is looked at: what is before it was taken."""

    @property
    def time(self) -> int:
        """The largest log time that was met, ms since 1970 UTC."""
        return self._latest[0]

    def take(self, entries: Sequence[LogEntry]) -> Iterator[Finished]:
        """The next entries; the panes that end in them, whole ones alone.

        Offsets MUST ascend. Those before `offset` are passed over; a pane that lacks some of its offsets (no log has
        such gaps, but for transactions) is what is there.

        Raises:
            StoreUnavailable: a package cannot be had now.
            LogUnavailable: the object store, or the governance log, does not answer now.
        """
        if entries and entries[0].offset < self.offset:
            entries = [entry for entry in entries if entry.offset >= self.offset]
        for at in range(0, len(entries), _TOGETHER):
            yield from self._take(entries[at : at + _TOGETHER])

    def _take(self, entries: Sequence[LogEntry]) -> Iterator[Finished]:
        heads = self._heads.read(entries)
        # Before anything is counted: it may have to be waited for.
        profiles = self._profiles(heads.who)
        offsets = np.fromiter((entry.offset for entry in entries), np.int64, len(entries))
        numbers = offsets // self._size
        times = np.fromiter((entry.timestamp for entry in entries), np.int64, len(entries))
        times[times > _LATEST] = 0
        times = np.maximum.accumulate(np.maximum(times, self.time))
        states = self._once(heads, numbers, times)
        for at, reason in heads.unreadable.items():
            self._building[int(numbers[at])].unreadable[reason] += 1
        for at, places in _by_value(heads.whose, np.flatnonzero(heads.kind)):
            self._count(heads, numbers, places, heads.who[at], profiles[at])
        self.offset = int(offsets[-1]) + 1
        for number in range(self._number, self.offset // self._size):
            # One of whose offsets there is none here goes on from what was there last.
            self._latest = time, reached = states.get(number, self._latest)
            pane = self._building.pop(number, _NOTHING).pane(self._partition, number, self._size, time)
            self._number = number + 1
            yield Finished(pane, State(self._number * self._size, time, reached))
        self._latest = states[int(numbers[-1])]

    def _profiles(self, who: Sequence[Whose]) -> list[Profile | None]:
        named: dict[tuple[str, bytes | None], tuple[str, str]] = {
            (service, digest): (service, f"sha256:{digest.hex()}")
            for service, digest, _ in who
            if digest is not None
        }
        profiles = dict(zip(named, self._packages.several(list(named.values())), strict=True))
        return [profiles.get((service, digest)) for service, digest, _ in who]

    def _once(
        self, heads: Heads, numbers: NDArray[np.int64], times: NDArray[np.int64]
    ) -> dict[int, tuple[int, _Reached]]:
        """Take out what had come before; for each pane, the time at its last entry here and how far journals came."""
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        journals, sequences = heads.journal.view("V16").ravel(), heads.sequence
        states = {}
        for start, end in pairwise(cuts):
            number, part = int(numbers[start]), slice(start, end)
            building = self._building.setdefault(number, Building())
            again = building.once(self._reached, heads.kind[part], journals[part], sequences[part])
            if again:
                heads.kind[[start + at for at in again]] = 0
                building.unreadable[Reason.DUPLICATE] += len(again)
            states[number] = int(times[end - 1]), self._reached.state()
        return states

    def _count(
        self,
        heads: Heads,
        numbers: NDArray[np.int64],
        places: NDArray[np.int64],
        whose: Whose,
        profile: Profile | None,
    ) -> None:
        """Exchanges that name the same service, package and slot."""
        service, _, slot = whose
        answered = (heads.status[places] == _OK) & (heads.kind[places] == _INFERENCE)
        if slot >= len(SLOTS):
            self._unreadable(numbers[places], Reason.SLOT)
            return
        if profile is None:
            # Nobody vouches for the service's name then: a stranger's path, or a forger's entry.
            self._unreadable(numbers[places[answered]], Reason.PACKAGE)
            self._statuses(heads, numbers, places[~answered], At("", SLOTS[slot]))
            return
        of = Of(service, profile.digest, SLOTS[slot])
        self._statuses(heads, numbers, places, At(service, SLOTS[slot]), of)
        answers = places[answered & (heads.protocol[places] != _EXPLAIN)]
        for found in self._blocks.read(heads, answers, profile):
            if isinstance(found, Block):
                self._answers(heads, numbers, of, profile, found)
            else:
                self._building[int(numbers[found[0]])].unreadable[found[1]] += 1

    def _unreadable(self, numbers: NDArray[np.int64], reason: Reason) -> None:
        for number, count in zip(*_counted(numbers), strict=True):
            self._building[number].unreadable[reason] += count

    def _statuses(
        self,
        heads: Heads,
        numbers: NDArray[np.int64],
        places: NDArray[np.int64],
        at: At,
        of: Of | None = None,
    ) -> None:
        codes = numbers[places] * _STATUSES + heads.status[places]
        for code, count in zip(*_counted(codes), strict=True):
            self._building[code // _STATUSES].status(at, code % _STATUSES, count, of)

    def _answers(
        self, heads: Heads, numbers: NDArray[np.int64], of: Of, profile: Profile, block: Block
    ) -> None:
        """Each pane gets its part of a block."""
        theirs = numbers[block.places]
        ends = np.concatenate(([0], np.cumsum(block.rows)))
        latency = heads.latency[block.places]
        cuts = [0, *(np.flatnonzero(np.diff(theirs)) + 1).tolist(), len(theirs)]
        for start, end in pairwise(cuts):
            rows = slice(int(ends[start]), int(ends[end]))
            self._building[int(theirs[start])].answers(
                of, profile, block.inputs[rows], block.scores[rows], latency[start:end]
            )


def _by_value(
    values: NDArray[np.int64], places: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each value and its places, ascending."""
    order = places[np.argsort(values[places], kind="stable")]
    sorted_values = values[order]
    cuts = [0, *(np.flatnonzero(np.diff(sorted_values)) + 1).tolist(), len(order)]
    for start, end in pairwise(cuts):
        if start < end:
            yield int(sorted_values[start]), order[start:end]


def _counted(values: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Each value, and how often it is there."""
    found, counts = np.unique(values, return_counts=True)
    return found.tolist(), counts.tolist()
