"""Labels as columns: which answers they find, and which labels are in no figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.labels import Value

from .kept import Columns
from .said import Holds, Target


class Fits(NamedTuple):
    """Labels that are kept and in no figure: how many, by why. Each is counted once, whoever answered its request."""

    waiting: int
    """No answer was found, yet."""
    no_row: int
    """See `Joined.rowless`."""
    no_class: int
    """See `Joined.unreadable`."""


@dataclass(slots=True)
class Labels:
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
    tried: NDArray[np.bool_]
    """Whether it was one that is joined …"""
    fit: NDArray[np.bool_]
    """… and had its row …"""
    held: NDArray[np.bool_]
    """… of which it is the label that holds …"""
    read: NDArray[np.bool_]
    """… and a truth."""

    @classmethod
    def of(cls, said: Mapping[Target, Holds]) -> Labels:
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
            *(np.zeros(count, np.bool_) for _ in range(6)),
        )

    def fits(self) -> Fits:
        """After every package was joined."""
        ways = (~self.met, self.tried & ~self.fit, self.held & ~self.read)
        return Fits(*(int(each.sum()) for each in ways))

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
