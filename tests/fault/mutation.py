"""Taking a guard out of a copy of the code, to see that a test fails without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_INI = """[pytest]
asyncio_mode = auto
pythonpath = .
addopts = --import-mode=importlib -p no:cacheprovider
timeout = 60
markers =
    kafka: as in the project
    fault: as in the project
    slow: as in the project
    long: as in the project
"""


@dataclass(frozen=True)
class Mutation:
    """In `file`, `old` (which is there once) becomes `new`; one of `tests` must fail.

    `also`: a second (old, new), where one rule stands in two places. `short`: part of `make test`.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    also: tuple[str, str] | None = None
    short: bool = False

    def apply(self, directory: Path) -> None:
        """Change the copy. Fails when the guard is not where it was."""
        path = directory / self.file
        source = path.read_text()
        for old, new in ((self.old, self.new), *([self.also] if self.also else [])):
            assert source.count(old) == 1, (
                f"{self.file} has changed: bring the mutation {self.name!r} up to date"
            )
            source = source.replace(old, new)
        path.write_text(source)


def params(mutations: Sequence[Mutation]) -> list[Any]:
    """For parametrize: those that are not short are run by `make fault-long` only."""
    return [
        pytest.param(
            mutation, id=mutation.name.replace(" ", "-"), marks=() if mutation.short else pytest.mark.long
        )
        for mutation in mutations
    ]


def copy_code(target: Path, names: Sequence[str]) -> Path:
    """The named files and folders of the project, in `target`, with a pytest.ini of their own."""
    for name in names:
        source, place = ROOT / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
    (target / "pytest.ini").write_text(_INI)
    return target


def run(directory: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """The tests, in the copy, as their own process, up to the first that fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", *tests.split()]
    # PYTHONPATH: what the tests start, as commands of their own, is the copy's code, too.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(directory)}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=170, check=False
    )


def assert_caught(directory: Path, mutation: Mutation) -> None:
    """The tests fail in the mutated copy, by a failure and not by an error of collection."""
    mutation.apply(directory)
    done = run(directory, mutation.tests)
    assert done.returncode == 1, f"{mutation.name}: nothing failed\n{done.stdout[-3000:]}"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    print(f"{mutation.name} -> {failed[0] if failed else 'time-out'}")
