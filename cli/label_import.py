"""`affiant label import`: the rows of a file, each an entry of the log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from audit.config import Config, load, suggest
from audit.errors import ConfigError
from audit.label_import import NAME, write_labels
from audit.labels import NoLabel
from audit.settings import JournalSettings

from .errors import WRONG
from .label_source import LabelFile, label_of
from .options import ConfigOption
from .text import counted, printable

_ERRORS = Console(stderr=True)
_SHOWN: Final = 20
"""Rows that are no labels, told one by one."""


def import_(
    file: Annotated[
        Path, typer.Argument(help=".csv or .parquet: label, record or request_id, perhaps time, row.")
    ],
    service: Annotated[str, typer.Option(help="The service whose predictions these are.")],
    config: ConfigOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what came of predictions, a row a label, from a file.

    Columns: `label`; `record` (Affiant-Record of the answer) or `request_id` (the client's own id); `time`, when it
    was known, RFC 3339, else now counts; `row` of the request, from 0. Others are passed over. Either the whole file
    is right or nothing of it is taken. The labels are durable in the data directory when this ends, and its sidecar
    ships them. Repeating an import is harmless: a label that is said twice counts once.

    Exit codes: 0 all are taken; 1 rows that are no labels, nothing is taken; 2 no such file, or not its columns;
    3 another import is at work, or the journal is full.

    Example: affiant label import outcomes.csv --service credit
    """
    loaded = load(config)
    _check_service(loaded, service)
    table, now = LabelFile(file), time.time_ns()
    digest = table.digest()
    total, wrong = _look(table, now)
    if wrong or check:
        _tell_checked(file, total, wrong, as_json=as_json)
        if wrong:
            raise typer.Exit(WRONG)
        return
    with _bar("importing", total) as progress:
        written = asyncio.run(
            write_labels(
                loaded.data,
                loaded.section("journal", JournalSettings),
                (label_of(row, now) for row in table.rows()),
                service,
                source=digest,
                progress=progress,
            )
        )
    if as_json:
        typer.echo(json.dumps({"file": str(file), "source": digest, "service": service, **asdict(written)}))
        return
    typer.echo(
        f"{counted(written.labels, 'label')} of {printable(service)} in journal {written.journal} "
        f"({loaded.data / 'journals' / NAME})"
    )
    if written.first is not None:
        typer.echo(f"  {written.first} to {written.last}; the sidecar of this data directory ships them")


def _check_service(config: Config, service: str) -> None:
    """A label of a service that was mistyped would stay in the log, and fit nothing."""
    from registry.settings import GovernanceSettings
    from service.settings import ServiceName, read_plan

    try:
        TypeAdapter(ServiceName).validate_python(service)
    except ValidationError as error:
        raise ConfigError(f"--service: {service!r} is no name of a service") from error
    known = tuple({entry.service for entry in read_plan(config)})
    if config.section("governance", GovernanceSettings).root is None and known and service not in known:
        raise ConfigError(f"--service: [[plan]] has no service {service!r}{suggest(service, known)}")


def _look(table: LabelFile, now: int) -> tuple[int, list[dict[str, str]]]:
    """How many rows, and which of the first ones are no labels."""
    wrong: list[dict[str, str]] = []
    total = 0
    with _bar("reading", None) as progress:
        for row in table.rows():
            total += 1
            progress(1)
            try:
                label_of(row, now)
            except NoLabel as error:
                wrong.append({"place": row.place, "column": error.member, "why": str(error)})
                if len(wrong) >= _SHOWN:
                    break
    return total, wrong


def _tell_checked(file: Path, total: int, wrong: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(file), "rows": total, "wrong": wrong}))
        return
    for one in wrong:
        typer.echo(printable(f"WRONG  {file.name}, {one['place']}: {one['why']}"))
    if not wrong:
        typer.echo(f"{counted(total, 'row')}, each a label")
    elif len(wrong) == _SHOWN:
        typer.echo("perhaps more; nothing was taken")
    else:
        typer.echo(f"{counted(len(wrong), 'row is', 'rows are')} no labels; nothing was taken")


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Any]:
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
