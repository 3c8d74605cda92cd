"""Entries sorted by shape, and their fields as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from audit.proof.entry import MAX_ENTRY, parse_entry
from audit.proof.errors import FormatError

from .shape import Rows, Shape, numbers

Numbers = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

_FEW: Final = 4
"""Fewer entries of one length than this are sooner read one by one."""
_TRIED: Final = 8
"""Shapes that are looked for in one batch's entries of one length; and so many are remembered of each length."""
_LENGTHS: Final = 512
"""Lengths that shapes are remembered of. A hostile journal makes all of this useless, and no slower than twice."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Entries of one shape."""

    shape: Shape
    places: Places
    """Where each stood, ascending."""
    rows: Rows

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, key: int) -> bool:
        """Whether they have the field."""
        return key in self.shape.spans

    def numbers(self, key: int, part: int = 0) -> Numbers:
        """A field of unsigned integers, `part` of it where it is an array; one a row."""
        return numbers(self.rows, self.shape.spans[key][part])

    def data(self, key: int) -> Rows:
        """A field of bytes or text: a row of them each, contiguous."""
        span = self.shape.spans[key][0]
        return np.ascontiguousarray(self.rows[:, span.start : span.end])


@dataclass(frozen=True, slots=True)
class Sorted:
    """Every entry once: in one of `alike`, or its place in `rest`."""

    alike: Sequence[Alike]
    rest: Sequence[int]
    """Places of those that have to be read one by one, ascending: they may be malformed."""


class Sorter:
    """Sorts batches; remembers the shapes that it met. For one thread."""

    def __init__(self) -> None:
        self._known: dict[int, list[Shape]] = {}

    def sort(self, entries: Sequence[bytes]) -> Sorted:
        """Sort entries by shape. Nothing is raised, whatever they are."""
        sizes = np.fromiter(map(len, entries), np.intp, len(entries))
        order = np.argsort(sizes, kind="stable")
        ends = np.flatnonzero(np.diff(sizes[order], append=-1)) + 1
        alike: list[Alike] = []
        rest: list[int] = []
        begin = 0
        for end in ends.tolist():
            places, begin = order[begin:end], end
            if len(places) < _FEW or not 0 < sizes[places[0]] <= MAX_ENTRY:
                rest += places.tolist()
            else:
                rest += self._of_one_size(entries, places, alike)
        return Sorted(alike, sorted(rest))

    def _of_one_size(self, entries: Sequence[bytes], places: Places, alike: list[Alike]) -> list[int]:
        """Sort those of one length into `alike`; the places of the rest."""
        size = len(entries[places[0]])
        rows = np.frombuffer(b"".join([entries[at] for at in places.tolist()]), np.uint8).reshape(-1, size)
        shapes, left = list(self._known.get(size, ())), _TRIED
        rest: list[int] = []
        while len(places):
            if not shapes:
                # Of a shape that is not known: its first one is read, as it would be alone.
                found = self._learn(entries[places[0]]) if left and len(places) >= _FEW else None
                if found is None and (not left or len(places) < _FEW):
                    return [*rest, *places.tolist()]
                left -= 1
                if found is None:
                    rest.append(int(places[0]))
                    places, rows = places[1:], rows[1:]
                    continue
                shapes.append(found)
            shape = shapes.pop(0)
            fit = shape.fits(rows)
            if fit.all():
                alike.append(Alike(shape, places, rows))
                return rest
            if fit.any():
                alike.append(Alike(shape, places[fit], rows[fit]))
                places, rows = places[~fit], rows[~fit]
        return rest

    def _learn(self, raw: bytes) -> Shape | None:
        try:
            shape = Shape.of(parse_entry(raw))
        except FormatError:
            return None
        if shape is not None:
            if len(self._known) >= _LENGTHS and len(raw) not in self._known:
                self._known.clear()
            known = self._known.setdefault(len(raw), [])
            known.insert(0, shape)
            del known[_TRIED:]
        return shape
