"""`affiant drain`: ship what is left of journals whose gateway is gone."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from audit.config import load
from audit.errors import NoSuchRecord

from .errors import UNAVAILABLE, WRONG
from .options import ConfigOption
from .text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.ship.drain import Left

app = typer.Typer()
_ERRORS: Final = Console(stderr=True)


@app.command()
def drain(
    *,
    sealed: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the notary, once all is shipped; 0: do not.")
    ] = 300.0,
    copied: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds to wait for the receiver of [fluentd], once all is shipped; 0: do not."
        ),
    ] = 60.0,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Close and ship the journals of a data directory whose gateway is gone, and wait until they are sealed.

    For a volume that was left behind: by a gateway that is no more, after scaling in, on another machine. Nothing is
    removed. Once this has ended with 0, and the seal was waited for, nothing of these journals is on that disk alone,
    and it may go. Where [fluentd] is set the copy is finished, too. With --json `whole` is true where the exit code is
    0.

    Exit codes: 0 all is in the log, sealed and copied, as far as it was to be waited for; 1 there is no journal, or
    records stay unshipped, or an alarm; 2 wrong settings; 3 a gateway or a sidecar has the journals, or the notary has
    not sealed all of it yet, or the copy lacks some of it.

    Example: affiant drain --config /etc/affiant/affiant.toml
    """
    from audit.journal.settings import journal_settings
    from audit.log import configured_log
    from audit.settings import FluentdSettings, SidecarSettings
    from audit.ship.drain import close_journals, ship
    from audit.ship.sidecar import Sidecar, one_sidecar
    from service.journals import opening
    from service.settings import GatewaySettings

    from .sidecar import sealed_trees

    loaded = load(config)
    settings = loaded.section("sidecar", SidecarSettings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with one_sidecar(loaded.data):
        journals = asyncio.run(
            close_journals(
                loaded.data,
                journal_settings(loaded),
                opening(loaded.section("gateway", GatewaySettings)),
            )
        )
        if not journals:
            raise NoSuchRecord(f"there is no journal in {loaded.data}: nothing was drained")
        sidecar = Sidecar(
            loaded.data, configured_log(loaded), settings, sealed_trees(loaded),
            fluentd=loaded.section("fluentd", FluentdSettings),
        )  # fmt: skip
        with _told() as told, _logs_aside():
            left = ship(
                sidecar,
                stop,
                journals,
                shipped_seconds=settings.drain_seconds + settings.delivery_timeout_seconds,
                sealed_seconds=sealed,
                copied_seconds=copied,
                told=told,
            )
    _tell(left, len(journals), as_json=as_json, sealed=sealed > 0, copied=copied > 0)


@contextmanager
def _logs_aside() -> Iterator[None]:
    """What the sidecar logs goes to the error output: the output is for what is left."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _told() -> Iterator[Callable[[tuple[Left, ...]], None]]:
    """A bar of the records that are in the log and sealed."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
        task = bar.add_task("shipping", total=None)

        def told(left: tuple[Left, ...]) -> None:
            total = sum(each.records for each in left)
            waiting = sum(max(each.unshipped, each.unsealed or 0, each.uncopied or 0) for each in left)
            if not left or any(each.unshipped for each in left):
                doing = "shipping"
            else:
                doing = "sealing" if any(each.unsealed for each in left) else "copying"
            bar.update(task, total=total or None, completed=total - waiting, description=doing)

        yield told


def _tell(left: tuple[Left, ...], count: int, *, as_json: bool, sealed: bool, copied: bool) -> None:
    """What is left, in words or as JSON, and the exit code: `whole` is true where that is 0, and nowhere else."""
    shipped = len(left) == count and all(not each.unshipped and each.alarm is None for each in left)
    unsealed = sum(each.unsealed or 0 for each in left)
    uncopied = sum(each.uncopied or 0 for each in left)
    late = (unsealed and sealed) or (uncopied and copied)
    code = WRONG if not shipped else UNAVAILABLE if late else 0
    if as_json:
        typer.echo(json_text({"whole": code == 0, "journals": [asdict(each) for each in left]}))
    else:
        for each in left:
            typer.echo(f"{each.journal}: {each.records:,} records, {_state(each)}")
    if shipped and unsealed:
        more = "ask again" if sealed else "the notary was not waited for"
        typer.echo(f"affiant: {unsealed:,} records are in the log, and not sealed yet; {more}", err=True)
    if shipped and uncopied and not (unsealed and sealed):
        typer.echo(
            f"affiant: the copy at Fluentd lacks {uncopied:,} records, which the log has; without this disk it never "
            "gets them" + ("; ask again, or go without by `--copied 0`" if copied else ""),
            err=True,
        )
    if code:
        raise typer.Exit(code)
    if not as_json:
        typer.echo(
            f"all of these journals is in the log, and {unsealed:,} records of it are not sealed"
            if unsealed
            else "nothing of these journals is on this disk alone"
        )


def _state(left: Left) -> str:
    if left.whole:
        state = "all away"
    else:
        state = printable(left.alarm) if left.alarm else f"{left.unshipped:,} unshipped"
        if left.unsealed:
            state += f", {left.unsealed:,} not sealed"
    return state + (f", {left.uncopied:,} not copied to Fluentd" if left.uncopied else "")
