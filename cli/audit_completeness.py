"""`affiant audit completeness`: answered = recorded = sealed, a minute at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from audit.errors import ConfigError, IndexUnusable, LogUnavailable, ObjectsUnavailable

from .audit_open import IndexOption, Look, looking
from .audit_search import times
from .errors import WRONG
from .options import ConfigOption
from .output import check_output
from .text import counted, printable

if TYPE_CHECKING:
    from audit.auditor.complete import Held, Minute

_SHOWN: Final = 10
"""Minutes that are told again while one follows."""
_POLL: Final = 0.25
_MINUTE: Final = 60.0
_NUMBERS: Final = ("recorded", "sealed", "answers", "shadows", "aborted", "counted")
_HEADS: Final = (
    "minute",
    "journal",
    "recorded",
    "sealed",
    "answers",
    "shadows",
    "aborted",
    "counted only",
    "MISSING",
)
_NOT_COMPARED: Final = "answers were not compared: no --gateway; a cut tail would not show"
_NAMED: Final = 32
"""Characters of a journal's id; an archive may name longer ones, and nobody's screen is theirs."""
_LINE: Final = "{:<16}  {:<12}  {:>9}  {:>9}  {:>9}  {:>8}  {:>8}  {:>12}  {:>8}"


def completeness(
    gateway: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A gateway's address, such as http://10.0.0.5:3000; once for each gateway.",
            show_default=False,
        ),
    ] = None,
    *,
    since: Annotated[
        datetime | None, typer.Option(help="Minutes from then on; UTC.", show_default=False)
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Minutes before; UTC.", show_default=False)] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds that what a gateway has recorded may take to be sealed.")
    ] = 30.0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Ask again each minute, until stopped.")
    ] = False,
    textfile: Annotated[
        Path | None,
        typer.Option(
            help="Write the result for Prometheus (node_exporter's textfile collector).", show_default=False
        ),
    ] = None,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")] = False,
) -> None:
    """Count, a minute at a time, what was answered, recorded and sealed. Exit code 1 when what was compared differs.

    Recorded is what the journals' sequence numbers say, which have no gap; sealed is what the trees and the archive
    hold. Counted only are exchanges without an entry of their own, which a journal's signed entries count.
    Where nothing is of the time that was asked for the exit code is 2.
    With --gateway the answers that its workers have counted since they were started are held against both: it is asked
    until each of them was heard, and when one is not, nothing is reported (exit code 3). Without it no answers are
    compared, and all that is known is what is sealed: a tail that was cut off does not show. That is said.

    Example: affiant audit completeness --gateway http://127.0.0.1:3000 --follow --textfile /var/lib/node/affiant.prom
    """
    from audit.auditor.complete import missing_of

    between = times(since, until)
    if textfile is not None:
        check_output(textfile, force=True)
    with looking(config, index) as look:
        wrong = False
        before: dict[str, Held] = {}
        while True:
            began = time.monotonic()
            try:
                rows, held = _counted(look, gateway or (), wait, between)
            except (LogUnavailable, ObjectsUnavailable, IndexUnusable) as error:
                if not follow:
                    raise
                # Who follows outlives a gateway's restart; `affiant_audit_looked_seconds` tells that nobody looked.
                typer.echo(printable(f"not looked this time: {error}"), err=True)
            else:
                wrong = any(each.unrecorded or each.behind for each in held) or any(
                    missing_of(rows, held).values()
                )
                if not (rows or held or follow):
                    raise ConfigError(_nothing(since, until))
                shown = _newest(rows) if follow else rows
                _tell(shown, held, before, _strangers(rows, held), as_json=as_json)
                if textfile is not None:
                    _export(textfile, rows, held, before)
                before = {each.now.journal: each for each in held}
            if not follow:
                break
            time.sleep(max(0.0, _MINUTE - (time.monotonic() - began)))
    if wrong:
        raise typer.Exit(WRONG)


def _nothing(since: datetime | None, until: datetime | None) -> str:
    """Why there is nothing to count: that is no success."""
    if since is None and until is None:
        return "nothing of a journal is sealed yet: there was nothing to count"
    return "--since, --until: no sealed entry of a journal is of that time: there was nothing to count"


def _counted(
    look: Look, gateways: Iterable[str], wait: float, between: tuple[datetime | None, datetime | None]
) -> tuple[list[Minute], list[Held]]:
    """What the gateways say, held against an index that has all that was recorded when they said it, or time is up.

    Between two looks other commands may have the index.
    """
    from audit.auditor.complete import hold, minutes
    from audit.auditor.gateways import workers_of

    answered = [one for url in gateways for one in workers_of(url)]
    since, until = between
    deadline = time.monotonic() + wait
    while True:
        with look() as records:
            held = [hold(records.index, one) for one in answered]
            if not any(each.behind for each in held) or time.monotonic() >= deadline:
                rows = [
                    row for row in minutes(records.index) if (since is None or row.minute >= since)
                    and (until is None or row.minute < until)
                ]  # fmt: skip
                return rows, held
        time.sleep(_POLL)


def _newest(rows: Sequence[Minute]) -> Sequence[Minute]:
    """Of all journals: one journal's minutes hide no other's."""
    newest = sorted({row.minute for row in rows})[-_SHOWN:]
    return [row for row in rows if row.minute in newest]


def _tell(
    rows: Sequence[Minute],
    held: Sequence[Held],
    before: Mapping[str, Held],
    strangers: Iterable[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        _tell_json(rows, held, before, strangers)
    else:
        _tell_people(rows, held, strangers)


def _tell_json(
    rows: Iterable[Minute], held: Sequence[Held], before: Mapping[str, Held], strangers: Iterable[str]
) -> None:
    from audit.auditor.complete import since_last

    for row in rows:
        told = {"type": "minute", **_row(row), "missing": row.missing, "answers_compared": bool(held)}
        typer.echo(json.dumps(told))
    for each in held:
        typer.echo(json.dumps({"type": "gateway", **_gateway(each), **since_last(each, before)}))
    for journal in strangers:
        typer.echo(json.dumps({"type": "stranger", "journal": journal}))


def _tell_people(rows: Sequence[Minute], held: Sequence[Held], strangers: Iterable[str]) -> None:
    if rows:
        typer.echo(_LINE.format(*_HEADS))
    for row in rows:
        told = _row(row)
        numbers = (*(told[name] for name in _NUMBERS), row.missing)
        typer.echo(_LINE.format(told["minute"][:16], _named(row.journal, 12), *numbers))
    for each in held:
        told = _gateway(each)
        typer.echo(
            f"journal {_named(each.now.journal, 12)}, epoch {each.now.epoch}: {told['answered']} answered; "
            f"{counted(told['answers'], 'answer')} recorded and sealed, {told['unrecorded']} not; "
            f"{counted(told['behind'], 'entry', 'entries')} behind"
        )
    for journal in strangers:
        typer.echo(
            f"journal {_named(journal)}: no gateway that was asked has it; is it a gateway's that was not asked?"
        )
    if rows and not held:
        typer.echo(_NOT_COMPARED)
    if not rows and held:
        typer.echo("no sealed entry of a journal is of that time")


def _named(journal: str, most: int = _NAMED) -> str:
    """A journal's id on a line, so much of it: the archive's word, which anybody may have written."""
    return printable(journal[:most] + ("" if len(journal) <= _NAMED else "…"))


def _strangers(rows: Sequence[Minute], held: Sequence[Held]) -> list[str]:
    """Journals of these minutes that no gateway that was asked has, when one was: anybody may invent a journal."""
    return sorted({row.journal for row in rows} - {each.now.journal for each in held}) if held else []


def _row(row: Minute) -> dict[str, Any]:
    return {
        "minute": row.minute.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
        "journal": row.journal,
        "recorded": row.recorded,
        "sealed": row.sealed,
        "answers": row.answers,
        "shadows": row.shadows,
        "aborted": row.aborted,
        "counted": row.counted,
    }


def _gateway(each: Held) -> dict[str, Any]:
    return {
        "journal": each.now.journal,
        "epoch": each.now.epoch,
        "answered": each.now.answers,
        "answers": each.answers,
        "recorded": each.now.sequence,
        "sealed": each.sealed,
        "unrecorded": each.unrecorded,
        "behind": each.behind,
    }


def _export(path: Path, rows: Sequence[Minute], held: Sequence[Held], before: Mapping[str, Held]) -> None:
    """What Prometheus gets of it."""
    from prometheus_client import write_to_textfile

    from audit.auditor.complete_metrics import registry_of

    registry = registry_of(rows, held, before)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigError(f"--textfile: cannot write {path}: {error.strerror}") from error
