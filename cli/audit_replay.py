"""`affiant audit replay`: logged requests answered again, each with a verdict; or by another model."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table

from audit.errors import ConfigError

from .audit_replay_source import opened, parts_of
from .errors import WRONG
from .options import ConfigOption

if TYPE_CHECKING:
    from audit.replay import Compared, Comparison, Judged, Part, Predictor, Source, Summary
    from audit.replay.intake import Intake
    from audit.replay.parquet import DifferenceFile

_ERRORS: Final = Console(stderr=True)
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_SHOWN: Final = 20
"""Records that are told one by one; the file has all of them."""
_COLOUR: Final = {"identical": "green", "within tolerance": "yellow", "different": "bold red"}


def replay(
    records: Annotated[
        str | None,
        typer.Argument(
            metavar="[RANGE]",
            help="A record id, or PARTITION:FIRST-LAST (offsets, the last one included); all, when not given.",
            show_default=False,
        ),
    ] = None,
    *,
    since: Annotated[str | None, typer.Option(help="From then on; ISO 8601, in UTC unless it says.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then. Times are those of the log.")] = None,
    model: Annotated[str | None, typer.Option(metavar="DIGEST", help="This model's answers only.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="What would this model have answered?")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write every difference into this Parquet file.")] = None,
    archive: Annotated[
        bool, typer.Option("--archive", help="Read the archive alone: there is no log, or no way to it.")
    ] = False,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="An absolute bound in place of each package's own.")
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Answer logged requests again, by the same models, and compare bit for bit.

    The verdicts: identical; within tolerance (the package's own bound, measured on its golden rows here);
    different, with the reason as far as it is known; not replayable (refused, aborted, or erased).
    Exit code 1 when an answer is different. With --against nothing is: it says what another model would say.

    Example: affiant audit replay 0:0-9999 --out differences.parquet
    """
    only, other = _digest(model, "--model"), _digest(against, "--against")
    if other is not None and tolerance is not None:
        raise ConfigError("--tolerance is a replay's; --against has no bound")
    from audit.replay import Unanswerable

    bounds = _time(since, "--since"), _time(until, "--until")
    with _prepared(config, records, bounds, archive_only=archive) as task, _file(out) as file:
        if other is not None:
            try:
                comparison = _compare(task, other, only, file)
            except Unanswerable as error:
                raise ConfigError(f"--against: {error}") from error
            _tell_comparison(comparison, other, out, as_json)
            return
        summary, intake = _replay(task, only, tolerance, file, quiet=as_json)
    _tell(summary, intake, task.seconds, out, as_json)
    if summary.wrong:
        raise typer.Exit(WRONG)


@dataclass(slots=True)
class _Task:
    """What is replayed, with what."""

    source: Source
    parts: list[Part]
    bounds: tuple[int | None, int | None]
    predictor: Predictor
    seconds: float = 0.0

    def records(self) -> Any:
        """In log order, partition after partition."""
        return self.source.records(self.parts, *self.bounds)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int], None]]:
        """A bar, on a terminal, and the time that it took."""
        total = sum(part.end - part.first for part in map(self.source.around, self.parts))
        columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), Remaining())
        start = time.perf_counter()
        with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
            task = bar.add_task(what, total=total)
            try:
                yield lambda count: bar.advance(task, count)
            except ModuleNotFoundError as error:
                raise ConfigError(
                    f"a replay asks the models themselves, and {error.name} is not installed: install "
                    "affiant[auditor,gateway-cpu]"
                ) from error
        self.seconds = time.perf_counter() - start


@contextmanager
def _prepared(
    path: Path | None, records: str | None, bounds: tuple[int | None, int | None], *, archive_only: bool
) -> Iterator[_Task]:
    from service.replaying import GatewayPredictor

    with opened(path, archive_only=archive_only) as (config, source, partitions):
        predictor = GatewayPredictor.configured(config)
        yield _Task(source, parts_of(records, source, partitions), bounds, predictor)


def _replay(
    task: _Task, only: bytes | None, tolerance: float | None, file: DifferenceFile | None, *, quiet: bool
) -> tuple[Summary, Intake]:
    from audit.replay import Summary, Verdict, replay

    summary = Summary()
    passed: list[Intake] = []
    alone = sum(part.end - part.first for part in task.parts) == 1
    with task.progress("replaying") as progress:
        for judged in replay(
            task.records(),
            task.predictor,
            opening=task.source.opening,
            only=only,
            tolerance=tolerance,
            progress=progress,
            tell=passed.append,
        ):
            summary.add(judged)
            differs = judged.verdict in (Verdict.DIFFERENT, Verdict.WITHIN)
            if file is not None and differs:
                file.add(
                    judged.record_id,
                    judged.service,
                    judged.digest,
                    judged.differences,
                    place=(judged.partition, judged.offset),
                    verdict=judged.verdict,
                    reason=judged.reason,
                )
            told = alone or (judged.verdict is Verdict.DIFFERENT and summary.counts[judged.verdict] <= _SHOWN)
            if told and not quiet:
                typer.echo(_line(judged))
    return summary, passed[0]


def _compare(task: _Task, other: bytes, only: bytes | None, file: DifferenceFile | None) -> Comparison:
    from audit.replay import Comparison, against

    comparison = Comparison()
    with task.progress("asking the other model") as progress:
        found: Iterator[Compared] = against(
            task.records(),
            task.predictor,
            other,
            opening=task.source.opening,
            only=only,
            progress=progress,
        )
        for compared in found:
            comparison.add(compared)
            if file is not None and compared.differences:
                file.add(compared.record_id, compared.service, compared.digest, compared.differences)
    return comparison


def _file(out: Path | None) -> Any:
    if out is None:
        return nullcontext()
    from audit.replay.parquet import DifferenceFile

    return DifferenceFile(out)


def _line(judged: Judged) -> str:
    by = f" by up to {judged.difference:.3g}" if judged.differences else ""
    return (
        f"{judged.verdict.upper()}  {judged.record_id}  {judged.service}{by}  {judged.reason or ''}".rstrip()
    )


def _tell(summary: Summary, intake: Intake, seconds: float, out: Path | None, as_json: bool) -> None:
    from audit.replay import Verdict

    if as_json:
        content = {
            **summary.as_json(),
            "duplicates": intake.duplicates,
            "unreadable": intake.unreadable,
            "seconds": round(seconds, 3),
            "file": str(out) if out else None,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    screen = Console()
    table = Table("service", "model", *Verdict, title="Replayed", title_justify="left")
    for service, digest in sorted({(service, digest) for service, digest, _ in summary.digests}):
        counts = [summary.digests[service, digest, verdict] for verdict in Verdict]
        cells = [
            f"[{_COLOUR.get(verdict, 'none')}]{count:,}[/]" if count else "[dim]0[/]"
            for verdict, count in zip(Verdict, counts, strict=True)
        ]
        table.add_row(escape(service), digest[:19], *cells)
    screen.print(table)
    for (verdict, reason), count in summary.reasons.most_common(_SHOWN):
        screen.print(f"{count:,} {verdict}: {escape(reason)}", soft_wrap=True, highlight=False)
    if (worst := summary.worst) is not None:
        screen.print(
            f"largest difference: {worst.difference:.3g} in {worst.record_id} (bound {worst.bound:.3g})",
            soft_wrap=True,
        )
    for count, words in (
        (intake.duplicates, "benign duplicates"),
        (intake.unreadable, "values that are no records"),
    ):
        if count:
            screen.print(f"{count:,} {words} were passed over")
    screen.print(
        f"{summary.records:,} {'answer' if summary.records == 1 else 'answers'} in {seconds:.1f} s, the loading of "
        "models included"
    )
    if out is not None:
        screen.print(f"differences: {out}", soft_wrap=True)


def _tell_comparison(comparison: Comparison, other: bytes, out: Path | None, as_json: bool) -> None:
    content = comparison.as_json()
    if as_json:
        typer.echo(
            json.dumps({"against": f"sha256:{other.hex()}", **content, "file": str(out) if out else None})
        )
        return
    screen = Console()
    screen.print(
        f"sha256:{other.hex()} answered {comparison.records:,} recorded requests, {comparison.rows:,} rows; "
        f"in {comparison.changed:,} of them it says something else",
        soft_wrap=True,
    )
    screen.print(
        f"difference of a request: {comparison.mean:.3g} on average, {comparison.largest:.3g} at most"
    )
    if comparison.decided:
        flips = comparison.flips.total()
        screen.print(f"{flips:,} of {comparison.decided:,} decisions would have been another one")
        for (then, would), count in comparison.flips.most_common():
            screen.print(f"  {count:,} from {escape(then)} to {escape(would)}")
    for reason, count in comparison.reasons.most_common(_SHOWN):
        screen.print(f"{count:,} not compared: {escape(reason)}", soft_wrap=True)
    if out is not None:
        screen.print(f"differences: {out}", soft_wrap=True)


def _digest(given: str | None, option: str) -> bytes | None:
    if given is None:
        return None
    found = _DIGEST.fullmatch(given)
    if found is None:
        raise ConfigError(f"{option} is {given!r}, wanted a package's digest, sha256:… with 64 hex digits")
    return bytes.fromhex(found[1])


def _time(given: str | None, option: str) -> int | None:
    """Milliseconds since 1970 UTC."""
    if given is None:
        return None
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise ConfigError(f"{option} is {given!r}, wanted a time such as 2026-01-31T12:00:00Z") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
