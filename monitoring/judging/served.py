"""Since when a package has its place: what alarms about it is of this time alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.panes import Of
from registry.deployment import Deployed


def served_since(deployed: Mapping[str, Deployed]) -> dict[Of, int]:
    """What answers now → since when without a break, ms since 1970 UTC by the log's clock.

    A canary whose share has grown is the same; one that was promoted is another, with another slot.
    """
    found: dict[Of, int] = {}
    for service, each in deployed.items():
        now: dict[Of, int] = {}
        for event in each.counted:
            plan = {Of(service, placed.digest, placed.slot) for placed in event.content.plan}
            now = {of: now.get(of, event.logged) for of in plan}
        found |= now
    return found
