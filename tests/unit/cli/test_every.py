"""What follows by itself: it outlives what is away, and not what no waiting mends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from audit.errors import ConfigError, LogUnavailable
from cli.every import repeat
from registry.errors import StoreUnavailable


class Enough(BaseException):
    """The test has seen what it wanted."""


def waits(times: int, seen: list[float]) -> Callable[[float], None]:
    """Waits no time, and so often."""

    def wait(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == times:
            raise Enough

    return wait


def in_turn(*failures: BaseException | None) -> Callable[[], None]:
    """A command that fails in each of these ways, one time each."""
    left: Iterator[BaseException | None] = iter(failures)

    def once() -> None:
        if (failure := next(left)) is not None:
            raise failure

    return once


def test_it_outlives_what_is_away_and_what_is_wrong_with_one_package(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each is said, and tried again after the same time."""
    touched, seen = tmp_path / "done", list[float]()
    failures = (
        LogUnavailable("no broker"),
        StoreUnavailable("no registry"),
        OSError(28, "No space"),
        typer.Exit(1),
        typer.Exit(3),
    )
    with pytest.raises(Enough):
        repeat(in_turn(*failures), 60.0, touched, waits(len(failures), seen))
    told = capsys.readouterr().err.splitlines()
    assert seen == [60.0] * 5
    assert [each.partition(";")[0] for each in told] == [
        "not done this time: no broker", "not done this time: no registry", "not done this time: No space",
        "not done this time", "not done this time",
    ]  # fmt: skip
    assert all(each.endswith("again in 60 s") for each in told)
    assert not touched.exists()  # its age says when it went well last


def test_a_time_that_went_well_touches_the_file(tmp_path: Path) -> None:
    """After one that did not, too; and where it is done once alone."""
    touched = tmp_path / "done"
    with pytest.raises(Enough):
        repeat(in_turn(LogUnavailable("away"), None), 1.0, touched, waits(2, []))
    assert touched.exists()
    touched.unlink()
    repeat(in_turn(None), None, touched)
    assert touched.exists()
    with pytest.raises(ConfigError, match=r"--touch .*: No such file"):
        repeat(in_turn(None), None, tmp_path / "nowhere" / "done")


@pytest.mark.parametrize("failure", [ConfigError("no such key"), typer.Exit(2), ZeroDivisionError()])
def test_wrong_settings_and_defects_end_it(failure: Exception) -> None:
    """No waiting mends the ones, and the others are not to be hidden."""
    with pytest.raises(type(failure)):
        repeat(in_turn(failure), 1.0, None, waits(1, []))


@pytest.mark.parametrize("failure", [LogUnavailable("no broker"), typer.Exit(1)])
def test_once_it_is_a_command_as_any_other(failure: Exception) -> None:
    """What it raises is raised."""
    with pytest.raises(type(failure)):
        repeat(in_turn(failure), None)


def test_sigterm_ends_it_with_0_and_is_what_it_was_afterwards() -> None:
    """At once, wherever it is."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        repeat(lambda: os.kill(os.getpid(), signal.SIGTERM), 1.0, None, waits(1, []))
    assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) == before
