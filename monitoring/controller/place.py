"""What an alarm is about, where that answers, and since when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from monitoring.figures import Alarm
from registry.deployment import Deployed, Event, Placed

MOVES: Final = ("deploy", "promote", "rollback", "step")
"""Actions that change what answers."""


def placed_of(alarm: Alarm, deployed: Deployed) -> Placed | None:
    """What the alarm is about, where that answers now."""
    found = meant(alarm, deployed.plan) if alarm.service == deployed.service else []
    return found[0] if len(found) == 1 else None


def meant(alarm: Alarm, plan: Iterable[Placed]) -> list[Placed]:
    """What of a plan an alarm may be about."""
    short = alarm.digest.removeprefix("sha256:")
    return [
        each
        for each in plan
        if short and each.slot == alarm.slot and each.digest.removeprefix("sha256:").startswith(short)
    ]


def place_of(digest: str, slot: str, deployed: Deployed) -> Event | None:
    """The event that gave a package the slot in which it answers now; None: it answers not there."""
    since = None
    for each in (each for each in deployed.counted if each.content.action in MOVES):
        there = any((one.digest, one.slot) == (digest, slot) for one in each.content.plan)
        since = (since or each) if there else None
    return since
