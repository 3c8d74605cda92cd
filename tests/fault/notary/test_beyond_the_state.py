"""Files of a killed run, and a log that has other records there by then: refused, and the way out of the page."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from audit.errors import NotaryRefuses
from audit.notary.holes import entry_of
from audit.notary.noted import Noted, note_name
from audit.notary.seal import Seal
from tests.components.sealed import KeySigner, SealedLog, write_log
from tests.fault.attacks.hands import named, verified

pytestmark = pytest.mark.fault

SEALED, WRITTEN = 9, 280


def leaves_of(path: str) -> int:
    """Of a file below `tile/`: how many leaves a tree has at least that has it (docs/notary.md)."""
    found = re.fullmatch(r"(entries|\d)/(\d{3})(?:\.p/(\d+))?", path)
    assert found is not None, path
    level = 0 if found[1] == "entries" else int(found[1])
    return (int(found[2]) * 256 + int(found[3] or 256)) * 256**level


def sealed(made: SealedLog, entries: list[bytes]) -> int:
    with closing(Seal(made.objects, made.tree_id, KeySigner())) as seal:
        seal.append(entries[seal.size :])
        seal.seal()
        return seal.size


def test_files_of_records_that_the_log_does_not_have_any_more_are_taken_away(tmp_path: Path) -> None:
    """No second head is ever signed; what the page says to remove is what stands in the way, and nothing else."""
    made = write_log(tmp_path, [[b"{}"] * 290])
    entries = [entry_of(each.value, made.topic, 0, each.offset).entry for each in made.entries()]
    made.objects.create(note_name(made.topic.name), Noted(made.topic.id, 1).encode())
    sealed(made, entries[:SEALED])
    before = {name: (made.folder / name).read_bytes() for name in ("state", "checkpoint")}
    sealed(made, entries[:WRITTEN])
    for name, content in before.items():  # it was killed before it swapped them
        (made.folder / name).unlink()
        (made.folder / name).write_bytes(content)
    others = [*entries[:SEALED], *entries[:SEALED] * 40][:300]
    with pytest.raises(NotaryRefuses, match="with another content"):
        sealed(made, others)
    assert {name: (made.folder / name).read_bytes() for name in before} == before
    named(verified(made, log=False).flaws, "checkpoint")
    tiles = made.folder / "tile"
    files = [path for path in tiles.rglob("*") if path.is_file() and not path.name.startswith(".")]
    for path in files:
        if leaves_of(path.relative_to(tiles).as_posix()) > SEALED:
            path.unlink()
    assert verified(made, log=False).flaws == []
    assert sealed(made, others) == len(others)
    assert [flaw for flaw in verified(made, log=False).flaws if flaw.path is not None] == []
