"""What evidence is worth by itself: of what answers, of the time in which it does, with enough rows; and what pages.

Pure.
"""

from __future__ import annotations

from typing import Final

from monitoring.burns import Burns
from monitoring.columns import is_score
from registry.deployment import Deployed, Placed

from .base import Ground, Shown
from .place import MOVES, place_of

OLD_SECONDS: Final = 3600.0
OLD_PANES: Final = 4
"""Evidence is an old story when the log goes on for so long after it, and for so many panes."""
PREDICTION: Final = "prediction"
DRIFT: Final = (PREDICTION, "input")
"""Causes whose evidence is the monitor's, of columns that drifted."""
SLO: Final = "slo"
"""The cause whose evidence is the log's alone: burn rates."""
COMPUTED: Final = (*DRIFT, SLO)
"""Causes whose figures are computed again from the log."""


def pages(cause: str, shown: Shown) -> tuple[str, ...]:
    """What pages by itself, of that cause: scores for prediction, features for input, objectives for slo."""
    if isinstance(shown.evidence, Burns):
        return shown.evidence.paging if cause == SLO else ()
    found = [each.column for each in shown.evidence.columns if each.severity == "page"]
    if cause not in DRIFT:
        return ()
    return tuple(each for each in found if is_score(each) == (cause == PREDICTION))


def unsound(placed: Placed, shown: Shown, ground: Ground) -> str | None:
    """Why the evidence is worth nothing, whatever it says; None: it is worth something.

    Args:
        placed: the package as it answers now.
        shown: the evidence, computed again.
        ground: what the governance log says.
    """
    evidence, section = shown.evidence, ground.section
    about = (evidence.service, evidence.digest, evidence.slot)
    if about != (ground.deployed.service, placed.digest, placed.slot):
        return f"the evidence is of {' '.join(about)}"
    if section is None or ground.policy is None or evidence.policy != ground.policy.digest:
        return "the evidence is by another policy than the one in force"
    if (why := _stale(placed, shown, ground.deployed)) is not None:
        return why
    if evidence.window_rows < section.drift.minimum_rows:
        return f"the evidence has {evidence.window_rows} rows, and {section.drift.minimum_rows} are wanted"
    return None


def _stale(placed: Placed, shown: Shown, deployed: Deployed) -> str | None:
    """Why the evidence is of another time than that in which the package answers; None: it is not."""
    evidence, since = shown.evidence, place_of(placed.digest, placed.slot, deployed)
    if since is None or shown.begun < since.logged / 1000:
        return f"the evidence begins before {placed.digest} was {placed.slot}"
    if isinstance(evidence, Burns) and evidence.since != since.logged:
        return f"the evidence leaves out some of the time since {placed.digest} was {placed.slot}"
    newest = [each for each in deployed.counted if each.content.action in MOVES][-1]
    if shown.ended < newest.logged / 1000:
        return f"the evidence ends before the service's newest event, at offset {newest.offset}"
    far = shown.behind > OLD_PANES * evidence.pane_records
    if far and shown.newest - shown.ended > OLD_SECONDS:
        return f"the log goes on for {shown.newest - shown.ended:.0f} s after the evidence"
    return None
