"""Threads of a process: none of them dies alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from audit.errors import AuditError
from audit.together import Together
from cli.errors import explain


def until(stop: threading.Event) -> None:
    """What a thread does that is well."""
    stop.wait()


def raises(_: threading.Event) -> None:
    """What nobody caught."""
    raise RecursionError("too deep")


@pytest.mark.parametrize(("dies", "why"), [(raises, "RecursionError"), (lambda _: None, "it returned")])
def test_one_that_dies_ends_the_process_and_says_why(
    dies: Callable[[threading.Event], None], why: str
) -> None:
    """The main loop is told, the others end, and the exit code is one after which a supervisor starts it again."""
    stop = threading.Event()
    threads = Together(stop)

    def main_loop() -> None:
        with threads:
            threads.start("well", until)
            threads.start("rollouts", dies)
            assert stop.wait(10)

    with (
        capture_logs() as logs,
        pytest.raises(AuditError, match=f"'rollouts' has ended unasked .{why}") as told,
    ):
        main_loop()
    assert threads.trouble == "the thread 'rollouts' has ended unasked"
    assert [each["thread"] for each in logs if each["log_level"] == "error"] == ["rollouts"]
    explained = explain(told.value)
    assert explained is not None
    assert explained.code == 3


def test_an_end_that_was_asked_for_is_none() -> None:
    """Nobody is told of anything."""
    stop = threading.Event()
    with Together(stop) as threads:
        threads.start("well", until)
        assert threads.trouble == ""
        stop.set()
    assert threads.trouble == ""


def test_what_the_main_loop_dies_of_is_told_as_it_is() -> None:
    """And the threads end with it."""
    stop = threading.Event()

    def main_loop() -> None:
        with Together(stop) as threads:
            threads.start("well", until)
            raise KeyError("of the main loop")

    with pytest.raises(KeyError, match="of the main loop"):
        main_loop()
    assert stop.is_set()
