"""How `make test PROCESSES=2` runs the tests in two processes (tests/components/lanes.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.components.lanes import HEAVY, lane, misplaced
from tests.components.ports import _own

ROOT = Path(__file__).resolve().parents[2]
WRITES = """
import os, pathlib, time
def test_it(pytestconfig):
    (pytestconfig.rootpath / ("ran-" + pathlib.Path(__file__).stem)).write_text(os.environ["PYTEST_XDIST_WORKER"])
"""
USES = """
import pytest
@pytest.fixture
def mlflow_server(): return 1
""" + WRITES.replace("(pytestconfig)", "(pytestconfig, mlflow_server)")


def _pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider",
            "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), *options, str(folder),
        ],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_what_shares_components_runs_in_one_process(tmp_path: Path) -> None:
    """The others', however many files they are, in the second; and one line closes the run, as CI reads it."""
    for name in ("a", "c"):
        _write(tmp_path, f"tests/integration/test_{name}.py", USES)
    _write(tmp_path, "tests/integration/test_demo_b.py", WRITES)
    _write(tmp_path, "tests/fault/gateway/test_d.py", WRITES)
    done = _pytest(tmp_path, "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {path.name.removeprefix("ran-test_"): path.read_text() for path in tmp_path.glob("ran-*")}
    assert ran["a"] == ran["c"] != ran["demo_b"] == ran["d"]
    closing = done.stdout.splitlines()[-1]
    assert closing.startswith("====")
    assert " 4 passed in " in closing


def test_a_test_that_would_start_a_component_twice_ends_the_run(tmp_path: Path) -> None:
    """It is told which, and what to do, with one process too."""
    _write(tmp_path, "tests/unit/test_a.py", USES)
    done = _pytest(tmp_path)
    assert done.returncode == 4
    assert "tests/unit/test_a.py::test_it uses mlflow_server: add its file" in done.stderr


def test_the_heavy_components_are_the_sessions_own() -> None:
    """A name that no fixture has would hold nothing."""
    text = (ROOT / "tests/components/fixtures.py").read_text()
    for name in HEAVY:
        assert f'@pytest.fixture(scope="session")\ndef {name}(' in text


def test_what_needs_nothing_goes_file_by_file() -> None:
    """And its parameters and classes do not matter."""
    assert lane("tests/unit/audit/test_a.py::TestIt::test_b[c::d]") == "tests/unit/audit/test_a.py"
    assert misplaced("tests/unit/audit/test_a.py::test_b", ["tmp_path"]) is None


def test_two_processes_give_out_different_ports() -> None:
    """All of the range, none of it twice; one process has it whole."""
    two = [_own({"PYTEST_XDIST_WORKER": f"gw{n}", "PYTEST_XDIST_WORKER_COUNT": "2"}) for n in (0, 1, 2)]
    assert not set(two[0]) & set(two[1])
    assert set(two[0]) | set(two[1]) == set(_own({}))
    assert two[2] == two[0]  # one that replaces a dead one
