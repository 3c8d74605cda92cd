"""What is known of one package in its slot, and of a canary beside live."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.asked import Asked
from monitoring.detect.judge import Severity
from monitoring.inside import Between, Scored, outside
from monitoring.judging import Judged, Judging
from monitoring.judging.judging import MOST_PANES, Taken
from monitoring.panes import Of, Pane, Slot, Tally
from monitoring.read import Profile
from registry.deployment import Rollout

from .scores import shared_bins, shared_counts, single_parts

WINDOWS: Final = 8
"""Of rows that evidence is made of, at least where there are so many: detectors need more than distances do."""
_SIDES: Final[tuple[Slot, Slot]] = ("canary", "live")


@dataclass(slots=True)
class Life:
    """A package in its slot, from when it got there on."""

    judging: Judging
    since: int
    """ms since 1970 UTC by the log's clock; panes up to then are not its own."""
    kept: deque[Taken] = field(default_factory=deque)
    kept_rows: int = 0
    confirmed: set[str] = field(default_factory=set)
    """Columns whose page the kept panes alone support."""
    tried: dict[str, int] = field(default_factory=dict)
    """Column whose page waits for that → checks when it was last looked at …"""
    pauses: dict[str, int] = field(default_factory=dict)
    """… and after how many more it is looked at again."""
    asked: Asked = field(default_factory=Asked)
    """All of it, without the statuses."""
    scored: Scored | None = None
    """Its scores against the policy's interval, since that holds; None: the policy has none."""
    _outside: tuple[Between, NDArray[np.bool_]] | None = None
    _oldest: dict[int, int] = field(default_factory=dict)
    """Partition → a pane that no kept one of it comes before."""

    def count(self, tally: Tally, between: Between | None) -> None:
        """What it was asked and answered in one pane. `between`: the interval in which its scores should be.

        Of another interval the count begins anew: as of a counter that falls, nothing is said of what was before.
        """
        self.asked.add(tally)
        if between is None:
            self.scored = self._outside = None
            return
        if self.scored is None or self.scored.between != between:
            self.scored = Scored(between)
        if self._outside is None or self._outside[0] != between:
            self._outside = between, outside(self.judging.profile.reference.scores, between)
        self.scored.add(tally.scores, self._outside[1])

    def keep(self, taken: Taken) -> None:
        """A pane with rows, for its evidence; the oldest ones go that it does without."""
        self.kept.append(taken)
        self.kept_rows += taken.tally.rows
        self._oldest.setdefault(taken.partition, taken.number)
        enough = WINDOWS * self.judging.judged.window_rows
        while len(self.kept) > MOST_PANES or self.kept_rows - self.kept[0].tally.rows >= enough:
            self.kept_rows -= self.kept.popleft().tally.rows

    def restore(self, panes: Iterable[Taken]) -> None:
        """Those that were kept before a restart, in their order."""
        self.kept = deque(panes)
        self.kept_rows = sum(each.tally.rows for each in self.kept)
        self._know_oldest()
        self.judging.refill(self.kept)

    def forget(self, partition: int, before: int) -> None:
        """Nothing is said any more of the panes of a partition before this one."""
        if self._oldest.get(partition, before) >= before:
            return
        there = deque(each for each in self.kept if each.partition != partition or each.number >= before)
        if len(there) < len(self.kept):
            self.kept = there
            self.kept_rows = sum(each.tally.rows for each in there)
            self.judging.forget(partition, before, there)
        self._know_oldest()

    def follow(self, judged: Judged) -> None:
        """Other limits from the next pane on (`Judging.follow`). A page has to be supported by them, too."""
        before = self.judging.judged
        self.judging.follow(judged, self.kept)
        if (before.limits, before.window_rows) != (judged.limits, judged.window_rows):
            self.confirmed, self.tried, self.pauses = set(), {}, {}

    def _know_oldest(self) -> None:
        self._oldest = {}
        for each in self.kept:
            self._oldest[each.partition] = min(each.number, self._oldest.get(each.partition, each.number))

    def alarms(self) -> dict[str, Severity]:
        """Columns that stand alarmed. A page counts from when the kept panes alone support it."""
        return {
            column.name: severity if column.name in self.confirmed else "warn"
            for place, column in enumerate(self.judging.columns)
            if (severity := self.judging.severity(place)) is not None
        }


@dataclass(frozen=True, slots=True)
class Told:
    """A change of what stands alarmed."""

    of: Of
    column: str
    before: Severity | None
    after: Severity | None
    time: int
    """Of the pane that did it, ms since 1970 UTC."""


@dataclass(slots=True)
class Comparing:
    """A rollout: what was asked of the canary and of live since its last step. Of several canaries each has its own.

    Not since it began: as the share grows, live's requests are of earlier hours than the canary's, and what differs
    between the hours would look like a difference of the packages.
    """

    rollout: Rollout
    cuts: tuple[NDArray[np.float32], ...]
    """Of each score that both sides are counted by …"""
    coarse: bool = False
    """… and whether a bin counts by its upper edge alone: as a comparison of before had it."""
    sides: dict[Slot, Asked] = field(default_factory=dict)
    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Partition → the offsets [first, end) of the panes that were looked at."""
    reached: dict[int, dict[str, int | None]] = field(default_factory=dict)
    """Partition → journal (hex) → its newest sequence before the first of them; None: it began in them. For who counts
    them again."""
    newest: int = 0
    """The largest time of such a pane, ms since 1970 UTC by the log's clock; 0: there was none."""
    _bins: dict[Of, tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]] = field(default_factory=dict)
    """Package → the parts in which its bins begin, and those in which they end, of each score."""

    @property
    def parts(self) -> list[int]:
        """Bins of each score."""
        return [len(each) + 1 for each in self.cuts]

    @property
    def single(self) -> list[list[int]]:
        """Of each score the parts that hold one value alone."""
        return [np.flatnonzero(single_parts(each)).tolist() for each in self.cuts]

    def side(self, slot: Slot) -> Asked:
        """Of a slot."""
        found = self.sides.get(slot)
        if found is None:
            begins, scores = (tuple(np.zeros(each, np.int64) for each in self.parts) for _ in range(2))
            found = self.sides[slot] = Asked(scores=scores, begins=() if self.coarse else begins)
        return found

    def _place(self, pane: Pane) -> None:
        """That it was looked at, and how far journals had come before."""
        first, _ = self.ranges.get(pane.partition, (pane.first, pane.end))
        self.ranges[pane.partition] = first, pane.end
        self.newest = max(self.newest, pane.time)
        reached = self.reached.setdefault(pane.partition, {})
        for journal in pane.fresh:
            reached.setdefault(journal.hex(), None)
        for journal, sequence in pane.reached.items():
            reached.setdefault(journal.hex(), sequence)

    def add(self, service: str, pane: Pane, profile_of: Callable[[Of], Profile | None]) -> None:
        """The part of a pane that the canary and live have; of before the last step there is none.

        `profile_of`: of the packages that are compared.
        """
        if pane.time <= self.rollout.moved or not (self.rollout.alone or pane.tells_apart(service)):
            return
        self._place(pane)
        for of, tally in pane.tallies.items():
            canary = (of.slot, of.digest) == ("canary", self.rollout.digest)
            if of.service != service or not (of.slot == "live" or canary):
                continue
            side = self.side(of.slot)
            side.add(tally)
            profile = profile_of(of)
            if profile is not None:
                self._add_scores(side, of, tally, profile)
        # Of a canary alone, all that canaries were asked: events of before have it so, and MUST come out again.
        slots = _SIDES if self.rollout.alone else ("live",)
        for where, statuses in pane.statuses.items():
            if where.service == service and where.slot in slots:
                self.side(where.slot).count(statuses)
        if not self.rollout.alone:
            self.side("canary").count(pane.asked(Of(service, self.rollout.digest, "canary")))

    def _add_scores(self, side: Asked, of: Of, tally: Tally, profile: Profile) -> None:
        if of not in self._bins:
            columns = zip(profile.reference.scores, self.cuts, strict=False)
            found = [shared_bins(column, cuts, coarse=self.coarse) for column, cuts in columns]
            self._bins[of] = [first for first, _ in found], [last for _, last in found]
        for bins, counts in zip(self._bins[of], (side.begins, side.scores), strict=True):
            for count, more in zip(counts, shared_counts(tally, bins, self.parts), strict=False):
                count[:] += more
