"""`affiant log`: read and verify the log, whichever backend it has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.config import Config, load
from audit.log import Log, LogEntry, LogReader, configured_log
from audit.payload_keys import configured_keys
from audit.proof.entry import Entry, Key, Kind
from audit.proof.errors import FormatError
from audit.proof.exchange import fields_of
from audit.proof.record import parse_record
from audit.ship.external import configured_store
from audit.show import describe, find, walk

from .errors import WRONG
from .options import ConfigOption
from .record_ids import RecordArgument
from .text import counted, json_for_people, json_text, printable
from .verify import verify

app = typer.Typer(no_args_is_help=True, help="Read and verify the log.\n\nExample: affiant log tail --follow")
app.command()(verify)
_POLL = 0.5
_SAID = {
    True: "[green]holds[/]",
    False: "[bold red]DOES NOT HOLD[/]",
    None: "[dim]cannot be told from here[/]",
}

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")]


@contextmanager
def opened(path: Any) -> Iterator[tuple[Config, Log, LogReader]]:
    """The log of the settings, with a reader that is closed at the end."""
    config = load(path)
    log = configured_log(config, create=False)
    reader = log.reader()
    try:
        yield config, log, reader
    finally:
        reader.close()


@app.command()
def tail(
    config: ConfigOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the newest.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as entries come.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the newest entries, a line each.

    Example: affiant log tail --follow
    """
    with opened(config) as (_, log, reader):
        ends = {}
        for partition in range(log.topic().partitions):
            first, end = reader.bounds(partition)
            for entry in walk(reader, partition, max(first, end - lines), end):
                _line(partition, entry, as_json)
            ends[partition] = end
        while follow:
            for partition, offset in ends.items():
                _, end = reader.bounds(partition)
                for entry in walk(reader, partition, offset, end):
                    _line(partition, entry, as_json)
                ends[partition] = end
            time.sleep(_POLL)


@app.command()
def show(
    record: RecordArgument,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Print one exchange: request and answer, model, caller, times, and whether its hashes hold.

    Exit code 1 when the log does not hold it, or when something about it does not hold.

    Example: affiant log show 9f86d081884c7d659a2feaa0c55ad015-42
    """
    with opened(config) as (loaded, log, reader):
        external = configured_store(loaded)
        keys = configured_keys(loaded)
        exchange = find(reader, log.topic().partitions, record, external.get, keys)
    described = describe(exchange)
    if as_json:
        typer.echo(json_text(described))
    else:
        print_exchange(described)
    if False in exchange.holds.values():
        raise typer.Exit(WRONG)


@app.command()
def stats(
    config: ConfigOption = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Count the log's entries by kind, and the bytes of each partition.

    Example: affiant log stats --json
    """
    with opened(config) as (_, log, reader):
        topic = log.topic()
        counted = [_count(reader, partition) for partition in range(topic.partitions)]
    if as_json:
        typer.echo(json.dumps({"topic": topic.name, "id": topic.id.hex(), "partitions": counted}, indent=2))
        return
    table = Table(
        "partition", "offsets", "bytes", "journals", "kinds", title=f"{topic.name} ({topic.backend})"
    )
    for part in counted:
        kinds = ", ".join(f"{name} {number}" for name, number in sorted(part["kinds"].items()))
        table.add_row(
            str(part["partition"]),
            f"{part['first']} … {part['end'] - 1}" if part["end"] > part["first"] else "none",
            str(part["bytes"]),
            str(part["journals"]),
            kinds,
        )
    Console().print(table)


def _count(reader: LogReader, partition: int) -> dict[str, Any]:
    first, end = reader.bounds(partition)
    kinds: dict[str, int] = {}
    journals = set()
    size = 0
    for entry in walk(reader, partition, first, end):
        size += len(entry.value or b"")
        parsed = _entry(entry.value or b"")
        name = "unreadable" if parsed is None else _kind(parsed)
        kinds[name] = kinds.get(name, 0) + 1
        if parsed is not None and Key.JOURNAL in parsed.fields:
            journals.add(parsed.fields[Key.JOURNAL])
    return {
        "partition": partition, "first": first, "end": end, "bytes": size, "journals": len(journals),
        "kinds": kinds,
    }  # fmt: skip


def _entry(value: bytes) -> Entry | None:
    try:
        return parse_record(value).entry
    except FormatError:
        return None


def _kind(entry: Entry) -> str:
    return Kind(entry.kind).name.lower() if entry.kind in list(Kind) else f"kind {entry.kind}"


def _line(partition: int, entry: LogEntry, as_json: bool) -> None:
    parsed = _entry(entry.value or b"")
    fields = {} if parsed is None else fields_of(parsed)
    if as_json:
        place = {"partition": partition, "offset": entry.offset, "logged_ms": entry.timestamp}
        typer.echo(json.dumps({**place, "entry": fields or None}))
        return
    name = "UNREADABLE" if parsed is None else _kind(parsed)
    details = [
        printable(str(fields[key])[:19] if key == "digest" else f"{fields[key]}")
        for key in ("service", "status", "digest", "slot", "target", "reason")
        if key in fields
    ]
    record = parsed.record_id if parsed is not None and Key.JOURNAL in parsed.fields else ""
    typer.echo(
        f"{_time(entry.timestamp)}  {partition}/{entry.offset:<8} {name:<12} {record}  {' '.join(details)}"
    )


def print_exchange(described: dict[str, Any]) -> None:
    """A described exchange, for people."""
    screen = Console(soft_wrap=True)
    entry = described["entry"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    rows = {
        "record": described["record"],
        "kind": entry["kind"],
        "place": f"partition {described['partition']}, offset {described['offset']}",
        "service": entry.get("service"),
        "model": entry.get("digest"),
        "slot": entry.get("slot"),
        "status": entry.get("status"),
        "caller": entry.get("caller"),
        "subject": entry.get("subject"),
        "request id": entry.get("request_id"),
        "target": entry.get("target"),
        "arrived": _time(entry["arrived"] // 1_000_000) if "arrived" in entry else None,
        "committing": _time(entry["committing"] // 1_000_000),
        "batch": _batch(*entry["batch"]) if "batch" in entry else None,
        "reason": entry.get("reason"),
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(printable(str(value))))
    for what, holds in described["holds"].items():
        table.add_row(_SAID[holds], escape(printable(what)))
    screen.print(table)
    for part in ("request", "answer"):
        if part in described and any(described[part].values()):  # a label has no answer
            screen.print(f"\n[bold]{part}[/]  {escape(printable(str(described[part].get('content_type'))))}")
            screen.print(json_for_people(described[part]["body"]))
    if "payload" in described:
        screen.print(f"\n[bold]payload[/]  {escape(printable(described['payload']))}")


def _batch(name: int, rows: int, first: int) -> str:
    return f"id {name}, {counted(rows, 'row')}, from row {first}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
