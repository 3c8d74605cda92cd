"""The helpers that start real components: conditions, deadlines, signals, missing programs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.components.cache import cached
from tests.components.ports import free_port
from tests.components.process import ComponentError, Process, find_program, wait_until
from tests.components.trace import calls_of


def test_a_missing_program_names_the_command_that_installs_it() -> None:
    """The error of a component that is not installed says what to run."""
    with pytest.raises(ComponentError, match="scripts/tools registry"):
        find_program("no-such-program-anywhere", "registry")


def test_a_missing_cached_file_names_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does that of something which is not in the cache."""
    monkeypatch.setenv("AFFIANT_CACHE", str(tmp_path))
    with pytest.raises(ComponentError, match="scripts/tools kafka"):
        cached("kafka", "libs", tool="kafka")


def test_a_condition_that_never_holds_ends_at_its_deadline() -> None:
    """The error says what was awaited."""
    with pytest.raises(ComponentError, match="waiting for the moon"):
        wait_until(lambda: False, what="the moon", deadline_s=0.01)


def test_ports_are_given_once() -> None:
    """No port is handed out twice by one process."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_a_process_that_ends_early_fails_with_its_log(tmp_path: Path) -> None:
    """Waiting for a process that has died stops at once, with what it last said."""
    process = Process(["sh", "-c", "echo out of luck; exit 3"], log=tmp_path / "log")
    with process, pytest.raises(ComponentError, match=r"ended with 3(?s:.*)out of luck"):
        process.wait_until(lambda: False, what="ready")


def test_a_process_is_paused_resumed_and_stopped(tmp_path: Path) -> None:
    """SIGSTOP and SIGCONT reach it, and SIGTERM ends it."""
    process = Process(["sh", "-c", "echo ready; exec sleep 1000"], log=tmp_path / "log")
    with process:
        process.wait_for_log("ready")
        process.pause()
        state = Path(f"/proc/{process.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", what="a stopped process")
        process.resume()
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] != "T", what="a running process")
        assert process.stop() == -signal.SIGTERM
        assert not process.alive
        process.start()
        assert process.alive
    assert process.returncode == -signal.SIGKILL


def test_a_paused_process_is_stopped_too(tmp_path: Path) -> None:
    """`stop` lets a paused process go on, so that it sees its SIGTERM."""
    with Process(["sleep", "1000"], log=tmp_path / "log") as process:
        process.pause()
        assert process.stop() == -signal.SIGTERM


def test_a_traced_call_in_two_lines_is_one_again(tmp_path: Path) -> None:
    """Strace splits a call during which another thread made one."""
    trace = tmp_path / "trace"
    trace.write_text(
        '11 fsync(3</a> <unfinished ...>\n12 write(4</b>, "x", 1) = 1\n11 <... fsync resumed>)        = 0\n'
    )
    assert calls_of(trace) == ['12 write(4</b>, "x", 1) = 1', "11 fsync(3</a>)        = 0"]
