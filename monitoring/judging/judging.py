"""One package in one slot: each of its panes is judged once, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from monitoring.columns import columns_of
from monitoring.detect.figures import ColumnFigures, Detector
from monitoring.detect.judge import Change, Severity, Standing, judge
from monitoring.detect.lines import Counts
from monitoring.errors import DetectError
from monitoring.panes import Tally
from monitoring.read import Profile
from registry.reference import EXTRA, Column

from .limits import Judged

NONE: Final = -1.0
"""In place of the logarithm of an e-value that is 0: JSON has no infinity, and what is below 1 says nothing."""

MOST_PANES: Final = 4096
"""Of one package that anything is said of."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A pane of this package, as long as it is in the window."""

    partition: int
    number: int
    time: int
    tally: Tally


class Judging:
    """For one thread. A pure function of the panes that were taken, the package's profile and the limits.

    Of a reference that has too few rows for the limits' deltas `unsupported` says why, and the smallest deltas that
    it supports are taken.
    """

    def __init__(self, profile: Profile, judged: Judged) -> None:
        """Nothing was taken yet."""
        self.profile: Final = profile
        self.judged = judged
        self.columns: Final = columns_of(profile.reference)
        self._detector, self.unsupported = self._made(judged)
        self._state = self._detector.start()
        self.standings: tuple[Standing, ...] = tuple(Standing() for _ in self.columns)
        self._window: deque[Taken] = deque()
        self._sum: Counts = np.zeros(self._detector.lines.size, np.int64)
        self.window_rows = 0
        self.rows = 0
        """Of all panes."""
        self.checks = 0
        self._most = np.full((2, len(self.columns)), -np.inf)
        """The largest logarithms, warn and page, of all panes."""

    def _made(self, judged: Judged) -> tuple[Detector, str | None]:
        """The detectors, and why they are not those of the limits."""
        try:
            return Detector(self.columns, self.profile.reference, judged.limits), None
        except DetectError as error:
            widest = replace(judged.limits, warn_delta="auto", page_delta="auto")
            return Detector(self.columns, self.profile.reference, widest), str(error)

    def follow(self, judged: Judged, panes: Iterable[Taken]) -> None:
        """Other limits from the next pane on: what they do not touch goes on, an alarm that stands among it.

        An e-detector with another delta begins anew, all standings with another rule; a window of another size is made
        of `panes`: those that are kept, oldest first.
        """
        before, detector, old = self.judged, self._detector, self._state
        self.judged = judged
        self._detector, self.unsupported = self._made(judged)
        new = self._detector.start()
        if self._detector.warn.delta != detector.warn.delta:
            old = replace(old, warn=new.warn, log_e_warn=new.log_e_warn)
            self._most[0] = -np.inf
        if self._detector.page.delta != detector.page.delta:
            old = replace(old, page=new.page, log_e_page=new.log_e_page)
            self._most[1] = -np.inf
        self._state = old
        if judged.limits.rule != before.limits.rule:
            self.standings = tuple(Standing() for _ in self.columns)
        if judged.window_rows != before.window_rows:
            self.refill(panes)

    def refill(self, panes: Iterable[Taken]) -> None:
        """Make the window of the newest of these panes, which come oldest first, and of nothing else."""
        self._window.clear()
        self._sum = np.zeros(self._detector.lines.size, np.int64)
        self.window_rows = 0
        for taken in panes:
            self.fill(taken)

    def forget(self, partition: int, before: int, panes: Sequence[Taken]) -> None:
        """Take the panes of a partition before this one out of the window; older ones of others may come in again.

        `panes`: those that are kept, oldest first; the window is the newest of them.
        """
        old = [each for each in self._window if each.partition == partition and each.number < before]
        if not old:
            return
        self._window = deque(
            each for each in self._window if each.partition != partition or each.number >= before
        )
        for each in old:
            self._sum -= _counts(each.tally)
            self.window_rows -= each.tally.rows
        for at in range(len(panes) - len(self._window) - 1, -1, -1):
            if self.window_rows >= self.judged.window_rows:
                break
            self._window.appendleft(panes[at])
            self._sum += _counts(panes[at].tally)
            self.window_rows += panes[at].tally.rows

    @property
    def threshold(self) -> float:
        """From which logarithm on the e-detector alarms."""
        return self._detector.threshold

    @property
    def window(self) -> tuple[Taken, ...]:
        """The panes in the window, oldest first."""
        return tuple(self._window)

    def prime(self, panes: Iterable[Taken]) -> None:
        """Begin with the design effects that these panes together show. MUST come before the first is taken."""
        self._state = self._detector.primed(_counts(each.tally) for each in panes if each.tally.rows)

    def take(self, taken: Taken) -> tuple[Change, ...]:
        """The next pane; what changed by it. One without rows is passed over."""
        if not taken.tally.rows:
            return ()
        counts = _counts(taken.tally)
        self._slide(taken, counts)
        self._state = self._detector.step(self._state, counts)
        self.rows += taken.tally.rows
        self.checks += 1
        self._most = np.maximum(self._most, [self._state.log_e_warn, self._state.log_e_page])
        if self._rests():
            return ()
        self.standings, changes = judge(
            self.standings, self.figures(), self._detector.limits, self.threshold,
            now=taken.time / 1000, position=self.rows, ignore=self.judged.ignore,
        )  # fmt: skip
        return tuple(each for each in changes if each.column not in self.judged.ignore)

    def _rests(self) -> bool:
        """Whether this check changes nothing: no column has, or had, a sign of drift. No distance need be known."""
        if self._detector.limits.rule != "e-detector":
            return False
        signs = np.maximum(self._state.log_e_warn, self._state.log_e_page) >= self.threshold
        return not signs.any() and all(
            each.severity is None and not each.warned and not each.paged for each in self.standings
        )

    def fill(self, taken: Taken) -> None:
        """Put a pane that was judged before back into the window."""
        if taken.tally.rows:
            self._slide(taken, _counts(taken.tally))

    def figures(self) -> tuple[ColumnFigures, ...]:
        """One a column: of the window, and of the detectors after the newest pane."""
        return self._detector.figures(self._state, self._sum)

    def counts(self) -> Iterator[tuple[Column, Counts]]:
        """Each column with what the window has in its bins and the six beyond them."""
        start = 0
        for column in self.columns:
            end = start + len(column.counts) + len(EXTRA)
            yield column, self._sum[start:end].copy()
            start = end

    def peaks(self) -> Iterator[tuple[float, float]]:
        """The largest logarithms of each column's e-detectors, warn and page, since the first pane."""
        finite = np.where(np.isfinite(self._most), np.maximum(self._most, NONE), NONE)
        yield from zip(*finite.tolist(), strict=True)

    def severity(self, place: int) -> Severity | None:
        """Of the alarm that a column's standing is; None for one that is ignored."""
        return None if self.columns[place].name in self.judged.ignore else self.standings[place].severity

    def encode(self) -> dict[str, Any]:
        """All but the window: what goes on after a restart, for CBOR and JSON."""
        return {
            "detector": self._detector.encode(self._state).hex(),
            "standings": [_written(each) for each in self.standings],
            "rows": self.rows,
            "checks": self.checks,
            "most": self._most.astype("<f8").tobytes().hex(),
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            DetectError: it is the state of other columns or limits, or none.
        """
        try:
            state = self._detector.decode(bytes.fromhex(content["detector"]))
            standings = tuple(_read(each) for each in content["standings"])
            most = np.frombuffer(bytes.fromhex(content["most"]), "<f8").reshape(2, len(self.columns))
            rows, checks = int(content["rows"]), int(content["checks"])
        except (KeyError, TypeError, ValueError) as error:
            raise DetectError(f"not the state of these columns: {error}") from error
        if len(standings) != len(self.columns):
            raise DetectError(f"{len(standings)} standings for {len(self.columns)} columns")
        self._state, self.standings, self._most = state, standings, most.astype(np.float64)
        self.rows, self.checks = rows, checks

    def _slide(self, taken: Taken, counts: Counts) -> None:
        """Into the window; out of it the oldest panes that the newest do without."""
        self._window.append(taken)
        self._sum += counts
        self.window_rows += taken.tally.rows
        while (
            self.window_rows - self._window[0].tally.rows >= self.judged.window_rows
            or len(self._window) > MOST_PANES
        ):
            old = self._window.popleft()
            self._sum -= _counts(old.tally)
            self.window_rows -= old.tally.rows


def _counts(tally: Tally) -> Counts:
    return np.concatenate([tally.features.dense(), tally.scores.dense()])


def _written(standing: Standing) -> dict[str, Any]:
    content = asdict(standing)
    # The one number that may be infinite, which JSON does not have.
    content["quiet_until"] = None if standing.quiet_until == float("-inf") else standing.quiet_until
    return content


def _read(content: dict[str, Any]) -> Standing:
    if content.keys() != asdict(Standing()).keys():
        raise ValueError("a standing lacks something")
    quiet = content["quiet_until"]
    return Standing(**(content | {"quiet_until": float("-inf") if quiet is None else quiet}))
