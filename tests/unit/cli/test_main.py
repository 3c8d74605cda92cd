"""The command line's frame: help, exit codes, and clear lines in place of tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from audit.errors import ConfigError, JournalDamaged, LogUnavailable, TopicUnsafe
from audit.proof.errors import FormatError
from cli.errors import explain
from cli.main import GROUPS, app, guarded
from registry.errors import DigestMismatch, NotFound, PublishError, StoreUnavailable


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that there is, with the words that call it."""

    def walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield words, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(f"{words} {name}", child)

    root = typer.main.get_command(app)
    for name in GROUPS:
        yield from walk(f"affiant {name}", root.get_command(None, name))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, check=False
    )


def test_every_command_has_help_with_an_example() -> None:
    """Nobody has to guess how a command is called."""
    without = [words for words, command in commands() if f"Example: {words}" not in (command.help or "")]
    assert without == []


def test_the_list_says_of_each_group_what_it_is() -> None:
    """The list is made without loading the groups; its lines are there."""
    out = run("--help").stdout
    assert all(f" {name} " in out and group.about in out for name, group in GROUPS.items())


def test_help_loads_no_component() -> None:
    """`affiant --help` is quick, and works on a machine with any one extra."""
    code = (
        "import sys\nfrom cli.main import run\n"
        "try: run(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'bentoml', 'xgboost', 'onnxruntime', 'numpy', 'pandas', 'kafka', 'pydantic', 'service'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_library_that_is_not_there_names_the_extra() -> None:
    """A machine with the sidecar alone is told what the gateway would need."""
    code = "import sys\nsys.modules['numpy'] = None\nfrom cli.main import run\nrun(['model', 'list'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs the extra 'registry' (numpy is not installed)" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_told() -> None:
    """`affiant --version` prints it and ends well."""
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "affiant 0.1.0\n")


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit code 2, and no traceback."""
    done = run("serve")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_absent_settings_are_told_with_what_to_do(tmp_path: Any) -> None:
    """One line: what, where, and what to do."""
    done = run("config", "check", "--config", str(tmp_path / "affiant.toml"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"cannot read {tmp_path}/affiant.toml" in done.stderr
    assert "affiant init" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no"), 2),
        (PublishError("no"), 2),
        (DigestMismatch("model.ubj"), 1),
        (NotFound("sha256:00"), 1),
        (FormatError("entry: has no kind"), 1),
        (JournalDamaged("segment 1"), 1),
        (TopicUnsafe("cleanup.policy"), 1),
        (LogUnavailable("no broker"), 3),
        (StoreUnavailable("no registry"), 3),
        (PermissionError(13, "Permission denied", "/data"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_expected_failure_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The codes are those of docs/contracts.md, and the message is one line."""

    def fail() -> None:
        raise error

    assert guarded(fail, []) == code
    if isinstance(error, Exception):
        assert capsys.readouterr().err.count("\n") == 1


def test_a_failure_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The line and the code, in place of an empty output that a script takes for an answer."""

    def fail() -> None:
        raise FormatError("entry: has no kind")

    assert guarded(fail, ["log", "show", "--json"]) == 1
    out = capsys.readouterr().out
    assert json.loads(out) == {"error": "entry: has no kind", "code": 1}
    assert guarded(fail, ["log", "show"]) == 1
    assert capsys.readouterr().out == ""


def test_a_defect_keeps_its_traceback() -> None:
    """What nobody expected is not dressed up as a user's mistake."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(fail, [])


def test_our_own_missing_module_is_a_defect() -> None:
    """Only a third party's library can be an extra that is not installed."""
    assert explain(ModuleNotFoundError("no", name="audit.nothing")) is None
    assert explain(ModuleNotFoundError("no", name="kafka"), extra="sidecar") is not None


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """`affiant config docs | head -1` ends without a word."""
    pipe = f"{sys.executable} -m cli.main config docs | head -c1"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("#", "")
