"""Answers and labels of one service, joined: which rows of each package have a truth.

Nothing is joined when something comes in. What is kept is a set of answers and a set of labels, and the join is a
function of the two: so it is the same whatever came first, and nothing can be counted twice.

1. A label that names a record holds for the request of that record, wherever else it was shown: a shadow's answer to it
   is found by the journal and the time of arrival that both have.
2. A label that names a client's id holds, in each package, for the first answer to a request of that id. A retry has
   another record, and counts as one without a label.
3. A label without a row holds for an answer of one row; of several rows nobody knows which, and it is not taken.
4. Of several labels of one row the one that was known last holds, then the one that was logged last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.labels import Label, Value
from monitoring.groups import Attribute, codes_of
from monitoring.panes import Of

from .block import Answers
from .kept import Columns, Kept
from .said import Holds, Said, Target
from .task import Task

MOST_REQUESTS: Final = 1_000_000
"""Answers of one package that wait for labels: about 60 bytes each, and 4 a score."""
MOST_LABELS: Final = 250_000
"""Of one service: about 400 bytes each."""
WINDOW: Final = 30 * 86_400 * 10**9
"""ns."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows of one package, in the order of their requests' time."""

    task: Task
    attributes: tuple[Attribute, ...]
    time: NDArray[np.int64]
    """[n], ns since 1970 UTC: when the request arrived."""
    scores: NDArray[np.float32]
    """[n, outputs]"""
    truth: NDArray[np.float64]
    """[n]: class's place or value; NaN: no label."""
    known: NDArray[np.int64]
    """[n], ns since 1970 UTC: when the label was known; 0: no label."""
    groups: NDArray[np.int16]
    """[n, attributes]"""
    asked: NDArray[np.uint64]
    """[n]: the same for live and shadow answers of one request."""
    row: NDArray[np.int64]
    """[n]: of the request, from 0."""
    unreadable: int
    """Labels that found their row, and are no class, or no value, of the package."""
    rowless: int
    """Labels without a row, of answers of several; or of a row that the answer does not have."""

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether each row has a label that could be read."""
        return ~np.isnan(self.truth)


@dataclass(slots=True)
class _Served:
    task: Task
    attributes: tuple[Attribute, ...]
    kept: Kept


@dataclass(slots=True)
class Outcomes:
    """Of one service. Pure: no clock, no I/O; for one thread."""

    service: str
    most_requests: int = MOST_REQUESTS
    most_labels: int = MOST_LABELS
    window: int = WINDOW
    foreign: int = 0
    """Labels of another service."""
    _said: Said = field(init=False)
    _served: dict[Of, _Served] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._said = Said(self.most_labels)

    def __iter__(self) -> Iterator[Of]:
        """Packages whose answers were met."""
        return iter(self._served)

    def predict(
        self, package: Of, task: Task, answers: Answers, attributes: tuple[Attribute, ...] = ()
    ) -> None:
        """Take answers of a package; those that were taken already are not taken again.

        Args:
            package: who answered; of this service.
            task: the package's.
            answers: with their inputs, where there are `attributes`.
            attributes: by which people are told apart, of this package's features. The first ones that are given for a
                package stay.
        """
        served = self._served.get(package)
        if served is None:
            kept = Kept(task.outputs, len(attributes), self.most_requests, self.window)
            served = self._served[package] = _Served(task, attributes, kept)
        served.kept.add(answers, codes_of(answers.inputs, served.attributes, len(answers.scores)))

    def say(self, label: Label) -> None:
        """Take a label."""
        if label.service not in ("", self.service):
            self.foreign += 1
            return
        self._said.add(label)

    def forget(self, package: Of) -> None:
        """Let go of a package's answers: it answers no more, and its cohorts are told."""
        self._served.pop(package, None)

    @property
    def repeated(self) -> int:
        """Labels that were said of a target and row that had one already."""
        return self._said.repeated

    @property
    def dropped(self) -> tuple[int, int]:
        """Answers and labels that were let go of: too many, or too old."""
        return sum(each.kept.dropped for each in self._served.values()), self._said.dropped

    def joined(self) -> tuple[Mapping[Of, Joined], int]:
        """Every package's rows with their truths; and how many labels found no answer (yet)."""
        columns = {package: each.kept.settled() for package, each in self._served.items()}
        labels = _Labels.of(self._said.settled())
        labels.find(columns.values())
        found = {package: _join(self._served[package], columns[package], labels) for package in columns}
        return found, int((~labels.met).sum())


@dataclass(slots=True)
class _Labels:
    """Labels as columns, in the order in which they hold: a later one before an earlier one is another's."""

    by_request: NDArray[np.bool_]
    key: NDArray[np.uint64]
    row: NDArray[np.int64]
    known: NDArray[np.int64]
    values: list[Value]
    asked: NDArray[np.uint64]
    """The request that a record's label is about, once it is found."""
    located: NDArray[np.bool_]
    met: NDArray[np.bool_]
    """Whether any package's answer was found."""

    @classmethod
    def of(cls, said: Mapping[Target, Holds]) -> _Labels:
        """Of those that are kept."""
        targets, holds = list(said), list(said.values())
        known = np.array([each.known_ns for each in holds], np.int64)
        logged = np.array([each.logged_ms for each in holds], np.int64)
        rank = np.array([each.rank for each in holds], np.int64)
        order = np.lexsort((rank, logged, known))
        count = len(order)
        return cls(
            np.array([each.by_request for each in targets], np.bool_)[order],
            np.array([each.key for each in targets], np.uint64)[order],
            np.array([each.row for each in targets], np.int64)[order],
            known[order],
            [holds[at].value for at in order.tolist()],
            np.zeros(count, np.uint64),
            np.zeros(count, np.bool_),
            np.zeros(count, np.bool_),
        )

    def find(self, columns: Iterable[Columns]) -> None:
        """Step 1: of each label that names a record, the request that the record answered."""
        wanted = np.flatnonzero(~self.by_request)
        for each in columns:
            at, found = _first(each.record, self.key[wanted])
            self.asked[wanted[found]] = each.asked[at[found]]
            self.located[wanted[found]] = True
            self.met[wanted[found]] = True

    def of_package(self, columns: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Labels, in the order in which they hold, and the request of each in this package (steps 1 and 2)."""
        places = np.full(len(self.key), -1, np.intp)
        for numbers, values, which in (
            (columns.asked, self.asked, self.located),
            (columns.request, self.key, self.by_request),
            (columns.record, self.key, ~self.by_request),
        ):
            wanted = np.flatnonzero(which)
            at, found = _first(numbers, values[wanted])
            places[wanted[found]] = at[found]
        self.met |= places >= 0
        labels = np.flatnonzero(places >= 0)
        return labels, places[labels]


def _first(
    numbers: NDArray[np.uint64], wanted: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted number stands first in `numbers`, and whether it does."""
    order = np.argsort(numbers, kind="stable")
    places = np.searchsorted(numbers, wanted, sorter=order)
    found = places < len(numbers)
    at = np.zeros(len(wanted), np.intp)
    at[found] = order[places[found]]
    found[found] = numbers[at[found]] == wanted[found]
    return at, found


def _join(served: _Served, columns: Columns, labels: _Labels) -> Joined:
    which, places = labels.of_package(columns)
    row, rows = labels.row[which], columns.rows[places]
    row = np.where((row < 0) & (rows == 1), 0, row)
    fits = (row >= 0) & (row < rows)
    which, flat = which[fits], columns.start[places[fits]] + row[fits]
    size = len(columns.scores)
    truth, known = np.full(size, np.nan), np.zeros(size, np.int64)
    holds = np.full(size, -1, np.intp)
    holds[flat] = which  # in the order in which they hold: the last one stays
    at = np.flatnonzero(holds >= 0)
    said = [labels.values[each] for each in holds[at].tolist()]
    # True and 1 are one key of a mapping, and not one label: so each goes with its type.
    truths = {typed: served.task.truth(typed[1]) for typed in {(type(value), value) for value in said}}
    truth[at] = [truths[type(value), value] for value in said]
    unreadable = int(np.isnan(truth[at]).sum())
    known[at] = np.where(np.isnan(truth[at]), 0, labels.known[holds[at]])
    start = np.repeat(columns.start[:-1], columns.rows)
    return Joined(
        served.task, served.attributes, columns.row_time, columns.scores, truth, known, columns.groups,
        np.repeat(columns.asked, columns.rows), np.arange(size) - start, unreadable, int((~fits).sum()),
    )  # fmt: skip
