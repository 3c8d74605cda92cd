"""Runs: entries of one journal that stand one after the other and follow each other, as their bytes show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.follow import Journals
from audit.proof.entry import JOURNAL_KINDS, SIGNED_KINDS, Key

from .alike import Alike

_PLAIN: Final = frozenset(map(int, JOURNAL_KINDS - SIGNED_KINDS))
_JOURNAL: Final = int(Key.JOURNAL)
_EPOCH: Final = int(Key.EPOCH)
_SEQUENCE: Final = int(Key.SEQUENCE)
_CHAIN: Final = int(Key.CHAIN)


class _Step(NamedTuple):
    """The places [start, end): a run, or entries that have to be looked at one by one (`journal` is empty)."""

    start: int
    end: int
    journal: bytes = b""
    epoch: int = 0
    sequence: int = 0
    """The first one's."""
    chain: bytes = b""
    """The first one's."""


class Chains:
    """What of a batch's entries tells whether they follow each other, by their places."""

    def __init__(self, count: int, alike: Sequence[Alike], leaves: Sequence[bytes]) -> None:
        """Take the columns.

        Args:
            count: entries in the batch: one at least.
            alike: those of them that were read together.
            leaves: the leaf hash of each entry.
        """
        self.plain = np.zeros(count, np.bool_)
        """Those of kinds that a run may have. Who knows of something to be looked at makes it False."""
        self.journals = np.zeros((count, 16), np.uint8)
        """Of those that are `plain`."""
        self._epochs = np.zeros(count, np.uint64)
        self._sequences = np.zeros(count, np.uint64)
        self._chains = np.zeros((count, 32), np.uint8)
        self._leaves = leaves
        for each in alike:
            if each.shape.kind in _PLAIN:
                places = each.places
                self.plain[places] = True
                self.journals[places] = each.data(_JOURNAL)
                self._epochs[places] = each.numbers(_EPOCH)
                self._sequences[places] = each.numbers(_SEQUENCE)
                self._chains[places] = each.data(_CHAIN)

    def odd_ones(self, journals: Journals, alone: Callable[[int, int], bool] | None = None) -> Iterator[int]:
        """Take all runs into the journals; the places of those that have to be looked at one by one, in order.

        Who asks for the next one MUST have looked at this one: whether others follow hangs on it.

        Args:
            journals: what is known of each.
            alone: of places [start, end), whether they have to be looked at although they are a run.
        """
        leaves = self._leaves
        for step in self._steps():
            run = step.journal and not (alone and alone(step.start, step.end))
            for at in range(step.start, step.end):
                done = at - step.start
                chain = leaves[at - 1] if done else step.chain
                if run and journals.follows(step.journal, step.epoch, step.sequence + done, chain):
                    journals.advance(step.journal, leaves[at : step.end])
                    break
                yield at

    def _steps(self) -> Iterator[_Step]:
        """The whole batch, in order."""
        plain = self.plain
        odd = ~plain
        # What is not plain goes on with what is not plain, and a run with what follows.
        goes_on = np.where(plain[1:], plain[:-1] & self._follows(), odd[1:] & odd[:-1])
        starts = [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(plain)]
        for start, end in pairwise(starts):
            if plain[start]:
                yield _Step(
                    start, end, self.journals[start].tobytes(), int(self._epochs[start]),
                    int(self._sequences[start]), self._chains[start].tobytes(),
                )  # fmt: skip
            else:
                yield _Step(start, end)

    def _follows(self) -> npt.NDArray[np.bool_]:
        """Whether each but the first follows the one before it, both being plain."""
        sequences = self._sequences
        follows: npt.NDArray[np.bool_] = sequences[1:] == sequences[:-1] + np.uint64(1)
        follows &= sequences[1:] != 0  # no number follows the largest
        follows &= self._epochs[1:] == self._epochs[:-1]
        follows &= (self.journals[1:] == self.journals[:-1]).all(axis=1)
        before = np.frombuffer(b"".join(self._leaves[:-1]), np.uint8).reshape(-1, 32)
        follows &= (self._chains[1:] == before).all(axis=1)
        return follows
