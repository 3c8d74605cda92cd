"""`--every`: a command that is done again and again, so that what it brings up to date follows by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from audit.errors import ConfigError

from .errors import USAGE, explain
from .text import printable

EveryOption = Annotated[
    float | None,
    typer.Option(
        "--every", min=0.1, metavar="SECONDS", help="Do it again so long after each time, until stopped.",
        show_default=False,
    ),
]  # fmt: skip
TouchOption = Annotated[
    Path | None,
    typer.Option(
        help="A file that is touched after each time that went well: its age says how old what is told may be.",
        show_default=False,
    ),
]


def repeat(
    once: Callable[[], None],
    every: float | None,
    touch: Path | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Do it once; or, with `every`, for ever, until SIGTERM or Ctrl-C.

    Who follows MUST outlive whatever is away, and what is wrong with one package: it is said on the error output, and
    tried again. It MUST NOT outlive wrong settings, which no waiting mends, nor hide a defect: both end it.
    A SIGTERM ends it at once, with 0: what was begun is done by the next that is started, as after a kill.

    Args:
        once: the command; as every command it raises what failed, or typer.Exit with a code.
        every: seconds between the end of one time and the next; None: once, and what it raises is raised.
        touch: touched after each time that raised nothing.
        wait: waits so many seconds.
    """
    if every is None:
        once()
        _touched(touch)
        return
    with _ended_by_sigterm():
        while True:
            try:
                once()
                _touched(touch)
            except typer.Exit as end:  # it has said why
                if end.exit_code == USAGE:
                    raise
                typer.echo(f"not done this time; again in {every:g} s", err=True)
            except Exception as error:
                told = explain(error)
                if told is None or told.code == USAGE:
                    raise
                typer.echo(printable(f"not done this time: {told.line}; again in {every:g} s"), err=True)
            wait(every)


def _touched(path: Path | None) -> None:
    if path is None:
        return
    try:
        path.touch()
    except OSError as error:
        raise ConfigError(f"--touch {path}: {error.strerror}") from None


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    def end(*_: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
