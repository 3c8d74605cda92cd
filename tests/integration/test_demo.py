"""The demo as a newcomer runs it, and every command that it ends with, as printed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.process import Process

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "credit" / "demo.py"
PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A short run, from start to end."""
    directory = tmp_path_factory.mktemp("demo")
    argv = [sys.executable, DEMO, "--requests", "600", "--clients", "6", "--directory", directory / "var"]
    process = Process(argv, log=directory / "demo.txt", env=PLAIN, cwd=ROOT)
    process.start()
    try:
        process.wait(deadline_s=170)
    finally:
        process.kill()
    return process


def printed_commands(text: str) -> list[str]:
    """What stands under "Try next"."""
    return [line.strip() for line in text.partition("Try next")[2].splitlines() if line.strip()]


@pytest.mark.slow
def test_the_demo_shows_what_it_claims(demo: Process) -> None:
    """Everything is answered, recorded, verified; and the forged copy is found."""
    text = demo.log_text()
    assert demo.returncode == 0, text
    assert "0 of them are not in the log" in text
    assert "nothing is wrong" in text
    assert re.search(r"WRONG {2}payload: .*offset \d+, journal [0-9a-f]{32}, sequence \d+", text)
    assert "P(bad) = " in text
    assert re.search(r"requests +600, each answered with 200", text)
    assert re.search(r"sealed +[\d,]+ entries, by the notary", text)
    assert re.search(r"added latency, 1 client ", text)
    assert "Successfully fsck'd log" in text
    for service in ("credit", "credit-onnx"):
        assert re.search(rf"^ +{service} sha256:[0-9a-f]+…: [\d,]+ identical$", text, re.MULTILINE)
    assert re.search(r"evidence.zip: \d+ records, \d+ payloads, .*; it verifies", text)
    assert "  it holds" in text
    assert "that should not be" not in text
    for protocol in ("V1 by name", "V1 in order", "V2 JSON", "V2 binary"):
        assert protocol in text


@pytest.mark.slow
def test_each_command_that_it_ends_with_works_as_printed(demo: Process) -> None:
    """Copied from the screen into a shell, in the same directory."""
    export, *commands = printed_commands(demo.log_text())
    assert export.startswith("export AFFIANT_CONFIG=")
    assert len(commands) >= 5
    for command in commands:
        if " up " in command:
            continue
        done = subprocess.run(
            ["bash", "-c", f"{export}\n{command}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), command


@pytest.mark.slow
def test_serving_again_works_as_printed(demo: Process, tmp_path: Path) -> None:
    """`affiant up` on what the demo left: recovers, serves, and ends in order."""
    export, *commands = printed_commands(demo.log_text())
    (up,) = (command for command in commands if " up " in command)
    name, _, value = export.removeprefix("export ").partition("=")
    words = shlex.split(up, comments=True)
    with Process(words, log=tmp_path / "up.txt", env={name: value}, cwd=ROOT) as process:
        process.wait_for_log("│ ready; ", deadline_s=60)
        assert process.stop(deadline_s=60) == 0


@pytest.mark.slow
def test_ctrl_c_ends_what_was_started(tmp_path: Path) -> None:
    """SIGINT while requests are on their way: exit code 130, no traceback, no process left."""
    directory = tmp_path / "var"
    argv = [sys.executable, DEMO, "--requests", "1000000", "--directory", directory]
    process = Process(argv, log=tmp_path / "demo.txt", env=PLAIN, cwd=ROOT)
    process.start()
    try:
        process.wait_for_log("`affiant up` serves", deadline_s=120)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(deadline_s=90) == 130, process.log_text()
    finally:
        process.kill()
    assert "Traceback" not in process.log_text()
    left = [
        place.name
        for place in Path("/proc").glob("[0-9]*")
        if str(directory).encode() in _command_line(place)
    ]
    assert left == []


def test_a_directory_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    """The demo begins anew by removing its own earlier run, and nothing else."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [sys.executable, DEMO, "--directory", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is not removed" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def _command_line(place: Path) -> bytes:
    try:
        return (place / "cmdline").read_bytes()
    except OSError:
        return b""  # it has just ended
