"""Damaged archive files end nobody: what reads them says which file it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.sealed import sealed_log

STEP = 13
CHANGES = 25


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small files of an archive."""
    return sealed_log(tmp_path_factory.mktemp("sealed"), archive_records=8).store


def read_all(store: Path, step: int, bits: str, changes: int) -> dict[str, int]:
    """What a process of its own says of the store's files, damaged: how often it read other rows, by the file."""
    command = [sys.executable, "-m", "tests.components.flipped", str(store), str(step), bits, str(changes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-200:], done.stderr[-2000:])
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_damaged_footer_does_not_end_the_process_and_gives_no_other_rows(store: Path) -> None:
    """Pyarrow ends it over one byte in seventy of an entries file's footer: ours is asked first."""
    found = read_all(store, STEP, "1", CHANGES)
    assert len(found) == 6
    assert set(found.values()) == {0}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_damaged_footer_ends_the_process(store: Path) -> None:
    """Every byte, two bits of each, and some thousands of other changes."""
    assert set(read_all(store, 1, "1,128", 3000).values()) == {0}
