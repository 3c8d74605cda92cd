"""`affiant audit recompute` of a rollout's step, or of its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .approvals_show import cell, day, screen, table

if TYPE_CHECKING:
    from audit.config import Config
    from monitoring.controller.ground import Grounds
    from monitoring.read import External, StorePackages
    from monitoring.rollout.review import Reviewed
    from registry.stores import Store


def counting(config: Config, store: Store, grounds: Grounds) -> tuple[StorePackages, External]:
    """Packages that were ever deployed, and what the object store has: what records are counted with."""
    from monitoring.read import StorePackages
    from registry.deployment import ever_named

    from .external import configured_external

    packages = StorePackages(store, lambda whose: ever_named(grounds.services()).intersection(whose))
    return packages, configured_external(config)


def show(told: Reviewed) -> None:
    """For people."""
    from monitoring.close import same

    out, content = screen(), told.event.content
    what = "moved on" if content.action == "step" else "taken back"
    out.print(
        cell(
            f"{content.service}: {what} at offset {told.event.offset}, {day(told.event.logged / 1000)}",
            "bold",
        )
    )
    out.print(cell(content.reason))
    ranges = ", ".join(f"{partition}:{first}-{end - 1}" for partition, first, end in told.told.ranges)
    out.print(cell(f"records {ranges} of topic {told.told.topic[:8]}…"))
    out.print()
    grid = table("question", "", "worse by at least", "at most", "back beyond", "on within")
    alike = same(told.signed, told.computed)
    for whose, questions in (("signed", told.signed), ("computed", told.computed))[: 1 if alike else 2]:
        for each in questions:
            words = (each.get(key) for key in ("at_least", "at_most", "allowed", "shown"))
            row = (each.get("what"), whose, *(_number(word) for word in words))
            grid.add_row(*(cell(word, "" if alike else "red") for word in row))
    out.print(grid)
    out.print()
    checks = table("", "", "")
    for check in told.checks:
        mark = cell("✓", "green") if check.holds else cell("✗", "red")
        checks.add_row(mark, cell(check.what), cell(check.said))
    out.print(checks)
    out.print(cell("the design effect, what waited and what paged then are the monitor's word"))
    verdict = "it was right" if told.right else "it was NOT right"
    out.print(cell(verdict, "bold green" if told.right else "bold red"))


def as_json(told: Reviewed) -> dict[str, Any]:
    """For scripts."""
    return {
        "offset": told.event.offset,
        "service": told.event.content.service,
        "action": told.event.content.action,
        "right": told.right,
        "checks": [{"what": each.what, "holds": each.holds, "said": each.said} for each in told.checks],
        "ranges": [
            {"partition": partition, "first": first, "end": end} for partition, first, end in told.told.ranges
        ],
        "signed": [dict(each) for each in told.signed],
        "computed": [dict(each) for each in told.computed],
    }


def _number(word: object) -> str:
    return f"{word:.4g}" if isinstance(word, int | float) else "unknown"
