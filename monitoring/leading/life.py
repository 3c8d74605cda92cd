"""What is known of one package in its slot, and of a canary beside live."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from monitoring.asked import Asked
from monitoring.detect.judge import Severity
from monitoring.judging import Judging
from monitoring.judging.judging import Taken
from monitoring.panes import Of, Pane, Slot
from registry.deployment import Rollout

WINDOWS: Final = 8
"""Of rows that evidence is made of, at least where there are so many: detectors need more than distances do."""
_SIDES: Final[tuple[Slot, Slot]] = ("canary", "live")
MOST_PANES: Final = 4096
"""Of one package that are kept for its evidence; and of the log that are known by how far journals had come."""


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
    tried: int = 0
    """Checks at the last look at that."""
    asked: Asked = field(default_factory=Asked)
    """All of it, without the statuses."""

    def keep(self, taken: Taken) -> None:
        """A pane with rows, for its evidence; the oldest ones go that it does without."""
        self.kept.append(taken)
        self.kept_rows += taken.tally.rows
        enough = WINDOWS * self.judging.judged.window_rows
        while len(self.kept) > MOST_PANES or self.kept_rows - self.kept[0].tally.rows >= enough:
            self.kept_rows -= self.kept.popleft().tally.rows

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
    """A rollout: what was asked of the canary and of live since it began."""

    rollout: Rollout
    sides: dict[Slot, Asked] = field(default_factory=dict)
    fresh: int = 0
    """Requests of the canary since the last step: what it is to move on by."""

    @property
    def share(self) -> float:
        """The canary's of the requests that either answered; 0 before the first."""
        canary, live = (self.side(slot).reached for slot in _SIDES)
        return canary / (canary + live) if canary + live else 0.0

    def side(self, slot: Slot) -> Asked:
        """Of a slot."""
        return self.sides.setdefault(slot, Asked())

    def add(self, service: str, pane: Pane) -> None:
        """The part of a pane that the canary and live have; of before it began there is none."""
        if pane.time <= self.rollout.since:
            return
        for of, tally in pane.tallies.items():
            canary = (of.slot, of.digest) == ("canary", self.rollout.digest)
            if of.service == service and (of.slot == "live" or canary):
                self.side(of.slot).add(tally)
        for at, statuses in pane.statuses.items():
            if at.service == service and at.slot != "shadow":
                self.side(at.slot).count(statuses)
                if at.slot == "canary" and pane.time > self.rollout.moved:
                    self.fresh += sum(statuses.values())
