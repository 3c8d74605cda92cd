"""Tables of roots, gates and verdicts. Names and reasons are other people's texts: none steers the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .text import printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.changes import Change
    from registry.approvals.root import Root, RootModel
    from registry.approvals.slots import SlotNeeds
    from registry.policy import Policy


def screen() -> Console:
    """The output; a pipe gets whole lines, since digests are for copying."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def cell(value: object, style: str = "") -> Text:
    """A cell that says what it says."""
    return Text(printable(str(value)), style)


def lines(text: str) -> Text:
    """A text of several lines, each as it says."""
    return Text("\n".join(printable(each) for each in text.splitlines()))


def table(*columns: str) -> Table:
    """A table without a frame."""
    found = Table(box=None, pad_edge=False)
    for name in columns:
        found.add_column(name, overflow="fold")
    return found


def day(seconds: float) -> str:
    """A time, for people: UTC, to the minute."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "no date"


def of_roles(wanted: Mapping[str, int]) -> str:
    """1 × legal, 2 × officer."""
    return ", ".join(f"{count} × {role}" for role, count in wanted.items()) or "nobody"


def people_table(content: RootModel, signed: Iterable[str] = ()) -> Table:
    """Who has which roles. `signed`: people whose signatures on it hold."""
    found, there = table("person", "key", "roles", "until", "signed"), set(signed)
    for name, key in sorted(content.keys.items(), key=lambda each: (each[1].person, each[1].until is None)):
        roles = [role for role, each in content.roles.items() if name in each.keys]
        found.add_row(
            cell(key.person),
            cell(name[:16]),
            cell(", ".join(roles) or "none"),
            cell("" if key.until is None else f"offset {key.until}"),
            cell("yes" if key.person in there else "", "green"),
        )
    return found


def roles_table(content: RootModel) -> Table:
    """Each role with its people, and how many of them a root or a policy needs; of other roles that says nothing."""
    from registry.approvals.root import COUNTED

    found = table("role", "people", "needs")
    for name, role in content.roles.items():
        people = dict.fromkeys(content.keys[each].person for each in role.keys)
        needs = role.threshold if name in COUNTED else "–"
        found.add_row(cell(name), cell(", ".join(people) or "nobody"), cell(needs))
    return found


def root_told(root: Root, offset: int | None = None) -> dict[str, Any]:
    """A root as JSON."""
    return {
        "version": root.version,
        "digest": root.digest,
        "offset": offset,
        "previous": root.content.previous,
        "signed_by": sorted(root.signers(root)),
        "keys": {name: key.model_dump() for name, key in root.content.keys.items()},
        "roles": {name: role.model_dump() for name, role in root.content.roles.items()},
    }


def gates_table(board: Board, service: str, digest: str) -> Table | None:
    """The gate results that count, and the gates of live that are missing; None: there are none."""
    from registry.approvals.foresee import verdicts

    results = board.gates(service, digest)
    if results is None:
        return None
    told, passed = results.predicate.get("results"), verdicts(results)
    reasons = {
        each.get("name"): each.get("reason")
        for each in (told if isinstance(told, list) else [])
        if isinstance(each, dict)
    }
    found = table("gate", "verdict", "why")
    rules = board.rules(service, "live")
    for name in [*passed, *sorted((rules.gates if rules is not None else frozenset()) - set(passed))]:
        verdict = passed.get(name, "did not run")
        found.add_row(
            cell(name),
            cell(verdict, "green" if verdict == "passed" else "red"),
            cell(reasons.get(name) or ""),
        )
    return found


def slot_text(needs: SlotNeeds) -> str:
    """What a slot needs, on one line."""
    gates = ", ".join(needs.gates) or "none"
    share = "" if needs.share is None else f"; at most {needs.share:.1%} of the requests"
    return f"gates {gates}; signers {of_roles(needs.signers)}{share}"


def slot_lines(policy: Policy) -> list[str]:
    """What each slot of each service needs: live's first."""
    from registry.approvals.slots import needs_of

    return [
        f"{each.service}: {slot_text(each)}" if each.slot == "live" else f"  {each.slot}: {slot_text(each)}"
        for each in needs_of(policy)
    ]


def changes_table(found: Iterable[Change]) -> Table:
    """What a document changes of the one in force."""
    grid = table("key", "in force", "then")
    for each in found:
        grid.add_row(
            cell(each.key),
            cell("–" if each.before is None else each.before),
            cell("–" if each.after is None else each.after),
        )
    return grid
