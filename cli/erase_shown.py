"""How `affiant erase` tells what it found, what it did, and what it cannot reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from audit.config import Config
from audit.settings import FluentdSettings

from .approvals_show import cell, screen, table
from .text import counted, json_text, printable

if TYPE_CHECKING:
    from audit.erasure.plan import Looked

Why = Mapping[tuple[str, int, int], str]


def elsewhere(config: Config) -> list[str]:
    """Copies that nobody here can look at: they are told each time."""
    fluentd = config.section("fluentd", FluentdSettings)
    copied = f"the receiver at {fluentd.address}, which [fluentd] payloads sends them to"
    return [
        *([copied] if fluentd.address is not None and fluentd.payloads else []),
        "backups of the store (`affiant notary backup`), bundles and files that were exported",
        "journals of gateways that are not freed yet, where a record is minutes old",
    ]


def tell(
    looked: Sequence[Looked],
    why: Why,
    erased: Sequence[Looked],
    wrong: Sequence[str],
    others: Sequence[str],
    *,
    as_json: bool,
    done: bool,
) -> None:
    """Print it.

    Args:
        looked: as it is now.
        why: of each place, why it is among them.
        erased: what was erased just now.
        wrong: what keeps an erasure from being a whole one.
        others: see `elsewhere`.
        as_json: as one JSON object.
        done: else nothing was to be changed.
    """
    if as_json:
        typer.echo(
            json_text(
                {
                    "changed": done,
                    "records": [_json(each, why) for each in looked],
                    "erased": sum(each.reached for each in erased),
                    "wrong": list(wrong),
                    "elsewhere": list(others),
                }
            )
        )
        return
    _grid(looked, why)
    for line in wrong:
        typer.echo(printable(f"WRONG  {line}"))
    if done:
        typer.echo(f"erased now: {counted(sum(each.reached for each in erased), 'payload')}")
    else:
        due = sum(each.state == "to erase" for each in looked)
        typer.echo(
            f"nothing was changed; {counted(due, 'payload')} would be erased: --reason, --key and --yes do it"
        )
    for line in _left(looked, done=done):
        typer.echo(f"affiant: {line}", err=True)
    for line in others:
        typer.echo(printable(f"not looked at: {line}"))


def _grid(looked: Sequence[Looked], why: Why) -> None:
    if not looked:
        typer.echo("no payload is told of, or asked for")
        return
    grid = table("record", "place", "state", "where", "why")
    colours = {"to erase": "yellow", "too young": "yellow", "nowhere": "red", "erased": "dim"}
    for each in looked:
        item = each.item
        told = why.get((item.topic.hex(), item.partition, item.offset), "")
        told = told if each.told is None else each.told.words()
        grid.add_row(
            cell(item.record or ""), cell(f"{item.partition}/{item.offset}"),
            cell(each.state.value, colours[each.state.value]), cell(", ".join(sorted(each.places)) or "–"), cell(told),
        )  # fmt: skip
    screen().print(grid)


def _left(looked: Sequence[Looked], *, done: bool) -> list[str]:
    """What stays, or would, and what would help."""
    from audit.erasure.plan import Place, State

    due = [each for each in looked if each.state is State.DUE]
    said = (
        (
            [each for each in due if Place.LOG in each.places],
            "the log itself, until its topic's retention is over ([log] archived = true); one in a directory keeps all",
        ),
        (
            [each for each in due if Place.UNFINISHED in each.places],
            "a file of the archive that the notary has not finished: `affiant erase complete` once it has",
        ),
    )
    stays = "is still in" if done else "is in, and would stay in,"
    lines = [f"{counted(len(some), 'payload')} {stays} {what}" for some, what in said if some]
    young = sum(each.state is State.YOUNG for each in looked)
    if young:
        lines.append(
            f"{counted(young, 'payload')} younger than [retention] payload_min_days: kept; --despite-minimum erases it"
        )
    return lines


def _json(each: Looked, why: Why) -> dict[str, Any]:
    item = each.item
    return {
        "record": item.record,
        "topic": item.topic.hex(),
        "partition": item.partition,
        "offset": item.offset,
        "digest": item.digest.hex(),
        "state": each.state.value,
        "places": sorted(each.places),
        "why": why.get((item.topic.hex(), item.partition, item.offset)),
        "told": None if each.told is None else each.told.json(),
    }
