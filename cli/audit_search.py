"""`affiant audit search`: records by what they say, each proved as it is listed; or by SQL, which proves nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.errors import ConfigError

from .audit_open import IndexOption, opened
from .errors import WRONG
from .options import ConfigOption
from .text import printable

_TIMES: Final = ("arrived", "committing", "logged")
_LIMIT: Final = 50
_NONE: Final = "the index knows none that fits; what the archive hides only `affiant audit verify` finds"
_DETAILS: Final = ("service", "slot", "status", "digest", "caller", "request_id", "reason")


def search(
    *,
    since: Annotated[
        datetime | None, typer.Option(help="Arrived then or later; UTC.", show_default=False)
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Arrived before; UTC.", show_default=False)] = None,
    service: Annotated[str | None, typer.Option(help="Name of the service.", show_default=False)] = None,
    digest: Annotated[
        str | None, typer.Option(help="Package digest, or its first digits.", show_default=False)
    ] = None,
    caller: Annotated[
        str | None, typer.Option(help="Caller's pseudonym, 32 hex digits.", show_default=False)
    ] = None,
    request_id: Annotated[str | None, typer.Option(help="The client's own id.", show_default=False)] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="Subject's pseudonym, 32 hex digits (`affiant subjects pseudonym`).", show_default=False
        ),
    ] = None,
    status: Annotated[int | None, typer.Option(help="HTTP status, 100 to 599.", show_default=False)] = None,
    slot: Annotated[str | None, typer.Option(help="live, canary or shadow.", show_default=False)] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of entry (inference, aborted, opening, heartbeat, …), more than once if need be; `any` for all. "
            "Inference and aborted when not said.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Newest records, at most.")] = _LIMIT,
    sql: Annotated[
        str | None,
        typer.Option(
            help="In place of filters: one SELECT over entries, payloads and checkpoints (DuckDB's SQL).",
            show_default=False,
        ),
    ] = None,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")] = False,
) -> None:
    """Look for records. Each one that is listed is proved to be in the sealed log, as it is listed.

    What is not listed may be there all the same: what an edited archive hides only `affiant audit verify` finds.
    With --sql the answer is the index's and the archive's word, and proves nothing; times there are UTC.
    Exit code 1 when the archive says something else than the sealed log.

    Example: affiant audit search --service credit --status 422 --since 2026-01-01
    """
    from audit.auditor.query import Search

    if sql is not None:
        filters = (since, until, service, digest, caller, request_id, subject, status, slot, kind)
        if any(each is not None for each in filters) or limit != _LIMIT:
            raise ConfigError("--sql goes without filters: say them in its WHERE and LIMIT")
        _sql(sql, index, config, as_json)
        return
    start, end = times(since, until)
    kinds = ("inference", "aborted") if not kind else () if "any" in kind else tuple(kind)
    wanted = Search(start, end, service, digest, caller, request_id, subject, status, slot, kinds, limit)
    with opened(config, index) as records:
        rows = records.index.search(wanted)
        wrong = records.check(rows)
        advice = records.index.advice
    _tell(rows, wrong, limit, as_json)
    if any(wrong):
        typer.echo(printable(advice), err=True)
        raise typer.Exit(WRONG)


def _tell(rows: Sequence[dict[str, Any]], wrong: Sequence[str | None], limit: int, as_json: bool) -> None:
    for row, reason in zip(rows, wrong, strict=True):
        row["proved"] = reason is None
    if as_json:
        for row in rows:
            typer.echo(_json_line(row))
    else:
        for row in rows:
            typer.echo(_line(row))
    for row, reason in zip(rows, wrong, strict=True):
        if reason is not None:
            typer.echo(
                f"WRONG  partition {row['partition']}, offset {row['offset']}: {printable(reason)}", err=True
            )
    if not rows:
        typer.echo(_NONE, err=True)
    elif len(rows) == limit:
        typer.echo(f"the newest {limit} are listed, and there may be more: --limit", err=True)


def _sql(text: str, index: Path | None, config: Path | None, as_json: bool) -> None:
    from audit.archive.dataset import payloads_dataset

    with opened(config, index) as records:
        names, rows = records.index.sql(text, payloads_dataset(records.archive))
        if as_json:
            for row in rows:
                typer.echo(_json_line(dict(zip(names, row, strict=True))))
        else:
            _print_rows(names, rows)


def _line(row: Mapping[str, Any]) -> str:
    """As `affiant log tail` has them."""
    when = next((row[name] for name in _TIMES if row[name] is not None), None)
    details = (_text(row[name]) for name in _DETAILS if row[name] is not None)
    name = row["record"] or f"{row['partition']}/{row['offset']}"
    time = "" if when is None else when.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    # Whole: the archive may be a stranger's, and it says the kind and the record too.
    return printable(f"{time:<29}  {row['kind']:<10} {name}  {' '.join(details)}")


def _print_rows(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table()
    for name in names:
        table.add_column(escape(printable(name)), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else escape(printable(_text(value))) for value in row))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[:19]
    return str(_json(value)) if isinstance(value, bytes | datetime | date) else str(value)


def _json_line(row: Mapping[str, Any]) -> str:
    """One object. JSON has neither NaN nor Infinity: they are told as texts, also inside of lists and structs."""
    return json.dumps(_finite(row), default=_json, allow_nan=False)


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping():
            # DuckDB's maps may have keys that JSON has not.
            return {
                key if isinstance(key, str) else str(_finite(key)): _finite(each)
                for key, each in value.items()
            }
        case list() | tuple():
            return [_finite(each) for each in value]
    return value


def _json(value: Any) -> str:
    """What JSON has no form for."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def times(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """As the index has times: UTC, without saying so.

    Raises:
        ConfigError: there is no time between them.
    """
    start, end = (
        value.astimezone(UTC).replace(tzinfo=None) if value is not None and value.tzinfo else value
        for value in (since, until)
    )
    if start is not None and end is not None and start >= end:
        raise ConfigError(f"--since {since} is not before --until {until}: no time lies between them")
    return start, end
