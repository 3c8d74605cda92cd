"""What evidence is worth by itself: of what answers, of the time in which it does, with enough rows; and what pages.

Pure.
"""

from __future__ import annotations

from typing import Final

from registry.deployment import Deployed, Placed

from .base import Ground, Shown

OLD_SECONDS: Final = 3600.0
OLD_PANES: Final = 4
"""Evidence is an old story when the log goes on for so long after it, and for so many panes."""
MOVES: Final = ("deploy", "promote", "rollback", "step")
"""Actions that change what answers."""
COMPUTED: Final = ("prediction", "input")
"""Causes whose figures are computed again from the log."""
SCORE: Final = "score:"


def pages(cause: str, shown: Shown) -> tuple[str, ...]:
    """Columns that page by themselves, of that cause: scores for prediction, features for input."""
    found = [each.column for each in shown.evidence.columns if each.severity == "page"]
    if cause not in COMPUTED:
        return ()
    return tuple(each for each in found if each.startswith(SCORE) == (cause == "prediction"))


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
    moves = [each for each in deployed.counted if each.content.action in MOVES]
    since = None
    for each in moves:
        there = any((one.digest, one.slot) == (placed.digest, placed.slot) for one in each.content.plan)
        since = (since or each) if there else None
    if since is None or shown.begun < since.logged / 1000:
        return f"the evidence begins before {placed.digest} was {placed.slot}"
    if shown.ended < moves[-1].logged / 1000:
        return f"the evidence ends before the service's newest event, at offset {moves[-1].offset}"
    far = shown.behind > OLD_PANES * shown.evidence.pane_records
    if far and shown.newest - shown.ended > OLD_SECONDS:
        return f"the log goes on for {shown.newest - shown.ended:.0f} s after the evidence"
    return None
