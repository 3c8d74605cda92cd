"""`affiant retention`: what of the archive's payloads is over its time, and its deletion, signed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from audit.config import Config, load
from audit.errors import ConfigError
from audit.retention.settings import RetentionSettings

from .approvals_open import KeyOption, YesOption, append, confirm, signer_of, text_of
from .approvals_show import cell, screen, table
from .errors import WRONG
from .options import ConfigOption
from .retention_open import Opened, opened
from .text import counted, json_text

if TYPE_CHECKING:
    from audit.retention.plan import Range
    from registry.deletion import DeletedFile

app = typer.Typer(
    no_args_is_help=True,
    help="How long payloads are kept: what is over its time, and its deletion, signed.\n\n"
    "Example: affiant retention show",
)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
OlderOption = Annotated[
    int | None,
    typer.Option(
        "--older-than", metavar="DAYS", min=0, help="In place of [retention] payload_max_days.", show_default=False
    ),
]  # fmt: skip


@app.command()
def show(older_than: OlderOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show, a day and partition at a time, which payloads are kept, over their time, deleted, or gone untold.

    Nothing is changed. Exit codes: 0 nothing is over its time; 1 something is, or payloads are gone and no signed
    statement says so; 2 wrong settings; 3 the archive or the log does not answer.

    Example: affiant retention show
    """
    from audit.retention.plan import State

    loaded = load(config)
    days = _days(loaded, older_than, needed=False)
    with opened(loaded) as found, bar("looking at the archive") as progress:
        ranges = list(found.ranges(days, progress))
    _tell(ranges, as_json=as_json)
    if any(each.state in (State.DUE, State.LOGGED, State.GONE) for each in ranges):
        raise typer.Exit(WRONG)


@app.command()
def apply(
    key: KeyOption,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", "-m", help="Why it is their time, as text, or the name of a text file; signed."
        ),
    ] = "their time is over",
    older_than: OlderOption = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the payloads that are over their time, after a signed statement says which.

    Entries, proofs and statements stay. The key needs the role `retention`, where the settings name a root. Payloads
    younger than [retention] payload_min_days are never deleted. What the log itself still has is left, and named: its
    topic's retention goes first.

    Exit codes: 0 nothing is over its time any more; 1 something is, and could not be deleted; or the key may not; 2
    wrong settings; 3 the archive or the log does not answer: begin again, nothing is lost.

    Example: affiant retention apply --key dan.key --reason "six years, HGB 257" --yes
    """
    from audit.retention.plan import State
    from registry.deletion import DELETE_ROLE

    loaded, why = load(config), text_of(reason, "--reason")
    days = _days(loaded, older_than, needed=True)
    signer = signer_of(key)
    with opened(loaded) as found:
        person = found.person(signer.id, DELETE_ROLE)
        if person is None:
            typer.echo(f"refused: the key {signer.id[:16]}… has not the role retention", err=True)
            raise typer.Exit(WRONG)
        with bar("looking at the archive") as progress:
            ranges = list(found.ranges(days, progress))
        due = [each for each in ranges if each.state is State.DUE]
        if not as_json:
            _tell(ranges, as_json=False)
        if due:
            confirm(
                f"Delete the payloads of {counted(len(due), 'range')}, for ever, signed with {key}?", yes=yes
            )
            with bar("deleting") as progress:
                _delete(
                    found,
                    due,
                    lambda files: append(loaded, signer, [_said(files, days, why, person)]),
                    progress,
                )
    left = [each for each in ranges if each.state is State.LOGGED]
    if as_json:
        typer.echo(
            json_text({"deleted": [_json(each) for each in due], "left": [_json(each) for each in left]})
        )
    else:
        typer.echo(f"deleted: the payloads of {counted(len(due), 'range')}")
    if left:
        typer.echo(
            f"affiant: {counted(len(left), 'range')} over their time are still in the log itself: set its topic's "
            "retention, with [log] archived = true; a log in a directory keeps all of its records",
            err=True,
        )
        raise typer.Exit(WRONG)


def _days(config: Config, older_than: int | None, *, needed: bool) -> int | None:
    """How old payloads are that are over their time.

    Raises:
        ConfigError: less than the minimum; or nothing says it, and it is `needed`.
    """
    settings = config.section("retention", RetentionSettings)
    days = settings.payload_max_days if older_than is None else older_than
    if days is None and needed:
        raise ConfigError(
            "[retention] payload_max_days is not set, and --older-than was not given: nothing is over"
        )
    if days is not None and days < settings.payload_min_days:
        raise ConfigError(
            f"--older-than {days}: refused, [retention] payload_min_days = {settings.payload_min_days} is the law here"
        )
    return days


def _said(files: list[DeletedFile], days: int | None, why: str, person: str) -> bytes:
    from registry.deletion import encode_deletion

    return encode_deletion(files, days or 0, why, person, round(time.time(), 3))


def _delete(found: Opened, due: list[Range], say: Any, progress: Any) -> None:
    """Say it, then do it: a crash leaves payloads that are told of and there, which the next run takes again."""
    from registry.deletion import MOST, DeletedFile

    done = 0
    for at in range(0, len(due), MOST):
        together = due[at : at + MOST]
        files = []
        for each in together:
            content = found.content(each)
            files.append(
                DeletedFile(
                    name=each.file.name,
                    sha256=None if content is None else sha256(content).hexdigest(),
                    external=len(each.external),
                )
            )
        say(files)
        for each in together:
            found.remove(each)
            done += 1
            progress(done, len(due))


def _tell(ranges: list[Range], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text({"ranges": [_json(each) for each in ranges]}))
        return
    if not ranges:
        typer.echo("the archive is empty")
        return
    rows: Counter[tuple[str, str, int, str]] = Counter()
    for each in ranges:
        file = each.file
        rows[file.day.isoformat(), file.topic.hex()[:8], file.partition, each.state.value] += 1
    grid = table("day", "topic", "partition", "ranges", "payloads")
    colours = {
        "due": "yellow",
        "in the log": "yellow",
        "gone": "red",
        "deleted": "dim",
        "erased": "dim",
        "none": "dim",
    }
    for (day, topic, partition, state), count in sorted(rows.items()):
        grid.add_row(
            cell(day), cell(topic), cell(partition), cell(count), cell(state, colours.get(state, ""))
        )
    screen().print(grid)


def _json(each: Range) -> dict[str, Any]:
    newest = None if each.newest is None else datetime.fromtimestamp(each.newest / 1000, UTC).isoformat()
    return {
        "file": each.file.name,
        "state": each.state.value,
        "first": each.file.first,
        "last": each.file.end - 1,
        "newest": newest,
        "in_object_store": len(each.external),
    }


@contextmanager
def bar(what: str) -> Iterator[Any]:
    """On a terminal, a bar; called with (done, of how many)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    from rich.console import Console

    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
