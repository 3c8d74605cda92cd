"""Answers of one package that wait for their labels, as columns: bounded, and the same whatever order they came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from . import keys
from .block import Answers

_AHEAD: Final = 86_400 * 10**9
"""ns that a gateway's clock may be ahead of the log's; what is further ahead would push out all else."""
SLACK: Final = 1.25
"""So many times the bound may be held before what is too much is let go of."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Requests in the order of their time, then of their record; rows of a request follow each other."""

    record: keys.Numbers
    asked: keys.Numbers
    request: keys.Numbers
    time: NDArray[np.int64]
    rows: NDArray[np.int64]
    start: NDArray[np.int64]
    """[requests + 1]: where each one's rows begin."""
    scores: NDArray[np.float32]
    groups: NDArray[np.int16]
    """[rows, attributes]"""

    def __len__(self) -> int:
        """Requests."""
        return len(self.record)

    @property
    def row_time(self) -> NDArray[np.int64]:
        """Of each row."""
        return np.repeat(self.time, self.rows)


def _columns(parts: list[Columns]) -> Columns:
    rows = np.concatenate([part.rows for part in parts])
    return Columns(
        np.concatenate([part.record for part in parts]),
        np.concatenate([part.asked for part in parts]),
        np.concatenate([part.request for part in parts]),
        np.concatenate([part.time for part in parts]),
        rows,
        np.concatenate(([0], np.cumsum(rows))),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def _taken(columns: Columns, places: NDArray[np.intp]) -> Columns:
    """Some of the requests, in another order."""
    rows = columns.rows[places]
    start = np.concatenate(([0], np.cumsum(rows)))
    flat = np.arange(start[-1]) + np.repeat(columns.start[places] - start[:-1], rows)
    return Columns(
        columns.record[places],
        columns.asked[places],
        columns.request[places],
        columns.time[places],
        rows,
        start,
        columns.scores[flat],
        columns.groups[flat],
    )


@dataclass(slots=True)
class Kept:
    """The newest `most` requests, none of them older than `window` ns before what is now; each once.

    MUST hold the same whatever order they came in, and however often. What is now, ns since 1970 UTC, MUST NOT go back.
    """

    outputs: int
    attributes: int
    most: int
    window: int
    dropped: int = 0
    """Requests that were let go of. One that is said again after that is counted again."""
    _parts: list[Columns] = field(default_factory=list)
    _requests: int = 0
    _settled: bool = False

    def __len__(self) -> int:
        """Requests that are held: some of them may be there twice, or too old, until they are `settled`."""
        return self._requests

    def add(self, answers: Answers, groups: NDArray[np.int16], now: int) -> None:
        """Take some; `groups` is [rows, attributes]."""
        rows = answers.rows.astype(np.int64)
        if not len(rows):
            return
        self._parts.append(
            Columns(
                keys.records(answers.journals, answers.sequences),
                keys.asked(answers.journals, answers.times),
                keys.requests(answers.requests),
                answers.times.astype(np.int64),
                rows,
                np.concatenate(([0], np.cumsum(rows))),
                answers.scores.astype(np.float32, copy=False).reshape(-1, self.outputs),
                groups,
            )
        )
        self._requests += len(rows)
        self._settled = False
        if self._requests > SLACK * self.most + 1:
            self.settled(now)

    def settled(self, now: int) -> Columns:
        """What is kept."""
        if not self._parts:
            empty = np.empty(0, np.uint64)
            none = np.empty(0, np.int64)
            return Columns(
                empty, empty, empty, none, none, np.zeros(1, np.int64),
                np.empty((0, self.outputs), np.float32), np.empty((0, self.attributes), np.int16),
            )  # fmt: skip
        if self._settled:
            return self._aged(now - self.window)
        columns = _columns(self._parts) if len(self._parts) > 1 else self._parts[0]
        order = np.lexsort((columns.record, columns.time))
        record = columns.record[order]
        first = np.concatenate(([True], record[1:] != record[:-1]))
        time = columns.time[order]
        near = (time >= now - self.window) & (time <= now + _AHEAD)
        order = order[first & near][-self.most :]
        self.dropped += int(first.sum()) - len(order)
        if len(self._parts) > 1 or len(order) < len(columns) or (np.diff(order) != 1).any():
            columns = _taken(columns, order)
        self._parts, self._requests, self._settled = [columns], len(columns), True
        return columns

    def _aged(self, since: int) -> Columns:
        """What is kept, where nothing came since it was settled: only time went on."""
        (columns,) = self._parts
        old = int(np.searchsorted(columns.time, since, side="left"))
        if old:
            columns = _taken(columns, np.arange(old, len(columns)))
            self._parts, self._requests = [columns], len(columns)
            self.dropped += old
        return columns
