"""A copy of a store in which something lies that is no file: verification ends, names it, and looks at the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.components.sealed import SealedLog, sealed_log
from tests.fault.attacks.hands import copy, flaws


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A small sealed log with its archive."""
    return sealed_log(tmp_path_factory.mktemp("sound"))


def sparse(path: Path) -> None:
    """Five gigabytes that take no place."""
    path.touch()
    os.truncate(path, 5 << 30)


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "sparse": sparse,
}


def is_needed(name: Path, names: list[Path]) -> bool:
    """Older partial files may go, payloads may have been erased, and other checkpoints are only kept."""
    if name.parent.suffix == ".p":
        return int(name.name) == max(int(each.name) for each in names if each.parent.suffix == ".p")
    return name.parts[:2] not in {("archive", "payloads"), ("archive", "checkpoints")}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_lies_in_a_files_place_is_located(made: SealedLog, tmp_path: Path, odd: str) -> None:
    """Each file of the store in its turn."""
    names = sorted(
        path.relative_to(made.store)
        for path in made.store.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.parent.name != "topics"  # test_notes.py
    )
    assert {"checkpoint", "state"} <= {name.name for name in names}
    assert any(name.suffix == ".parquet" for name in names)
    attacked = copy(made, tmp_path / "copy")
    if odd == "folder":  # it is as if there were no file: named where one MUST be
        names = [name for name in names if is_needed(name, names)]
    for name in names:
        path = attacked.store / name
        kept = path.read_bytes()
        path.unlink()
        ODD[odd](path)
        found = flaws(attacked, log=False)
        assert any(name.name in f"{flaw.path} {flaw.message}" for flaw in found), (name, found)
        path.rmdir() if odd == "folder" else path.unlink()
        path.write_bytes(kept)
    assert flaws(attacked, log=False) == []
