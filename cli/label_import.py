"""`affiant label import`: the rows of a file, each an entry of the log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
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
from audit.journal.settings import journal_settings
from audit.label_import import NAME, Written, write_labels
from audit.label_topic import LabelTopic
from audit.labels import NoLabel, Told
from audit.log import open_log
from audit.payload_keys import configured_keyring
from audit.settings import LogSettings

from .errors import WRONG
from .label_source import LabelFile, label_of
from .options import ConfigOption
from .text import counted, printable

_ERRORS = Console(stderr=True)
_SHOWN: Final = 20
"""Rows that are no labels, told one by one."""


def import_(
    service: Annotated[str, typer.Option(help="The service whose predictions these are.")],
    file: Annotated[
        Path | None,
        typer.Argument(help=".csv or .parquet: label, record or request_id, perhaps time, row."),
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            help="In place of a file: a topic of [log]'s brokers, from where the last import ended."
        ),
    ] = None,
    config: ConfigOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what came of predictions, a row a label, from a file; or a message a label, from a Kafka topic.

    Columns: `label`; `record` (Affiant-Record of the answer) or `request_id` (the client's own id); `time`, when it
    was known, RFC 3339, else now counts; `row` of the request, from 0. Others are passed over. Either the whole file
    is right or nothing of it is taken. The labels are durable in the data directory when this ends, and its sidecar
    ships them. Repeating an import is harmless: a label that is said twice counts once.

    Messages of a topic are JSON: one such object, or a list. What is no label there is told and passed over, and the
    next import goes on behind it.

    Exit codes: 0 all are taken; 1 rows that are no labels, nothing is taken, or messages that are none, the others are
    taken; 2 no such file, or not its columns; 3 another import is at work, the journal is full, or Kafka is away.

    Example: affiant label import outcomes.csv --service credit
    """
    loaded = load(config)
    _check_service(loaded, service)
    if (file is None) == (kafka is None) or (check and file is None):
        raise ConfigError("give either a file, which --check may look at, or --kafka TOPIC")
    if file is None:
        assert kafka is not None
        _topic(loaded, kafka, service, as_json=as_json)
        return
    table, now = LabelFile(file), time.time_ns()
    digest = table.digest()
    total, wrong = _look(table, now)
    if wrong or check:
        _tell_checked(file, total, wrong, as_json=as_json)
        if wrong:
            raise typer.Exit(WRONG)
        return
    with _bar("importing", total) as progress:
        written = _write(loaded, (label_of(row, now) for row in table.rows()), service, digest, progress)
    if as_json:
        typer.echo(json.dumps({"file": str(file), "source": digest, "service": service, **asdict(written)}))
    else:
        _tell_written(loaded, service, written)


def _topic(config: Config, name: str, service: str, *, as_json: bool) -> None:
    """Labels out of a topic."""
    settings = config.section("log", LogSettings)
    if settings.backend != "kafka":
        raise ConfigError("--kafka: [log] backend is local, so no brokers are known")
    log = open_log(_named(settings, name), config, create=False)
    topic = LabelTopic(log, name, config.data, time.time_ns())
    with _bar("importing", None) as progress:
        written = _write(config, topic.said(), service, f"kafka:{name}", progress)
    topic.keep()
    if as_json:
        told = {"topic": name, "service": service, **asdict(written)}
        typer.echo(json.dumps({**told, "passed_over": topic.passed_over, "wrong": topic.wrong}))
    else:
        for one in topic.wrong:
            place = f"partition {one['partition']}, offset {one['offset']}"
            typer.echo(printable(f"WRONG  {name}, {place}: {one['why']}"))
        if topic.passed_over:
            typer.echo(
                f"{counted(topic.passed_over, 'message is', 'messages are')} no labels, and passed over"
            )
        _tell_written(config, service, written)
    if topic.passed_over:
        raise typer.Exit(WRONG)


def _named(settings: LogSettings, name: str) -> LogSettings:
    try:
        return LogSettings.model_validate({**settings.model_dump(), "topic": name})
    except ValidationError as error:
        raise ConfigError(f"--kafka: {name!r} is no name of a topic") from error


def _write(
    config: Config, said: Iterable[Told], service: str, source: str, progress: Callable[[int], None]
) -> Written:
    settings = journal_settings(config)
    keyring = configured_keyring(config)
    key = None if keyring is None else keyring.newest
    return asyncio.run(
        write_labels(config.data, settings, said, service, source=source, key=key, progress=progress)
    )


def _tell_written(config: Config, service: str, written: Written) -> None:
    typer.echo(
        f"{counted(written.labels, 'label')} of {printable(service)} in journal {written.journal} "
        f"({config.data / 'journals' / NAME})"
    )
    if written.first is not None:
        which = written.first if written.labels == 1 else f"{written.first} to {written.last}"
        typer.echo(f"  {which}; the sidecar of this data directory ships what is there")


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
