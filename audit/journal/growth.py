"""The hours until a journal is full: how fast what waits for the log, or for the seal, becomes more."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, Protocol

# Time constant of what is usual, in seconds.
RATE_SPAN: Final = 300.0
# What comes and goes within so many seconds is no growth.
LOW_SPAN: Final = 10.0
# Marks a segment: of what waits nothing is known more exactly, and there are few of them however long nobody seals.
_MARKS: Final = 64


class Found(Protocol):
    """A segment that an opening finds."""

    sequence: int
    end: int


class Waiting:
    """How many bytes hold what is not yet sealed, or acknowledged: by entry, not by whole segments.

    Segments are freed whole, so what is held goes up and down like a saw at any steady load. What waits does not.
    """

    def __init__(self, marks: Iterable[tuple[int, int]], step: int) -> None:
        """`marks`: (sequence, bytes up to its entry) of what was found, ascending; `step`: bytes between two marks."""
        self._marks = deque(marks)
        self._step = step
        self._away = 0

    def look(self, sequence: int, written: int, reached: int) -> int:
        """Bytes that wait. All below `sequence` is in the first `written` bytes; what is below `reached` is away."""
        marks = self._marks
        if sequence > (marks[-1][0] if marks else 0):
            if len(marks) > 1 and marks[-1][1] - marks[-2][1] < self._step:
                marks.pop()
            marks.append((sequence, written))
        while marks and marks[0][0] <= reached:
            self._away = marks.popleft()[1]
        return 0 if reached >= sequence else written - self._away


class Growth:
    """How fast what waits becomes more, and the hours to full.

    MUST be silent at a steady load, whatever the load, and where load begins: what waits is then more, once. So it goes
    by the least of the last LOW_SPAN seconds, held against what that was (time constant RATE_SPAN).
    """

    def __init__(self, time: float, waiting: int) -> None:
        """`waiting`: what a journal begins with has not grown."""
        self._time = time
        self._usual = float(waiting)
        self._least: deque[tuple[float, int]] = deque([(time, waiting)])
        """Ascending in both: the first is the least."""

    def update(self, time: float, waiting: int) -> None:
        """What waits, in bytes, at `time` in seconds of a monotonic clock."""
        span = time - self._time
        if span <= 0:
            return
        least = self._least
        while least and least[-1][1] >= waiting:
            least.pop()
        least.append((time, waiting))
        while least[0][0] <= time - LOW_SPAN:
            least.popleft()
        self._usual += (1 - math.exp(-span / RATE_SPAN)) * (least[0][1] - self._usual)
        self._time = time

    def hours_to_full(self, held: int, bound: int, floor: int) -> float:
        """Infinite while the journal does not grow, or less than `floor` bytes wait: so much may come and go."""
        low = self._least[0][1]
        rate = (low - self._usual) / RATE_SPAN
        if low < floor or rate <= 0:
            return math.inf
        return max(0, bound - held) / rate / 3600


class Filling:
    """Both, of one journal."""

    def __init__(
        self, time: float, found: Sequence[Found], sequence: int, *, segment_bytes: int, max_bytes: int
    ) -> None:
        """`found`: its segments, which hold all below `sequence`."""
        ends = list(accumulate(segment.end for segment in found))
        marks = [(after.sequence, end) for after, end in zip(found[1:], ends, strict=False)]
        self._begun: Final = ends[-1] if ends else 0
        self._bound: Final = max_bytes
        self._floor: Final = min(2 * segment_bytes, max_bytes // 2)
        self._waiting: Final = Waiting([*marks, (sequence, self._begun)], segment_bytes // _MARKS)
        self._growth: Final = Growth(time, self._begun)

    def look(
        self, time: float, *, sequence: int, written: int, reached: int, held: int, largest: int
    ) -> None:
        """Once. `written`: bytes since the opening; `largest`: bytes of the largest segment that is held."""
        waiting = self._waiting.look(sequence, self._begun + written, reached)
        # The open segment, and one of which a part is away, are held at any time. More of what is away, which cannot be
        # removed, fills the disk as what waits does.
        self._growth.update(time, max(waiting, held - 2 * largest))

    def hours_to_full(self, held: int, *, full: bool) -> float:
        """0 where it is `full`: nothing grows then."""
        return 0.0 if full else self._growth.hours_to_full(held, self._bound, self._floor)
