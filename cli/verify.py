"""`affiant log verify`: every record of the log, against what its journals swore."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from audit.check import Checked, check_log
from audit.config import Config, load
from audit.errors import ConfigError
from audit.log import open_log
from audit.settings import LogSettings
from audit.ship.external import configured_store

from .errors import WRONG
from .options import ConfigOption
from .text import counted, printable

if TYPE_CHECKING:
    from audit.log import Log

_ERRORS = Console(stderr=True)
_ABSENT = "erased, or removed: `affiant erase show` tells of erasures"


def verify(
    directory: Annotated[
        Path | None,
        typer.Option(help="A local log, such as a copy, in place of the settings' one.", show_default=False),
    ] = None,
    payloads: Annotated[
        bool,
        typer.Option(
            "--payloads/--no-payloads", help="Fetch the payloads that are in the object store, too."
        ),
    ] = True,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Check every record: payload digests, chains, epochs and signatures. Exit code 1 when something is
    wrong.

    Each finding says partition, offset, journal and sequence. What was cut off after a journal's last signed
    entry cannot be seen from the log alone.

    Example: affiant log verify --directory copy-of-the-log
    """
    loaded = load(config)
    log = _open(directory, loaded)
    external = configured_store(loaded).get if payloads else None
    reader = log.reader()
    try:
        partitions = log.topic().partitions
        bounds = [reader.bounds(partition) for partition in range(partitions)]
        columns = (SpinnerColumn(), TextColumn("verifying"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
            task = bar.add_task("verifying", total=sum(end - first for first, end in bounds))
            checked = check_log(
                reader, partitions, external=external, progress=lambda count: bar.advance(task, count)
            )
    finally:
        reader.close()
    _tell(checked, as_json)
    if checked.flaws:
        raise typer.Exit(WRONG)


def _open(directory: Path | None, config: Config) -> Log:
    settings = config.section("log", LogSettings)
    if directory is not None:
        if not (directory / "topic.json").is_file():
            raise ConfigError(f"{directory} is not a local log: it has no topic.json")
        settings = settings.model_copy(update={"backend": "local", "directory": directory.absolute()})
    return open_log(settings, config, create=False)


def _tell(checked: Checked, as_json: bool) -> None:
    if as_json:
        content = {**asdict(checked), "flaws": [flaw._asdict() for flaw in checked.flaws]}
        typer.echo(json.dumps(content, indent=2))
        return
    for flaw in checked.flaws:
        typer.echo(printable(f"WRONG  {flaw}"))
    typer.echo(
        f"{counted(checked.records, 'record')} of {counted(len(checked.journals), 'journal')}: "
        f"{counted(checked.exchanges, 'exchange')}, "
        f"{counted(checked.payloads, 'payload whose digest holds', 'payloads whose digest holds')}, "
        f"{counted(checked.signatures, 'signature')}"
    )
    for count, one, more in (
        (
            checked.external,
            "of these payloads is in the object store",
            "of these payloads are in the object store",
        ),
        (
            checked.absent,
            f"payload is not in the object store any more ({_ABSENT})",
            f"payloads are not in the object store any more ({_ABSENT})",
        ),
        (
            checked.without_payload - checked.absent,
            f"payload is not in the log (in the object store and not looked at; or {_ABSENT})",
            f"payloads are not in the log (in the object store and not looked at; or {_ABSENT})",
        ),
        (checked.duplicates, "benign duplicate", "benign duplicates"),
        (
            checked.unchecked_signatures,
            "signature whose journal's opening is not in the log any more",
            "signatures whose journal's opening is not in the log any more",
        ),
        (
            checked.unknown_kinds,
            "entry of a kind that this version does not know",
            "entries of a kind that this version does not know",
        ),
    ):
        if count:
            typer.echo(f"  {counted(count, one, more)}")
    wrong = len(checked.flaws)
    if not checked.records and not wrong:
        typer.echo("the log is empty: there was nothing to check")
        return
    typer.echo("nothing is wrong" if not wrong else f"{counted(wrong, 'thing is', 'things are')} wrong")
