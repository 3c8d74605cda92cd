"""`affiant-verify log` on files of more leaves than the checkpoint beside them covers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from audit.proof.command import main
from tests.golden.proof import make

GOLDEN = Path(make.__file__).parent
KEY = ["--key", str(make.VKEY)]


def test_files_of_a_larger_tree_than_the_checkpoint_covers_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A notary that was ended while it sealed leaves them beside its state; without one the log was rolled back."""
    log = shutil.copytree(GOLDEN / "size-257", tmp_path / "log")
    shutil.copy(GOLDEN / "size-1" / "checkpoint", log)
    shutil.copytree(GOLDEN / "size-1" / "tile", log / "tile", dirs_exist_ok=True)
    assert main(["log", str(log), *KEY]) == 1
    assert (
        "257 leaves at least are there, and it covers 1: the log was rolled back" in capsys.readouterr().out
    )
    (log / "state").touch()
    assert main(["log", str(log), *KEY, "--json"]) == 0
    (tree,) = json.loads(capsys.readouterr().out)["trees"]
    assert tree["files_beyond"] > 0
    far = log / "tile/entries/x999/999"
    far.parent.mkdir()
    far.touch()
    assert main(["log", str(log), *KEY]) == 1
