"""`affiant audit replay`: logged requests answered again, each with a verdict; or by another model."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from audit.errors import ConfigError
from audit.payload_keys import configured_keys

from .audit_replay_source import opened, parts_of
from .audit_replay_told import SHOWN, line, tell, tell_comparison
from .erase_told import erasures
from .errors import WRONG
from .options import ConfigOption
from .output import ForceOption, already_there, check_output

if TYPE_CHECKING:
    from audit.erasure.told import Erasures
    from audit.proof.encryption import PayloadKeys
    from audit.replay import Compared, Comparison, Part, Predictor, Source, Summary
    from audit.replay.intake import Intake
    from audit.replay.parquet import DifferenceFile

_ERRORS: Final = Console(stderr=True)
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def replay(
    records: Annotated[
        str | None,
        typer.Argument(
            metavar="RANGE",
            help="A record id, or PARTITION:FIRST-LAST (offsets, the last one included); all, when not given.",
            show_default=False,
        ),
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="Of records logged from then on; ISO 8601, UTC unless it says.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Of records logged before then.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="This model's answers only.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="What would this model have answered?", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--output",
            "-o",
            help="Write every difference into this Parquet file.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
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
    different, with the reason as far as it is known; not replayable (refused, aborted, or without its payload).
    Exit code 1 when an answer is different, when a record stands out of its journal's order, or when none of them could
    be replayed; 2 when there is no answer of that range, time and model. With --against nothing of this is a failure:
    it says what another model would say.

    Example: affiant audit replay 0:0-9999 --out differences.parquet
    """
    only, other = _digest(model, "--model"), _digest(against, "--against")
    if other is not None and tolerance is not None:
        raise ConfigError("--tolerance is a replay's; --against has no bound")
    bounds = _bounds(since, until)
    if out is not None:
        check_output(out, force=force)
    with _prepared(config, records, bounds, archive_only=archive) as task, _file(out, force) as file:
        if other is not None:
            comparison, intake = _compared(task, other, only, file)
            answers, done, wrong = comparison.records + comparison.reasons.total(), comparison.records, False
            say = partial(tell_comparison, comparison, intake, other, out, as_json)
        else:
            summary, intake = _replay(task, only, tolerance, file, quiet=as_json)
            answers, done = summary.records, summary.replayed
            wrong = summary.wrong or intake.disordered > 0
            say = partial(tell, summary, intake, task.seconds, out, as_json)
        # A look at nothing MUST NOT pass for a success; an empty log is told as one.
        if not answers and (records, *bounds, only) != (None,) * 4:
            raise ConfigError("there was no answer to replay: none of that range, time and model is there")
    say()
    if wrong or (answers and not done):
        raise typer.Exit(WRONG)


@dataclass(slots=True)
class _Task:
    """What is replayed, with what."""

    source: Source
    parts: list[Part]
    bounds: tuple[int | None, int | None]
    predictor: Predictor
    keys: PayloadKeys
    erased: Callable[[], Erasures]
    seconds: float = 0.0

    def records(self) -> Any:
        """In log order, partition after partition."""
        return self.source.records(self.parts, *self.bounds)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int], None]]:
        """A bar, on a terminal, and the time that it took."""
        total = sum(part.end - part.first for part in (around for around, _ in self.source.walks(self.parts)))
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
        keys = configured_keys(config)
        yield _Task(source, parts_of(records, source, partitions), bounds, predictor, keys, erasures(config))


def _replay(
    task: _Task, only: bytes | None, tolerance: float | None, file: DifferenceFile | None, *, quiet: bool
) -> tuple[Summary, Intake]:
    from audit.replay import Summary, Verdict, replay

    summary = Summary()
    passed: list[Intake] = []
    alone = all(part.end - part.first == 1 for part in task.parts)  # a record, wherever it stands
    with task.progress("replaying") as progress:
        for judged in replay(
            task.records(),
            task.predictor,
            opening=task.source.opening,
            only=only,
            tolerance=tolerance,
            keys=task.keys,
            erased=task.erased,
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
            told = alone or (judged.verdict is Verdict.DIFFERENT and summary.counts[judged.verdict] <= SHOWN)
            if told and not quiet:
                typer.echo(line(judged))
    return summary, passed[0]


def _compared(
    task: _Task, other: bytes, only: bytes | None, file: DifferenceFile | None
) -> tuple[Comparison, Intake]:
    from audit.replay import Unanswerable

    try:
        return _compare(task, other, only, file)
    except Unanswerable as error:
        raise ConfigError(f"--against: {error}") from error


def _compare(
    task: _Task, other: bytes, only: bytes | None, file: DifferenceFile | None
) -> tuple[Comparison, Intake]:
    from audit.replay import Comparison, against

    comparison = Comparison()
    passed: list[Intake] = []
    with task.progress("asking the other model") as progress:
        found: Iterator[Compared] = against(
            task.records(),
            task.predictor,
            other,
            opening=task.source.opening,
            only=only,
            keys=task.keys,
            erased=task.erased,
            progress=progress,
            tell=passed.append,
        )
        for compared in found:
            comparison.add(compared)
            if file is not None and compared.differences:
                file.add(compared.record_id, compared.service, compared.digest, compared.differences)
    return comparison, passed[0]


@contextmanager
def _file(out: Path | None, force: bool) -> Iterator[DifferenceFile | None]:
    """The file of differences. It is there when all is done, and not before."""
    if out is None:
        yield None
        return
    from audit.replay.parquet import DifferenceFile

    done = True  # what fails in between is no failure of the file
    try:
        with DifferenceFile(out, replace=force) as file:
            done = False
            yield file
            done = True
    except FileExistsError as error:
        if not done:
            raise
        raise already_there(out) from error
    except OSError as error:
        if not done:
            raise
        raise ConfigError(f"cannot write {out}: {error.strerror or error}") from error


def _digest(given: str | None, option: str) -> bytes | None:
    if given is None:
        return None
    found = _DIGEST.fullmatch(given)
    if found is None:
        raise ConfigError(f"{option} is {given!r}, wanted a package's digest, sha256:… with 64 hex digits")
    return bytes.fromhex(found[1])


def _bounds(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Milliseconds since 1970 UTC: from, and before."""
    start, end = _time(since, "--since"), _time(until, "--until")
    if start is not None and end is not None and start >= end:
        raise ConfigError(f"--since {since} is not before --until {until}: no time lies between them")
    return start, end


def _time(given: str | None, option: str) -> int | None:
    """Milliseconds since 1970 UTC."""
    if given is None:
        return None
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise ConfigError(f"{option} is {given!r}, wanted a time such as 2026-01-31T12:00:00Z") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
