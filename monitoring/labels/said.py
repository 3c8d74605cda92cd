"""Labels of one service: of each target and row the one that holds, bounded, whatever order they came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from audit.labels import Label, Value
from audit.proof.entry import parse_record_id

from . import keys

_SLACK: Final = 1.25
"""So many times the bound may be held before what is too much is let go of."""


class Holds(NamedTuple):
    """The label that holds of a target and row. Of two the larger one does: known later, then logged later."""

    known_ns: int
    logged_ms: int
    rank: int
    """Of two that are said at the same time, any rule will do that is always the same: a hash of type and value."""
    value: Value


class Target(NamedTuple):
    """What a label is about. `key`: of a record, or of a client's id (keys.py)."""

    by_request: bool
    key: int
    row: int
    """-1: none was said."""


@dataclass(slots=True)
class Said:
    """The newest `most` of them, by when they were known."""

    most: int
    dropped: int = 0
    """Of them more came, and these were let go of."""
    repeated: int = 0
    """Labels whose target and row had one already: said twice, or corrected."""
    _labels: dict[Target, Holds] = field(default_factory=dict)

    def add(self, label: Label) -> None:
        """Take one. Of a target and row the newest holds, and counts once."""
        by_record = label.by == "record"
        key = keys.record(*parse_record_id(label.target)) if by_record else keys.request(label.target)
        target = Target(not by_record, key, -1 if label.row is None else label.row)
        rank = keys.request(f"{type(label.value).__name__} {label.value}") >> 1
        holds = Holds(label.known_ns, label.logged_ms, rank, label.value)
        known = self._labels.get(target)
        if known is not None:
            self.repeated += 1
            if known >= holds:
                return
        self._labels[target] = holds
        if len(self._labels) > _SLACK * self.most + 1:
            self._thin()

    def settled(self, since: int) -> dict[Target, Holds]:
        """Those that are kept: none that was known, and in the log, before `since` (ns). An answer comes before what is
        said of it: theirs are let go of, too, and they would look like labels of nothing.
        """
        old = [
            target
            for target, holds in self._labels.items()
            if max(holds.known_ns, holds.logged_ms * 1_000_000) < since
        ]
        for target in old:
            del self._labels[target]
        self._thin()
        return self._labels

    def _thin(self) -> None:
        surplus = len(self._labels) - self.most
        if surplus > 0:
            oldest = sorted(self._labels, key=lambda target: (self._labels[target][:3], target))[:surplus]
            for target in oldest:
                del self._labels[target]
            self.dropped += surplus
