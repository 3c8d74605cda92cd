"""The scripts and the Makefile, by running them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | env,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_make_help_prints_the_targets() -> None:
    """`make help`, and `make` alone, name every target that a user is told of."""
    text = _run("make", "help").stdout
    assert _run("make").stdout == text
    for target in [
        "demo",
        "test",
        "lint",
        "unit",
        "integration",
        "fault",
        "bench",
        "bench-quick",
        "lock",
        "clean",
    ]:
        assert re.search(rf"^  {target} ", text, re.MULTILINE), target


def test_an_unknown_set_is_refused_with_the_known_ones() -> None:
    """Bootstrap says which sets there are."""
    result = _run("scripts/bootstrap", "everything")
    assert result.returncode == 1
    assert "requirements/everything.txt" in result.stderr
    assert "gateway-cpu" in result.stderr


def test_bootstrap_makes_an_environment_and_then_keeps_it(tmp_path: Path) -> None:
    """The first run installs a set and the project; the second finds its stamp and does nothing."""
    venv = tmp_path / "venv"
    first = _run("scripts/bootstrap", "notary", AFFIANT_VENV=str(venv))
    assert first.returncode == 0, first.stderr
    assert _run(venv / "bin" / "python", "-c", "import audit.log, kafka, obstore").returncode == 0
    assert (venv / "bin" / "affiant").exists()
    second = _run("scripts/bootstrap", "notary", AFFIANT_VENV=str(venv))
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_a_machine_without_a_python_is_told_what_to_install(tmp_path: Path) -> None:
    """With no Python that fits on the PATH, bootstrap exits non-zero with the line to run."""
    tools = ["bash", "dirname", "cat", "sha256sum", "cut", "mkdir", "flock", "id", "sed"]
    for name in tools:
        found = subprocess.run(["which", name], check=True, capture_output=True, text=True).stdout.strip()
        (tmp_path / name).symlink_to(found)
    result = _run(
        tmp_path / "bash", "scripts/bootstrap", "notary",
        PATH=str(tmp_path), AFFIANT_VENV=str(tmp_path / "venv"), AFFIANT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert result.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 found" in result.stderr
    assert "apt-get install" in result.stderr


def test_tools_lists_what_there_is() -> None:
    """`scripts/tools --list` has a row for each tool with its state."""
    result = _run("scripts/tools", "--list")
    assert result.returncode == 0
    for name in [
        "java",
        "kafka",
        "registry",
        "strace",
        "wrk",
        "prometheus",
        "alertmanager",
        "amtool",
        "promtool",
        "versitygw",
        "fsck",
        "tlogcheck",
    ]:
        assert re.search(rf"^{name} +(installed|missing) ", result.stdout, re.MULTILINE), name


def test_tools_refuses_an_unknown_name() -> None:
    """A name that is no tool is an error, not a silent success."""
    result = _run("scripts/tools", "kafak")
    assert result.returncode == 2
    assert "kafak" in result.stderr


@pytest.mark.kafka
def test_tools_finds_kafka_installed() -> None:
    """What is there already is not fetched again, and nothing is printed."""
    result = _run("scripts/tools", "kafka")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.s3
@pytest.mark.tlog
def test_tools_finds_what_was_built_installed() -> None:
    """Nor is anything built again."""
    names = [
        "versitygw",
        "fsck",
        "posix-oneshot",
        "spicy",
        "litewitness",
        "tlogcheck",
        "otelcol",
        "dockerlint",
    ]
    result = _run("scripts/tools", *names)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
