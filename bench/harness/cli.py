"""What every bench's command line and run have in common."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness import environments
from harness.processes import BenchError, Process
from harness.report import Report

COULD_NOT_RUN = 3
FILE_WIDTH = 120  # of output that no terminal bounds


@dataclass
class Run:
    """One run of a bench: its directory on the journals' disk, and what must be ended with it."""

    options: argparse.Namespace
    directory: Path
    console: Console
    stack: ExitStack
    started: list[Process] = field(default_factory=list)

    def own(self, process: Process) -> Process:
        """End this process when the run ends, whatever happens."""
        self.started.append(process)
        self.stack.callback(process.stop)
        return process

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """One line that says what is being done and how long it will take."""
        with Progress(
            TextColumn("{task.description:<48}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        ) as shown:
            yield shown


def parser(description: str, quick: str) -> argparse.ArgumentParser:
    """The options that every bench takes."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    made.add_argument("--server-core", type=int, default=0, help="core of what is measured (default 0)")
    made.add_argument(
        "--client-core", type=int, default=1, help="core of the load, and of a broker (default 1)"
    )
    made.add_argument("--directory", type=Path, help="on the disk to put journals on (default: the cache's)")
    made.add_argument(
        "--keep", action="store_true", help="keep the run's directory: logs, settings, journals"
    )
    return made


def run(
    name: str,
    options: argparse.Namespace,
    body: Callable[[Run], Report],
    show: Callable[[Report, Console], None],
) -> int:
    """Run a bench and print its report; 0 whether or not a bar holds, 3 when it could not be run."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    parent = options.directory or environments.cache()
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        with ExitStack() as stack:
            report = body(Run(options, directory, console, stack))
    except BenchError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return COULD_NOT_RUN
    finally:
        if options.keep:
            console.print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    show(report, console)
    if options.json:
        report.write(options.json)
        console.print(f"report: {options.json}")
    return 0
