"""What the demos print with: headings, spinners, bars, and commands with what they said."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from audited import Step
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

SCREEN: Final = Console(highlight=False)


def heading(text: str) -> None:
    """A new part."""
    SCREEN.print(f"\n[bold cyan]{text}[/]")


def done(text: str) -> None:
    """A step is done."""
    SCREEN.print(f"[green]✓[/] {text}")


def indented(text: str) -> str:
    """Output of a command, set in."""
    return "".join(f"  {line}\n" for line in text.splitlines())


def shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextlib.contextmanager
def working(text: str) -> Iterator[Any]:
    """A spinner, whose text can be changed."""
    with SCREEN.status(text) as status:
        yield lambda step: status.update(f"{text}: {step}")


@contextlib.contextmanager
def bar(text: str, total: int) -> Iterator[Any]:
    """A progress bar; the function given takes one step."""
    columns = (SpinnerColumn(), TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=SCREEN, transient=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)


def fresh(directory: Path) -> None:
    """An empty directory. Only one that a run of this demo has made is removed."""
    if directory.exists():
        if not (directory / ".affiant-demo").exists():
            raise SystemExit(f"{directory} was not made by this demo, and is not removed")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / ".affiant-demo").touch()


def tell(step: Step) -> None:
    """A command and what it said."""
    SCREEN.print(f"[bold]$ {step.typed}[/]")
    SCREEN.print(indented(step.printed), soft_wrap=True, markup=False, end="")
    if not step.good:
        SCREEN.print("[bold red]  that should not be[/]")
