"""What a replay has found, on a screen or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .text import printable

if TYPE_CHECKING:
    from audit.replay import Comparison, Judged, Summary
    from audit.replay.intake import Intake

SHOWN: Final = 20
"""Records, and reasons, that are told one by one; the file has all of them."""
DIGITS: Final = 19
"""Of a digest, as it is shown: `sha256:` and twelve."""
_COLOUR: Final = {"identical": "green", "within tolerance": "yellow", "different": "bold red"}


def line(judged: Judged) -> str:
    """One record."""
    by = f" by up to {judged.difference:.3g}" if judged.differences else ""
    return printable(
        f"{judged.verdict.upper()}  {judged.record_id}  {judged.service}{by}  {judged.reason or ''}".rstrip()
    )


def tell(summary: Summary, intake: Intake, seconds: float, out: Path | None, as_json: bool) -> None:
    """A replay."""
    if as_json:
        content = {
            **summary.as_json(),
            **_passed(intake),
            "seconds": round(seconds, 3),
            "file": str(out) if out else None,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    screen = Console()
    if summary.records:
        screen.print(_table(summary))
    for (verdict, reason), count in summary.reasons.most_common(SHOWN):
        screen.print(f"{count:,} {verdict}: {escape(printable(reason))}", soft_wrap=True, highlight=False)
    if (worst := summary.worst) is not None:
        screen.print(
            f"largest difference: {worst.difference:.3g} in {worst.record_id} (bound {worst.bound:.3g})",
            soft_wrap=True,
        )
    _tell_passed(screen, intake)
    if summary.records:
        answers = "answer" if summary.records == 1 else "answers"
        if summary.replayed < summary.records:
            screen.print(f"{summary.replayed:,} of {summary.records:,} replayed")
        screen.print(f"{summary.records:,} {answers} in {seconds:.1f} s, the loading of models included")
    else:
        screen.print("the log has no answer yet: there was nothing to replay")
    _tell_file(out)


def _passed(intake: Intake) -> dict[str, object]:
    """For scripts."""
    return {
        "duplicates": intake.duplicates,
        "unreadable": intake.unreadable,
        "out_of_order": intake.disordered,
        "first_out_of_order": [each._asdict() for each in intake.first],
    }


def _tell_passed(screen: Console, intake: Intake) -> None:
    for count, one, more in (
        (intake.duplicates, "benign duplicate", "benign duplicates"),
        (intake.unreadable, "value that is no record", "values that are no records"),
    ):
        if count:
            screen.print(f"passed over: {count:,} {one if count == 1 else more}")
    if intake.disordered:
        at = intake.first[0]
        screen.print(
            f"OUT OF ORDER: {intake.disordered:,} of the records, the first at partition {at.partition}, offset "
            f"{at.offset}: their journal was further on already, or has another record of that sequence; "
            "`affiant audit verify` says what is wrong",
            soft_wrap=True,
            highlight=False,
        )


def _table(summary: Summary) -> Table:
    """Verdicts by service and model; on 80 columns it is whole."""
    from audit.replay import Verdict

    table = Table(
        title="Replayed", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    table.add_column("service", overflow="fold")
    table.add_column("model", no_wrap=True, min_width=DIGITS)  # a digest is there to be copied
    for verdict in Verdict:
        table.add_column(verdict, min_width=max(map(len, verdict.split())))
    for service, digest in sorted({(service, digest) for service, digest, _ in summary.digests}):
        counts = [summary.digests[service, digest, verdict] for verdict in Verdict]
        cells = [
            f"[{_COLOUR.get(verdict, 'none')}]{count:,}[/]" if count else "[dim]0[/]"
            for verdict, count in zip(Verdict, counts, strict=True)
        ]
        table.add_row(escape(printable(service)), digest[:DIGITS], *cells)
    return table


def tell_comparison(
    comparison: Comparison, intake: Intake, other: bytes, out: Path | None, as_json: bool
) -> None:
    """What another model says."""
    content = {**comparison.as_json(), **_passed(intake)}
    if as_json:
        typer.echo(
            json.dumps({"against": f"sha256:{other.hex()}", **content, "file": str(out) if out else None})
        )
        return
    screen = Console()
    screen.print(
        f"sha256:{other.hex()} answered {comparison.records:,} recorded "
        f"{'request' if comparison.records == 1 else 'requests'}, {comparison.rows:,} "
        f"{'row' if comparison.rows == 1 else 'rows'}; in {comparison.changed:,} of them it says something else",
        soft_wrap=True,
    )
    screen.print(
        f"difference of a request: {comparison.mean:.3g} on average, {comparison.largest:.3g} at most"
    )
    if comparison.decided:
        flips = comparison.flips.total()
        decisions = "decision" if comparison.decided == 1 else "decisions"
        screen.print(f"{flips:,} of {comparison.decided:,} {decisions} would have been another one")
        if comparison.undecided:
            screen.print(f"that is of {comparison.decided:,} of {comparison.rows:,} rows")
        for (then, would), count in comparison.flips.most_common():
            screen.print(f"  {count:,} from {escape(printable(then))} to {escape(printable(would))}")
    for reason, count in comparison.undecided.most_common(SHOWN):
        rows = "row" if comparison.rows == 1 else "rows"
        screen.print(
            f"{count:,} of {comparison.rows:,} {rows} without a decision: {escape(printable(reason))}",
            soft_wrap=True,
        )
    for reason, count in comparison.reasons.most_common(SHOWN):
        screen.print(f"{count:,} not compared: {escape(printable(reason))}", soft_wrap=True)
    _tell_passed(screen, intake)
    _tell_file(out)


def _tell_file(out: Path | None) -> None:
    if out is not None:
        typer.echo(f"differences: {out}")
