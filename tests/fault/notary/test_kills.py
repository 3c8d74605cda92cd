"""Kill -9 of a notary at each system call that it makes on its directory: it goes on, and no head is ever another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.notary.killed import CALLS

pytestmark = pytest.mark.fault


def died(directory: Path, step: int) -> dict[str, int]:
    """How often a notary died at which call; the program checks what is left each time."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fault.notary.killed", str(directory), str(step)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_notary_killed_at_some_of_its_system_calls_goes_on(tmp_path: Path) -> None:
    """The short form: every fifteenth of them."""
    assert sum(died(tmp_path, 15).values()) > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_notary_killed_at_each_of_its_system_calls_goes_on(tmp_path: Path) -> None:
    """All of them."""
    counts = died(tmp_path, 1)
    assert set(counts) == set(CALLS)
    print(counts)


def test_notaries_that_race_make_one_tree(tmp_path: Path) -> None:
    """Three processes seal the same tree as fast as they can: of those that meet one goes on, and the tree is whole."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fault.notary.rivals", str(tmp_path)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout)
    assert sum(refused for _, refused in results) > 0, "they did not meet"
