"""Answers and labels of one service, joined: which rows of each package have a truth.

Nothing is joined when something comes in. What is kept is a set of answers and a set of labels, and the join is a
function of the two: so it is the same whatever came first, and nothing can be counted twice.

1. A label that names a record holds for the request of that record, wherever else it was shown: a shadow's answer to it
   is found by the journal and the time of arrival that both have.
2. A label that names a client's id holds, in each package, for the first answer to a request of that id. A retry has
   another record, and counts as one without a label.
3. A label without a row holds for an answer of one row; of several rows nobody knows which, and it is not taken.
4. Of several labels of one row the one that was known last holds, then the one that was logged last.

Only what serves is joined. Of what answered before the answers are kept, too, as long as they are young enough: a label
may name the record of one and be about a shadow's answer to the same request, and what was taken back may come again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.labels import Label
from monitoring.groups import Attribute, codes_of
from monitoring.panes import Of

from .block import Answers
from .kept import SLACK, Columns, Kept
from .matched import Fits, Labels
from .said import Said
from .task import Task

MOST_REQUESTS: Final = 1_000_000
"""Answers of one package that wait for labels: about 60 bytes each, and 4 a score. So many, too, of all together that
serve no more."""
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
    _serving: frozenset[Of] | None = None
    _now: int = 0
    """The log's newest time that was met, ns since 1970 UTC."""
    _gone: int = 0
    """Answers of packages that were let go of as a whole."""

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._said = Said(self.most_labels)

    def __iter__(self) -> Iterator[Of]:
        """Packages whose answers were met."""
        return iter(self._served)

    def serve(self, serving: Collection[Of], newest_ms: int) -> None:
        """Say what answers now, and what is now.

        Until it is called, whatever has answered is taken to serve.

        Args:
            serving: packages of this service, or others as well.
            newest_ms: the log's newest time, ms since 1970 UTC. MUST be one that may be believed: what is a window
                older is let go of.
        """
        self._serving = frozenset(serving)
        self._now = max(self._now, newest_ms * 1_000_000)
        self._trim()

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
        self._now = max(self._now, answers.logged_ms * 1_000_000)
        groups = codes_of(answers.inputs, served.attributes, len(answers.scores))
        served.kept.add(answers, groups, self._now)
        self._trim()

    def say(self, label: Label) -> None:
        """Take a label."""
        if label.service not in ("", self.service):
            self.foreign += 1
            return
        self._said.add(label)

    @property
    def repeated(self) -> int:
        """Labels that were said of a target and row that had one already."""
        return self._said.repeated

    @property
    def dropped(self) -> tuple[int, int]:
        """Answers and labels that were let go of: too many, or too old."""
        return self._gone + sum(each.kept.dropped for each in self._served.values()), self._said.dropped

    def joined(self) -> tuple[Mapping[Of, Joined], Fits]:
        """Rows with their truths of every package that serves, and has answered; and what labels are in none."""
        columns = {package: each.kept.settled(self._now) for package, each in self._served.items()}
        for package in [each for each in columns if not (len(columns[each]) or self._serves(each))]:
            del columns[package]
            self._let_go(package)
        labels = Labels.of(self._said.settled(self._now - self.window))
        labels.find(columns.values())
        found = {}
        for package, each in columns.items():
            if self._serves(package):
                found[package] = _join(self._served[package], each, labels)
            else:
                labels.of_package(each)  # a client's id that only it was given is not one of nobody
        return found, labels.fits()

    def _trim(self) -> None:
        """Of packages that serve no more, the newest that have `most_requests` answers together."""
        others = [each for each in self._served if not self._serves(each)]
        if sum(len(self._served[each].kept) for each in others) <= SLACK * self.most_requests:
            return
        columns = {each: self._served[each].kept.settled(self._now) for each in others}
        newest = {each: int(found.time[-1]) if len(found) else 0 for each, found in columns.items()}
        total = 0
        for each in sorted(others, key=lambda each: (-newest[each], each)):
            total += len(columns[each])
            if total > self.most_requests:
                self._let_go(each)

    def _serves(self, package: Of) -> bool:
        return self._serving is None or package in self._serving

    def _let_go(self, package: Of) -> None:
        kept = self._served.pop(package).kept
        self._gone += kept.dropped + len(kept)


def _join(served: _Served, columns: Columns, labels: Labels) -> Joined:
    which, places = labels.of_package(columns)
    row, rows = labels.row[which], columns.rows[places]
    row = np.where((row < 0) & (rows == 1), 0, row)
    fits = (row >= 0) & (row < rows)
    labels.tried[which] = True
    labels.fit[which[fits]] = True
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
    labels.held[holds[at]] = True
    labels.read[holds[at][~np.isnan(truth[at])]] = True
    known[at] = np.where(np.isnan(truth[at]), 0, labels.known[holds[at]])
    start = np.repeat(columns.start[:-1], columns.rows)
    return Joined(
        served.task, served.attributes, columns.row_time, columns.scores, truth, known, columns.groups,
        np.repeat(columns.asked, columns.rows), np.arange(size) - start, unreadable, int((~fits).sum()),
    )  # fmt: skip
